import { Name } from "../../../components/words";
import { Card } from "../facts/card";
import type { Model, Sequence } from "../selection";
import { Filmstrip } from "./filmstrip";
import { type Lane, slotsOfFrame } from "./lanes";
import { Legend } from "./legend";
import { Timeline } from "./timeline";
import styles from "./tubes-card.module.css";

type Props = {
  sequence: Sequence;
  model: Model;
  lanes: readonly Lane[];
  lane: Lane | null;
  place: number;
  onGo: (place: number) => void;
  /** A tube, at a frame or at the one that is shown. */
  onChoose: (tubeId: number, place?: number) => void;
};

/** What one model followed through the frames, and what it saw there. */
export function TubesCard({ sequence, model, lanes, lane, place, onGo, onChoose }: Props) {
  const { frames, sequence_id, models } = sequence;
  const { slots, details } = model;
  const placeOf = (detectionId: number) => frames.findIndex((frame) => frame.detection_id === detectionId);
  const pick = (tubeId: number, slot: number) => {
    const shown = slots?.[slot];
    const to = shown ? placeOf(shown.detection_id) : -1;
    onChoose(tubeId, to >= 0 ? to : place);
  };
  if (details === null) return null;
  if (lanes.length === 0) {
    return (
      <Card title="Tubes">
        <p>The model followed nothing: no box was there long enough to make a tube.</p>
      </Card>
    );
  }
  return (
    <Card title="Tubes">
      {models.length > 1 && (
        <p className={styles.note}>
          Of <Name of={model.name} />
        </p>
      )}
      {slots === null && (
        <p className={styles.note}>
          Which frames these slots showed cannot be told any more: the frames have changed since, or cannot be
          read.
        </p>
      )}
      <Timeline
        lanes={lanes}
        slots={slots}
        placeOf={placeOf}
        trigger={model.trigger_frame_index}
        current={slotsOfFrame(slots, frames[place]?.detection_id)}
        chosen={lane?.tubeId ?? null}
        onChoose={onChoose}
        onPick={pick}
      />
      <Legend />
      {lane && slots && (
        <Filmstrip
          sequenceId={sequence_id}
          frames={frames}
          lane={lane}
          slots={slots}
          place={place}
          onGo={onGo}
        />
      )}
    </Card>
  );
}
