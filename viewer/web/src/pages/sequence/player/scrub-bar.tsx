import type { CSSProperties } from "react";
import type { Frame } from "../selection";
import { clock, elapsed } from "../times";
import styles from "./scrub-bar.module.css";

type Props = {
  frames: readonly Frame[];
  place: number;
  /** The frame of the model's trigger. */
  triggerId: number | null;
  onGo: (place: number) => void;
};

/** Every frame as a tick to go to: tall with a box, low without, red without a picture; the trigger's is marked. */
export function ScrubBar({ frames, place, triggerId, onGo }: Props) {
  const first = frames[0];
  const frame = frames[place];
  if (first === undefined || frame === undefined) return null;
  const last = frames.length - 1;
  return (
    <div className={styles.bar}>
      <div className={styles.ticks} aria-hidden="true">
        {frames.map((each, at) => (
          <span
            key={each.detection_id}
            className={kindOf(each, triggerId)}
            style={{ "--at": last === 0 ? 0.5 : at / last } as CSSProperties}
          />
        ))}
      </div>
      <input
        type="range"
        min={0}
        max={last}
        step={1}
        value={place}
        disabled={last === 0}
        aria-label="Frame"
        aria-valuetext={`Frame ${place + 1} of ${frames.length}, ${clock(frame.recorded_at)}, ${elapsed(
          first.recorded_at,
          frame.recorded_at,
        )} after the first`}
        onChange={(event) => onGo(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}

function kindOf(frame: Frame, triggerId: number | null): string {
  const kinds = [
    styles.tick,
    frame.boxes?.length ? styles.found : "",
    frame.is_stored ? "" : styles.missing,
    frame.detection_id === triggerId ? styles.trigger : "",
  ];
  return kinds.filter(Boolean).join(" ");
}
