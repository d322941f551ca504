import type { CSSProperties } from "react";
import { Moment, Name, Score } from "../../../components/words";
import type { Model, Sequence } from "../selection";
import { Card, Fact, Facts } from "./card";
import { type Placement, placementOf } from "./placement";
import { PlacementBadge } from "./placement-badge";
import styles from "./score-card.module.css";

type Props = { sequence: Sequence; model: Model | null; lookedAt: number | null };

/** How sure the models are that this is smoke, and what follows from it. */
export function ScoreCard({ sequence, model, lookedAt }: Props) {
  const { triage, platform_score, platform_model_version } = sequence;
  const placement = placementOf(triage, lookedAt);
  const score = triage?.score ?? null;
  return (
    <Card title="Score">
      <div className={styles.figures}>
        <span className={styles.figure} title={score === null ? undefined : `${score}`}>
          <Score value={score} />
        </span>
        <PlacementWords placement={placement} isOther={lookedAt !== null && lookedAt !== triage?.threshold} />
      </div>
      {"score" in placement && <Meter score={placement.score} threshold={placement.threshold} />}
      <Facts>
        {sequence.models.length === 1 && (
          <Fact name="Logit">
            <span className="number">{model?.logit?.toFixed(3) ?? "–"}</span>
          </Fact>
        )}
        <Fact name="Worklists' threshold">
          <Score value={triage?.threshold} />
        </Fact>
        <Fact name="Platform's score">
          <Score value={platform_score} />
          {platform_model_version !== null && (
            <span className={styles.muted}>
              {" "}
              by <Name of={platform_model_version} />
            </span>
          )}
        </Fact>
        {model?.trigger && (
          <Fact name="Trigger">
            slot <span className="number">{model.trigger_frame_index}</span>, recorded{" "}
            <Moment iso={model.trigger.recorded_at} />
          </Fact>
        )}
      </Facts>
    </Card>
  );
}

function PlacementWords({ placement, isOther }: { placement: Placement; isOther: boolean }) {
  return (
    <span className={styles.placement}>
      <PlacementBadge placement={placement} />
      {"threshold" in placement && (
        <>
          {" "}
          at {isOther && "the chosen "}
          <Score value={placement.threshold} />
        </>
      )}
      {placement.bucket === "labeled" && " People began it already."}
      {"why" in placement && ` ${placement.why}`}
      {"error" in placement && placement.error !== null && (
        <span className={styles.error}>{placement.error}</span>
      )}
    </span>
  );
}

/** The score between 0 and 1, with the threshold on it. */
function Meter({ score, threshold }: { score: number; threshold: number }) {
  return (
    <div
      className={styles.meter}
      style={{ "--score": score, "--threshold": threshold } as CSSProperties}
      aria-hidden="true"
    >
      <span className={score >= threshold ? styles.above : styles.under} />
      <span className={styles.threshold} />
    </div>
  );
}
