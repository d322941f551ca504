import { Badge } from "../../components/badge";
import { Score } from "../../components/words";
import styles from "./score-range.module.css";

/**
 * Members this far apart are hardly one thing to the model: one is as good as sure, or one is as good as noise, and
 * the other is not.
 */
const FAR_APART = 0.5;

type Props = { lowest: number | null; highest: number | null };

/** The lowest and the highest score of a group's members, on a line from 0 to 1. */
export function ScoreRange({ lowest, highest }: Props) {
  if (lowest === null || highest === null) return <span className={styles.none}>no scores</span>;
  return (
    <span className={styles.range}>
      <span>
        <Score value={lowest} /> – <Score value={highest} />
      </span>
      <svg className={styles.line} viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
        <rect className={styles.track} width="1" height="1" />
        <rect
          className={styles.part}
          x={Math.min(lowest, 0.97)}
          width={Math.max(highest - lowest, 0.03)}
          height="1"
        />
      </svg>
      {highest - lowest >= FAR_APART && <Badge tone="signal">scores far apart</Badge>}
    </span>
  );
}
