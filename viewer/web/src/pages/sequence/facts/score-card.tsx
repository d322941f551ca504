import type { CSSProperties } from "react";
import { Button } from "../../../components/button";
import { Name, Score } from "../../../components/words";
import { signedLogit } from "../logit";
import type { Model, Sequence } from "../selection";
import { Card, Fact, Facts } from "./card";
import { type Placement, placementOf } from "./placement";
import { PlacementBadge } from "./placement-badge";
import styles from "./score-card.module.css";

type Props = {
  sequence: Sequence;
  model: Model | null;
  lookedAt: number | null;
  onGo: (place: number) => void;
};

/** How sure the models are that this is smoke, and what follows from it. */
export function ScoreCard({ sequence, model, lookedAt, onGo }: Props) {
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
            <span className="number">{signedLogit(model?.logit, 3)}</span>
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
        {model?.trigger && <Trigger sequence={sequence} model={model} onGo={onGo} />}
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
      {placement.bucket === "labeled" && " People have annotated it."}
      {"why" in placement && ` ${placement.why}`}
      {"error" in placement && placement.error !== null && (
        <span className={styles.error}>{placement.error}</span>
      )}
    </span>
  );
}

type TriggerProps = { sequence: Sequence; model: Model; onGo: (place: number) => void };

/** The recorded frame that raised the alarm: the model counts slots, of which some are copies. */
function Trigger({ sequence, model, onGo }: TriggerProps) {
  const place = sequence.frames.findIndex((frame) => frame.detection_id === model.trigger?.detection_id);
  return (
    <Fact name="Trigger">
      {place >= 0 && (
        <Button kind="quiet" className={styles.go ?? ""} title="Go there" onClick={() => onGo(place)}>
          frame {place + 1}
        </Button>
      )}{" "}
      slot <span className="number">{model.trigger_frame_index}</span>
    </Fact>
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
