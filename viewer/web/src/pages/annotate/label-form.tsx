import { Link } from "wouter";
import { asProblem } from "../../api/problem";
import { Banner } from "../../components/banner";
import { Button } from "../../components/button";
import { Key } from "../../components/key";
import { Loading, Trouble } from "../../components/states";
import { countOf, Moment, Name, plain } from "../../components/words";
import { AssignmentButton } from "../../review/assignment";
import { isChangedMeanwhile } from "../../review/changes";
import { type Choice, choiceOf } from "../../review/choice";
import { LabelPicker } from "../../review/label-picker";
import { labelOf, words } from "../../review/labels";
import { useMayDecide } from "../../session/session";
import styles from "./label-form.module.css";
import type { useAnnotation } from "./use-annotation";

type Annotation = ReturnType<typeof useAnnotation>;

type Props = {
  annotation: Annotation;
  onChoose: (choice: Choice) => void;
  onSave: () => void;
  onSaveOverTheirs: () => void;
  hasQueue: boolean;
};

/** What is stored, what one is about to say, and saving it. */
export function LabelForm({ annotation, onChoose, onSave, onSaveOverTheirs, hasQueue }: Props) {
  const { may, whyNot } = useMayDecide();
  const { standing, saving, choice, missing, isOvertaken } = annotation;
  if (standing.isPending) return <Loading what="the annotation" />;
  if (standing.error && !standing.data) {
    return (
      <div className={styles.form}>
        <Trouble error={standing.error} onRetry={() => void standing.refetch()} />
        {asProblem(standing.error).status === 404 && <AssignmentButton />}
      </div>
    );
  }
  return (
    <form
      className={styles.form}
      aria-label="Label"
      onSubmit={(event) => {
        event.preventDefault();
        onSave();
      }}
    >
      <Stored stored={annotation.stored} />
      <GroupOf standing={standing.data} />
      <LabelPicker value={choice} onChange={onChoose} disabled={!may} withKeys />
      {isOvertaken && <Overtaken annotation={annotation} onSaveOverTheirs={onSaveOverTheirs} />}
      {saving.error &&
        !isChangedMeanwhile(saving.error) &&
        saving.variables?.sequenceId === standing.data.sequence_id && (
          <p role="alert" className={styles.trouble}>
            Not saved: {asProblem(saving.error).detail}
          </p>
        )}
      {/* Not disabled while it saves: whatever has the focus would lose it, and with it the next key. */}
      <Button
        kind="primary"
        type="submit"
        disabled={!may}
        title={whyNot}
        aria-disabled={Boolean(missing)}
        aria-keyshortcuts="Enter"
      >
        {saving.isPending ? "Saving…" : hasQueue ? "Save and go on" : "Save"}
        <Key>Enter</Key>
      </Button>
      <p className={styles.minor}>{whyNot ?? missing ?? " "}</p>
    </form>
  );
}

type OvertakenProps = { annotation: Annotation; onSaveOverTheirs: () => void };

/** Nothing is lost: what was chosen stays, beside what somebody else wrote. */
function Overtaken({ annotation, onSaveOverTheirs }: OvertakenProps) {
  const { stored, saving, choice, missing, takeTheirs } = annotation;
  return (
    <Banner kind="attention">
      <strong>It changed meanwhile, and yours is not saved.</strong>{" "}
      {isChangedMeanwhile(saving.error) && asProblem(saving.error).detail}
      <span className={styles.ways}>
        <Button onClick={takeTheirs}>Take theirs{describe(choiceOf(stored))}</Button>
        <Button kind="danger" onClick={onSaveOverTheirs} disabled={missing !== null}>
          Save mine over it{describe(choice)}
        </Button>
      </span>
    </Banner>
  );
}

function describe({ label, isUnsure }: Choice): string {
  if (label) return `: ${words(label)}`;
  return isUnsure ? ": unsure" : "";
}

const ORIGINS = {
  person: "",
  propagated: ", through its group: nobody looked at this one",
  bulk: ", with many others",
  inherited: ", on joining its group: nobody looked at this one",
} as const;

function Stored({ stored }: { stored: Annotation["stored"] }) {
  if (!stored) return <p className={styles.minor}>No annotation yet.</p>;
  const { label, isUnsure } = choiceOf(stored);
  const several = [...stored.smoke_types, ...stored.false_positive_types].map(plain).join(", ");
  return (
    <p>
      Stored: <strong>{label ? words(label) : several || (isUnsure ? "unsure" : "nothing named")}</strong>
      {label && isUnsure && ", unsure"}
      {ORIGINS[stored.origin]}
      <br />
      <span className={styles.minor}>
        {plain(stored.processing_stage)}, <Moment iso={stored.updated_at} />
        {stored.contributors.map(({ username }) => (
          <span key={username}>
            {" · "}
            <Name of={username} />
          </span>
        ))}
        {!label && several && <> · Saving one label replaces all of these.</>}
      </span>
    </p>
  );
}

function GroupOf({ standing: { group, excluded_from, skipped_reason } }: { standing: Standing }) {
  if (group !== null) {
    return (
      <p className={styles.minor}>
        In <Link href={`/groups/${group.id}`}>group {group.id}</Link>, {whereItGoes(group)}
      </p>
    );
  }
  return (
    <p className={styles.minor}>
      In no group{skipped_reason && ` (${plain(skipped_reason)})`}: the label is for this sequence alone.
      {excluded_from !== null && (
        <>
          {" "}
          It was taken out of <Link href={`/groups/${excluded_from}`}>group {excluded_from}</Link>.
        </>
      )}
    </p>
  );
}

function whereItGoes({ is_validated, label: given, member_count }: NonNullable<Standing["group"]>): string {
  const label = given && labelOf(given);
  const others = countOf(member_count - 1, "other member");
  if (member_count === 1) return "of which it is the only member.";
  if (!is_validated)
    return `which nobody has validated: the label stays on this one, with ${others} beside it.`;
  if (label === null) return `which is validated: the label goes to its ${others} that nobody labelled.`;
  return `which is ${words(label)}: the same goes to its ${others} that nobody labelled, another label to none.`;
}

type Standing = NonNullable<Annotation["standing"]["data"]>;
