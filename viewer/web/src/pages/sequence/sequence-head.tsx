import { Badge } from "../../components/badge";
import { Moment, Name, Score } from "../../components/words";
import { placementOf } from "./facts/placement";
import { PlacementBadge } from "./facts/placement-badge";
import type { Sequence } from "./selection";
import styles from "./sequence-head.module.css";

type Props = { sequence: Sequence; lookedAt: number | null };

/** Which camera looked where and when, and what came of it. */
export function SequenceHead({ sequence, lookedAt }: Props) {
  const { camera_name, azimuth, organization_name, organization_key, started_at, is_in_backlog } = sequence;
  return (
    <header className={styles.head}>
      <h2>
        <Name of={camera_name ?? "Unknown camera"} />
        {azimuth !== null && <span className={`number ${styles.azimuth}`}> {azimuth}°</span>}
      </h2>
      <span>
        <Name of={organization_name ?? organization_key} />
      </span>
      <span>
        <Moment iso={started_at} /> UTC
      </span>
      <span className={styles.outcome}>
        <PlacementBadge placement={placementOf(sequence.triage, lookedAt)} />{" "}
        <Score value={sequence.triage?.score} />
      </span>
      {!is_in_backlog && <Badge tone="muted">left the backlog</Badge>}
    </header>
  );
}
