import { Link } from "wouter";
import { Empty } from "../../components/states";
import { annotateAddress } from "../../queue/queue";
import styles from "./sequence-page.module.css";
import { SequencePane } from "./sequence-pane";

/** One sequence on a page of its own, where the player's keys count everywhere. */
export default function SequencePage({ sequenceId }: { sequenceId: number }) {
  if (!Number.isSafeInteger(sequenceId) || sequenceId < 1) {
    return (
      <Empty title="There is no such sequence">
        <p>The address of a sequence ends with its number, a whole one from 1.</p>
        <Link href="/triage">To the split</Link>
      </Empty>
    );
  }
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <h1>
          Sequence <span className="number">{sequenceId}</span>
        </h1>
        <Link href={`/triage?sequence=${sequenceId}`}>Show in the split</Link>
        <Link href={annotateAddress(sequenceId)}>Annotate</Link>
      </header>
      <SequencePane sequenceId={sequenceId} keysOn="page" />
    </div>
  );
}
