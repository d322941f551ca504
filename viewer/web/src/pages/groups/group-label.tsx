import { useId, useState } from "react";
import { asProblem } from "../../api/problem";
import { Banner } from "../../components/banner";
import { Button } from "../../components/button";
import { countOf, Moment, Name } from "../../components/words";
import {
  type GroupChange,
  isChangedMeanwhile,
  isOtherLabel,
  useGroupLabelling,
  useGroupUpdate,
} from "../../review/changes";
import type { Choice } from "../../review/choice";
import { LabelPicker } from "../../review/label-picker";
import { isSame, type Label, labelOf, words } from "../../review/labels";
import type { Group } from "../../review/questions";
import { useMayDecide } from "../../session/session";
import { BulkResult } from "./bulk-result";
import styles from "./group-label.module.css";
import { LabelMembersDialog, ReplaceDialog } from "./label-dialogs";
import { Panel } from "./panel";
import { Refused } from "./refused";

/** What somebody is about to say, and what the group said when they began. */
type Draft = { choice: Choice; base: Choice };

/** What the group is said to be: giving it and its members a label, correcting that, and taking it away. */
export function GroupLabel({ group, tag }: { group: Group; tag: string | null }) {
  const current = labelOf(group);
  const [draft, setDraft] = useState<Draft | null>(null);
  const said: Choice = { label: current, isUnsure: group.is_unsure };
  const choice = draft?.choice ?? said;
  const choose = (next: Choice) => setDraft({ choice: next, base: draft?.base ?? said });
  // Others go on: what was begun is not made of what they wrote since, however often the page has read the group.
  const isOvertaken =
    draft !== null && (!isSame(draft.base.label, said.label) || draft.base.isUnsure !== said.isUnsure);
  const { may, whyNot } = useMayDecide();
  const update = useGroupUpdate(group.id, tag);
  const { labelling, progress } = useGroupLabelling(group.id);
  const [asked, setAsked] = useState<"members" | null>(null);
  const isBusy = update.isPending || labelling.isPending;
  const isHeld = !may || isBusy || isOvertaken;
  const change = (body: GroupChange) => update.mutate(body, { onSuccess: () => setDraft(null) });
  const label = (given: Label, force: boolean) => {
    setAsked(null);
    labelling.mutate({ label: given, isUnsure: choice.isUnsure, force }, { onSuccess: () => setDraft(null) });
  };
  const leave = () => {
    update.reset();
    setDraft(null);
  };
  const isOther = choice.label !== null && current !== null && !isSame(choice.label, current);
  const isChanged = isOther || choice.isUnsure !== group.is_unsure;
  return (
    <Panel title="Label">
      <CurrentLabel group={group} current={current} />
      <LabelPicker value={choice} onChange={choose} disabled={!may || isBusy} />
      {isOvertaken && !isBusy && (
        <Banner kind="attention">
          <strong>It changed meanwhile, and yours is not saved.</strong>{" "}
          {isChangedMeanwhile(update.error) && asProblem(update.error).detail}
          <span className={styles.ways}>
            <Button onClick={leave}>Take what is stored{describe(said)}</Button>
            <Button
              onClick={() => {
                update.reset();
                setDraft({ choice, base: said });
              }}
            >
              Go on with mine{describe(choice)}
            </Button>
          </span>
        </Banner>
      )}
      <div className={styles.actions}>
        {choice.label && current && isChanged && (
          <Correction
            text={
              isOther
                ? `Correct it to ${words(choice.label)}`
                : choice.isUnsure
                  ? "Say it is unsure"
                  : "Say it is sure"
            }
            disabled={isHeld}
            whyNot={whyNot}
            onCorrect={(relabel_copies) =>
              change({ ...choice.label, is_unsure: choice.isUnsure, relabel_copies })
            }
          />
        )}
        {choice.label && (!current || !isChanged) && (
          <Button
            kind={current ? "plain" : "primary"}
            onClick={() => setAsked("members")}
            disabled={isHeld || group.members_total === 0}
            title={whyNot}
          >
            {current
              ? "Give it to members without a label…"
              : `Label ${countOf(group.members_total, "member")} as ${words(choice.label)}…`}
          </Button>
        )}
        {choice.label && isOther && (
          <Button kind="quiet" onClick={() => setAsked("members")} disabled={isHeld} title={whyNot}>
            Label only members that nobody labelled…
          </Button>
        )}
        {!choice.label && choice.isUnsure !== group.is_unsure && !current && (
          <Button onClick={() => change({ is_unsure: choice.isUnsure })} disabled={isHeld} title={whyNot}>
            {choice.isUnsure ? "Say the group is unsure" : "Take the doubt back"}
          </Button>
        )}
        {!choice.label && current && (
          <Correction
            text="Take the label away"
            disabled={isHeld}
            whyNot={whyNot}
            onCorrect={(relabel_copies) =>
              change({
                smoke_type: null,
                false_positive_type: null,
                is_unsure: choice.isUnsure,
                relabel_copies,
              })
            }
          />
        )}
        {draft && !isOvertaken && (
          <Button kind="quiet" onClick={leave}>
            Back to what is stored
          </Button>
        )}
      </div>
      {whyNot && <p className={styles.minor}>{whyNot}</p>}
      {labelling.isPending && <p role="status">{progress} It goes on if you leave.</p>}
      {update.error && !(isOvertaken && isChangedMeanwhile(update.error)) && (
        <Refused error={update.error} onDismiss={update.reset} />
      )}
      {labelling.error && !isOtherLabel(labelling.error) && (
        <Refused error={labelling.error} onDismiss={labelling.reset} />
      )}
      {labelling.data && <BulkResult result={labelling.data} onDismiss={labelling.reset} />}
      {asked === "members" && choice.label && (
        <LabelMembersDialog
          group={group}
          choice={choice}
          label={choice.label}
          onConfirm={(given) => label(given, false)}
          onClose={() => setAsked(null)}
        />
      )}
      {labelling.variables && isOtherLabel(labelling.error) && (
        <ReplaceDialog
          error={labelling.error}
          label={labelling.variables.label}
          onConfirm={(given) => label(given, true)}
          onClose={labelling.reset}
        />
      )}
    </Panel>
  );
}

