import { useEffect, useRef } from "react";
import { frameAddress } from "../../../frames/frame-address";
import { usePictureTrouble } from "../../../frames/picture-trouble";
import type { Corners } from "../../../geometry/boxes";
import { squareAround } from "../../../geometry/crops";
import type { Frame } from "../selection";
import { clock } from "../times";
import styles from "./filmstrip.module.css";
import { type Cell, type Lane, ownSlot, type Slot } from "./lanes";

type Props = {
  sequenceId: number;
  frames: readonly Frame[];
  lane: Lane;
  slots: readonly Slot[];
  place: number;
  onGo: (place: number) => void;
};

/** The same part of every frame that the model looked at, side by side: what changes in it is what the model saw. */
export function Filmstrip({ sequenceId, frames, lane, slots, place, onGo }: Props) {
  const strip = useRef<HTMLOListElement>(null);
  const pieces = frames.flatMap((frame, at) => {
    const slot = ownSlot(slots, frame.detection_id);
    const cell = slot === null ? undefined : lane.cells[slot];
    const crop = cell && cropOf(cell, lane, frame);
    return cell && crop ? [{ frame, at, cell, crop }] : [];
  });
  useEffect(() => {
    const list = strip.current;
    const piece = list?.querySelector<HTMLElement>(`[data-at="${place}"]`);
    // Only the strip: the page stays where its reader has it.
    if (list && piece) list.scrollLeft = piece.offsetLeft - (list.clientWidth - piece.clientWidth) / 2;
  }, [place]);
  if (pieces.length === 0)
    return <p className={styles.none}>None of the frames that the model looked at has a picture.</p>;
  return (
    <ol ref={strip} className={styles.strip}>
      {pieces.map(({ frame, at, cell, crop }) => (
        <li key={frame.detection_id} data-at={at}>
          <button type="button" className={styles.piece} aria-current={at === place} onClick={() => onGo(at)}>
            <CropPicture sequenceId={sequenceId} frame={frame} crop={crop} />
            <span className={styles.words}>
              <span className="number">
                <span className="unseen">Frame </span>
                {at + 1}
                <span className="unseen">
                  , {clock(frame.recorded_at)}, slot {cell.slot},{" "}
                </span>
              </span>
              <span className={`number ${styles.confidence}`}>{wordsOf(cell)}</span>
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function CropPicture({ sequenceId, frame, crop }: { sequenceId: number; frame: Frame; crop: Corners }) {
  const address = frameAddress({ detectionId: frame.detection_id, sequenceId, width: 160, crop });
  const { trouble, attempt, noteError } = usePictureTrouble(address);
  if (trouble !== null) {
    return (
      <span className={`${styles.picture} ${styles.trouble}`} title={trouble.detail}>
        no picture
        <span className="unseen">: {trouble.detail}</span>
      </span>
    );
  }
  return (
    <img
      key={`${address} ${attempt}`}
      className={styles.picture}
      src={address}
      alt=""
      loading="lazy"
      decoding="async"
      draggable={false}
      onError={noteError}
    />
  );
}

function wordsOf({ kind, confidence }: Cell): string {
  if (kind === "gap") return "gap";
  return kind === "observed" && confidence !== null ? confidence.toFixed(2) : "–";
}

function cropOf(cell: Cell, lane: Lane, { is_stored, width, height }: Frame): Corners | null {
  const box = lane.window ?? cell.box;
  return is_stored && width && height && box ? squareAround(box, { width, height }) : null;
}
