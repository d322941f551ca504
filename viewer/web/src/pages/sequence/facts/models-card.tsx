import { Badge } from "../../../components/badge";
import { countOf, Name, Score } from "../../../components/words";
import { signedLogit } from "../logit";
import type { Model } from "../selection";
import { Card } from "./card";
import styles from "./models-card.module.css";
import { explainDrop } from "./placement";

type Props = { models: readonly Model[]; chosen: Model | null; onChoose: (name: string) => void };

/** What each model says. Where there are several, the tubes of one of them are shown. */
export function ModelsCard({ models, chosen, onChoose }: Props) {
  if (models.length === 0) {
    return (
      <Card title="Models">
        <p>No model has looked at this sequence yet. `triage run` scores what is missing.</p>
      </Card>
    );
  }
  return (
    <Card title={models.length === 1 ? "Model" : "Models"}>
      <ul className={styles.models}>
        {models.map((model) => (
          <li key={model.name} className={styles.model}>
            <div className={styles.head}>
              {models.length > 1 ? (
                <label className={styles.name}>
                  <input
                    type="radio"
                    name="tubes-of"
                    checked={model === chosen}
                    onChange={() => onChoose(model.name)}
                  />{" "}
                  <Name of={model.name} />
                </label>
              ) : (
                <span className={styles.name}>
                  <Name of={model.name} />
                </span>
              )}
              <Score value={model.score} />
              <span className={`number ${styles.logit}`}>{signedLogit(model.logit)}</span>
            </div>
            <p className={styles.words}>
              <Standing model={model} />
              {model.version !== null && (
                <>
                  version <Name of={model.version} />
                </>
              )}
              {model.detector !== null && <span>boxes by {model.detector}</span>}
              {model.runtime !== null && <span>on {model.runtime}</span>}
              <Looked model={model} />
            </p>
            {model.dropped_reason !== null && (
              <p className={styles.dropped}>
                {explainDrop(model.dropped_reason)} {model.dropped_error}
              </p>
            )}
            {model.caution !== null && <p className={styles.caution}>{model.caution}</p>}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Standing({ model }: { model: Model }) {
  return (
    <>
      {model.is_positive !== null && (
        <Badge tone={model.is_positive ? "ember" : "muted"}>
          {model.is_positive ? "raises an alarm" : "raises no alarm"}
        </Badge>
      )}
      {!model.is_current && <Badge tone="signal">of older frames</Badge>}
      {!model.is_listed && <Badge tone="muted">not in the worklists</Badge>}
    </>
  );
}

function Looked({ model }: { model: Model }) {
  const { n_frames, n_frames_unusable, n_boxes_skipped, details } = model;
  const truncated = details?.preprocessing.num_truncated ?? 0;
  const tubes = details?.tubes;
  const parts = [
    n_frames !== null && countOf(n_frames, "frame"),
    truncated > 0 && `the last ${truncated} cut off`,
    n_frames_unusable && `${n_frames_unusable} unusable`,
    n_boxes_skipped && `${n_boxes_skipped} box${n_boxes_skipped === 1 ? "" : "es"} unusable`,
    tubes && `${tubes.kept.length} of ${tubes.num_candidates} tubes kept`,
    details && `alarm from ${details.decision.threshold}`,
  ].filter(Boolean);
  return <span>{parts.join(", ")}</span>;
}
