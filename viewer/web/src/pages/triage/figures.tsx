import { memo } from "react";
import type { Bucket } from "../../address/triage";
import { Count, count, plain } from "../../components/words";
import { type BucketCounts, sumOf } from "../../split/counts";
import { writeThreshold } from "../../split/threshold";
import styles from "./figures.module.css";

export const BUCKET_NAMES: Readonly<Record<Bucket, string>> = {
  review: "To Review",
  unlabeled: "Unlabel",
  labeled: "Labeled",
  dropped: "Dropped",
};

type Props = {
  counts: BucketCounts;
  /** What the stored worklists have of the same selection. */
  written: BucketCounts;
  writtenThreshold: number;
  backlog: number;
  droppedReasons: Readonly<Record<string, number>>;
  /** How many; a sentence where that is not known, null where there is nothing to compare. */
  disagreements: number | string | null;
  chosen: readonly Bucket[];
  onToggle: (bucket: Bucket) => void;
};

/** How many sequences go where; each figure is a filter of the table as well. */
export const Figures = memo(function Figures(props: Props) {
  const { counts, written, writtenThreshold, backlog, droppedReasons, disagreements } = props;
  const total = sumOf(counts);
  const reasons = Object.entries(droppedReasons).sort(([, a], [, b]) => b - a);
  return (
    <section className={styles.figures} aria-label="Counts">
      <div className={styles.row}>
        <div className={styles.figure}>
          <span className={styles.name}>{total === backlog ? "Backlog" : "Selected"}</span>
          <span className={`${styles.value} number`}>{count(total)}</span>
          <span className={styles.more}>
            {total === backlog ? "sequences" : `of ${count(backlog)} sequences`}
          </span>
        </div>
        <Figure {...props} bucket="review" total={total}>
          <Difference now={counts.review} written={written.review} threshold={writtenThreshold} />
        </Figure>
        <Figure {...props} bucket="unlabeled" total={total}>
          <Difference now={counts.unlabeled} written={written.unlabeled} threshold={writtenThreshold} />
        </Figure>
      </div>
      <div className={styles.bar} aria-hidden="true">
        {(["review", "unlabeled", "labeled", "dropped"] as const).map((bucket) => (
          <span key={bucket} className={styles[bucket]} style={{ flexGrow: counts[bucket] }} />
        ))}
      </div>
      <div className={styles.rest}>
        <Small {...props} bucket="labeled" />
        <Small {...props} bucket="dropped" />
        {disagreements !== null && (
          <span>
            Models disagree about{typeof disagreements === "string" ? ": " : " "}
            {typeof disagreements === "string" ? disagreements : <Count n={disagreements} />}
          </span>
        )}
        {reasons.length > 0 && (
          <span className={styles.reasons}>
            Dropped in the whole backlog:{" "}
            {reasons.map(([name, n]) => `${count(n)} ${plain(name)}`).join(", ")}
          </span>
        )}
      </div>
    </section>
  );
});

type FigureProps = Props & { bucket: Bucket; total: number; children: React.ReactNode };

function Figure({ bucket, counts, total, chosen, onToggle, children }: FigureProps) {
  const n = counts[bucket];
  return (
    <button
      type="button"
      className={`${styles.figure} ${styles.choice} ${styles[`of-${bucket}`]}`}
      aria-pressed={chosen.includes(bucket)}
      onClick={() => onToggle(bucket)}
    >
      <span className={styles.name}>
        {BUCKET_NAMES[bucket]} <span className="number">{share(n, total)}</span>
      </span>
      <span className={`${styles.value} number`}>{count(n)}</span>
      <span className={styles.more}>{children}</span>
    </button>
  );
}

function Small({ bucket, counts, chosen, onToggle }: Props & { bucket: Bucket }) {
  return (
    <button
      type="button"
      className={`${styles.small} ${styles.choice}`}
      aria-pressed={chosen.includes(bucket)}
      onClick={() => onToggle(bucket)}
    >
      <span className={`${styles.mark} ${styles[bucket]}`} aria-hidden="true" />
      {BUCKET_NAMES[bucket]} <Count n={counts[bucket]} />
    </button>
  );
}

/** How far this is from what is stored. */
function Difference({ now, written, threshold }: { now: number; written: number; threshold: number }) {
  if (now === written) return <>as written at {writeThreshold(threshold)}</>;
  const sign = now > written ? "+" : "−";
  return (
    <>
      <span className="number">
        {sign}
        {count(Math.abs(now - written))}
      </span>{" "}
      against {writeThreshold(threshold)}
    </>
  );
}

function share(n: number, total: number): string {
  if (total === 0) return "";
  const percent = (100 * n) / total;
  // Neither all nor none may be what rounding makes of nearly so.
  if (n > 0 && percent < 0.1) return "<0.1%";
  if (n < total && percent > 99.9) return ">99.9%";
  return `${percent.toFixed(1)}%`;
}
