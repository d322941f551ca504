import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useId, useState } from "react";
import { type Fields, flag, integer, text, useAddress } from "../../address/address";
import type { Schemas } from "../../api/client";
import { useAnnounce } from "../../components/announcements";
import { Loading, Trouble } from "../../components/states";
import { countOf } from "../../components/words";
import { readQueue } from "../../queue/queue";
import { usePlace } from "../../queue/use-queue";
import type { Choice } from "../../review/choice";
import { ConflictBanner } from "../../review/conflict-banner";
import { words } from "../../review/labels";
import { CopiedGroups } from "../../session/copied-groups";
import { useMayDecide } from "../../session/session";
import { askSequence } from "../sequence/ask-sequence";
import styles from "./annotate-page.module.css";
import { EndOfQueue } from "./end-of-queue";
import { LabelForm } from "./label-form";
import { QueueBar } from "./queue-bar";
import type { Action } from "./shortcuts";
import { ShortcutsHelp } from "./shortcuts-help";
import { useAdvance } from "./use-advance";
import { isConflict, type Order, type Saved, useAnnotation } from "./use-annotation";
import { useConflicts } from "./use-conflicts";
import { useShortcuts } from "./use-shortcuts";

const SequencePane = lazy(async () => ({
  default: (await import("../sequence/sequence-pane")).SequencePane,
}));

type AnnotateState = { queue: string; at: number | null; labelled: boolean };

const annotateFields: Fields<AnnotateState> = { queue: text(), at: integer(0), labelled: flag };

/** One sequence after the other: look, say what it is, go on. It stays where it is while the sequence changes. */
export default function AnnotatePage({ sequenceId }: { sequenceId: number }) {
  const [state, change] = useAddress(annotateFields);
  const announce = useAnnounce();
  const { may } = useMayDecide();
  const titleId = useId();
  const queue = readQueue(state.queue);
  const here = { sequenceId, at: state.at ?? 0 };
  const { place, error: queueError } = usePlace(queue, here);
  const advance = useAdvance(queue, here, state.labelled);
  const annotation = useAnnotation(sequenceId);
  const conflicts = useConflicts(sequenceId);
  const [savedHere, setSavedHere] = useState(0);
  usePrefetch(place?.next?.sequenceId);
  const [isHelpShown, setIsHelpShown] = useState(false);

  const finish = (saved: Saved, choice: Choice) => {
    setSavedHere((n) => n + 1);
    const hasConflict = isConflict(saved.annotation);
    if (hasConflict) conflicts.raise(saved.annotation.sequence_id);
    else announce({ text: describeSaved(saved, choice, annotation.standing.data?.group ?? null) });
    if (place && !hasConflict) void advance.goOn(place);
  };
  // What is next is known before anything is saved: saving may take this one out of the queue.
  const isPlaceComing = queue !== null && place === null && queueError === null;
  const isBusy = annotation.saving.isPending || advance.looking !== null || isPlaceComing;
  const submit = (order: Order) => {
    if (!may || isBusy || !annotation.standing.data || annotation.missing !== null) return;
    annotation.saving.mutate(order, { onSuccess: (saved) => finish(saved, order.choice) });
  };
  const skip = () => {
    if (place && !advance.looking) void advance.goOn(place);
  };
  const save = () => {
    if (annotation.isOvertaken) return;
    if (annotation.isSaid && annotation.missing === null) {
      // It needs no second decision, and whoever asked for one hears of it.
      announce({ text: `Sequence ${sequenceId} is labelled so already.` });
      skip();
    } else submit(annotation.order);
  };
  const choose = (choice: Choice) => {
    if (may && annotation.standing.data && !annotation.saving.isPending) annotation.choose(choice);
  };
  useShortcuts((action: Action) => {
    if (action.kind === "label") choose({ ...annotation.choice, label: action.label });
    else if (action.kind === "unsure") {
      choose({ ...annotation.choice, isUnsure: !annotation.choice.isUnsure });
    } else if (action.kind === "help") setIsHelpShown(true);
    else if (action.kind === "back") advance.goBack(place);
    else if (action.kind === "skip") skip();
    else save();
  });

  return (
    <div className={styles.page}>
      <CopiedGroups />
      {conflicts.shown.map((id) => (
        <ConflictBanner key={id} sequenceId={id} onDismiss={() => conflicts.dismiss(id)} />
      ))}
      <header className={styles.head}>
        <h1 id={titleId}>
          Annotate sequence <span className="number">{sequenceId}</span>
        </h1>
        <QueueBar
          queue={queue}
          place={place}
          at={here.at}
          savedHere={savedHere}
          includesLabelled={state.labelled}
          onIncludeLabelled={(labelled) => change({ labelled })}
          looking={advance.looking}
          onBack={() => advance.goBack(place)}
          onSkip={skip}
          onHelp={() => setIsHelpShown(true)}
        />
      </header>
      {queueError && <Trouble error={queueError} />}
      {queue && advance.end && (
        <EndOfQueue
          queue={queue}
          total={place?.total ?? 0}
          savedHere={savedHere}
          passed={advance.end.passed}
          onIncludeLabelled={() => change({ labelled: true })}
        />
      )}
      <div className={styles.columns}>
        <section className={styles.sequence} aria-labelledby={titleId}>
          <Suspense fallback={<Loading what="the player" />}>
            <SequencePane key={sequenceId} sequenceId={sequenceId} keysOn="page" />
          </Suspense>
        </section>
        <LabelForm
          annotation={annotation}
          onChoose={choose}
          onSave={save}
          onSaveOverTheirs={() => submit(annotation.orderOverTheirs)}
          hasQueue={queue !== null}
        />
      </div>
      {isHelpShown && <ShortcutsHelp onClose={() => setIsHelpShown(false)} />}
    </div>
  );
}

/** The next one is there when it is gone to. */
function usePrefetch(sequenceId: number | undefined) {
  const client = useQueryClient();
  useEffect(() => {
    if (sequenceId !== undefined) void client.prefetchQuery(askSequence(sequenceId));
  }, [client, sequenceId]);
}

function describeSaved(
  { annotation, spread }: Saved,
  { label, isUnsure }: Choice,
  group: Schemas["StandingRead"]["group"],
): string {
  const said = [label && words(label), isUnsure && "unsure"].filter(Boolean).join(", ");
  const saved = `Saved sequence ${annotation.sequence_id}: ${said}.`;
  if (spread === null) return `${saved} Whether the label spread could not be read.`;
  if (spread > 0) {
    return `${saved} The label went to ${countOf(spread, "other member")} of group ${annotation.group_id}.`;
  }
  return group !== null && !group.is_validated && group.member_count > 1
    ? `${saved} It stays there: nobody has validated group ${group.id}.`
    : saved;
}
