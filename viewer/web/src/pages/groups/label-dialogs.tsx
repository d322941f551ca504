import { asProblem } from "../../api/problem";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { countOf } from "../../components/words";
import type { Choice } from "../../review/choice";
import { type Label, words } from "../../review/labels";
import type { Group } from "../../review/questions";
import styles from "./members.module.css";

type MembersProps = {
  group: Group;
  choice: Choice;
  label: Label;
  onConfirm: (label: Label) => void;
  onClose: () => void;
};

/** The one decision that is about many sequences at once, and cannot be taken back as a whole. */
export function LabelMembersDialog({ group, choice, label, onConfirm, onClose }: MembersProps) {
  const members = countOf(group.members_total, "member");
  return (
    <Dialog title={`Label ${members} as ${words(label)}?`} onClose={onClose}>
      <p>
        The group and each of its members that is not labelled yet will say {words(label)}
        {choice.isUnsure && ", unsure"}. Members that somebody labelled or is labelling stay as they are. It
        counts as a label given by name: correcting the group later does not change these members.
      </p>
      <div className={styles.answers}>
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" onClick={() => onConfirm(label)}>
          Label {members}
        </Button>
      </div>
    </Dialog>
  );
}

type ReplaceProps = {
  error: unknown;
  label: Label;
  onConfirm: (label: Label) => void;
  onClose: () => void;
};

/** The group carries another label, and nothing was done. */
export function ReplaceDialog({ error, label, onConfirm, onClose }: ReplaceProps) {
  return (
    <Dialog title="Replace the group's label?" onClose={onClose}>
      <p>{asProblem(error).detail}</p>
      <p>
        The group's own label changes only if at least one member takes the new one. Members that are labelled
        already stay as they are, and then contradict the group: to correct those too, correct the label
        instead.
      </p>
      <div className={styles.answers}>
        <Button onClick={onClose}>Leave it</Button>
        <Button kind="danger" onClick={() => onConfirm(label)}>
          Replace it with {words(label)}
        </Button>
      </div>
    </Dialog>
  );
}