function describe({ label, isUnsure }: Choice): string {
  return `: ${label ? words(label) : "no label"}${isUnsure ? ", unsure" : ""}`;
}

function CurrentLabel({ group, current }: { group: Group; current: Label | null }) {
  if (!current) {
    return <p className={styles.minor}>{group.is_unsure ? "Somebody was unsure." : "No label yet."}</p>;
  }
  return (
    <p>
      <strong>{words(current)}</strong>
      {group.is_unsure && ", unsure"}
      <br />
      <span className={styles.minor}>
        by <Name of={group.labeled_by_username ?? "the assignment"} />, <Moment iso={group.labeled_at} />
      </span>
    </p>
  );
}

type CorrectionProps = {
  text: string;
  disabled: boolean;
  whyNot: string | undefined;
  onCorrect: (relabelCopies: boolean) => void;
};

/** The group's own label, and on demand the labels that came through it. */
function Correction({ text, disabled, whyNot, onCorrect }: CorrectionProps) {
  const id = useId();
  const [copiesFollow, setCopiesFollow] = useState(true);
  return (
    <>
      <label className={styles.follow} htmlFor={id}>
        <input
          id={id}
          type="checkbox"
          checked={copiesFollow}
          onChange={(event) => setCopiesFollow(event.target.checked)}
        />
        <span>
          Labels that came through the group follow. <span className={styles.minor}>People's own stay.</span>
        </span>
      </label>
      <Button kind="primary" onClick={() => onCorrect(copiesFollow)} disabled={disabled} title={whyNot}>
        {text}
      </Button>
    </>
  );
}
