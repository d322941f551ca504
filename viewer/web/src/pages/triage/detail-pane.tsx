import { lazy, memo, Suspense } from "react";
import { Link } from "wouter";
import { Button } from "../../components/button";
import { Loading } from "../../components/states";
import { annotateAddress } from "../../queue/queue";
import styles from "./split-view.module.css";

const SequencePane = lazy(async () => ({
  default: (await import("../sequence/sequence-pane")).SequencePane,
}));

type Props = { sequenceId: number; search: string; threshold: number; onClose: () => void };

/** One sequence beside the table, so that one can look at the next without losing the place. */
export const DetailPane = memo(function DetailPane({ sequenceId, search, threshold, onClose }: Props) {
  // The queue stays at the threshold that is seen here, also where the worklists are written at another meanwhile.
  const queue = new URLSearchParams(search);
  queue.set("threshold", String(threshold));
  return (
    <aside
      className={styles.pane}
      aria-label={`Sequence ${sequenceId}`}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) onClose();
      }}
    >
      <header className={styles.paneHead}>
        <h2>
          Sequence <span className="number">{sequenceId}</span>
        </h2>
        <span className={styles.hint}>
          <kbd>j</kbd> next, <kbd>k</kbd> previous
        </span>
        <Link href={`/sequences/${sequenceId}`}>Open as a page</Link>
        <Link href={annotateAddress(sequenceId, queue)}>Annotate</Link>
        <Button kind="quiet" onClick={onClose}>
          Close<span className="unseen"> the sequence</span>
        </Button>
      </header>
      <div className={styles.paneBody}>
        <Suspense fallback={<Loading what="the sequence" />}>
          <SequencePane key={sequenceId} sequenceId={sequenceId} />
        </Suspense>
      </div>
    </aside>
  );
});
