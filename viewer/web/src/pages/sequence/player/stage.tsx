import type { CSSProperties, RefObject } from "react";
import { asProblem } from "../../../api/problem";
import { Overlay } from "../../../frames/overlay";
import type { Settled } from "../../../frames/use-picture";
import { type Corners, visiblePart } from "../../../geometry/boxes";
import { partShown, toStage, transformOf, type View } from "../../../geometry/view";
import type { Frame, Layer } from "../selection";
import styles from "./stage.module.css";

export type Picture = { frame: Frame; address: string };

type Props = {
  stage: RefObject<HTMLDivElement | null>;
  frame: Frame;
  settled: Settled<Picture> | null;
  view: View;
  hide: readonly Layer[];
  window: Corners | null;
  region: Corners | null;
  label: string;
};

const USUAL_RATIO = 16 / 9;

/** One frame with what was found in it, or why it has no picture. */
export function Stage({ stage, frame, settled, view, hide, window, region, label }: Props) {
  const drawn = frame.is_stored && settled?.trouble === null ? settled.what : null;
  const isComing = frame.is_stored && settled?.what.frame.detection_id !== frame.detection_id;
  const ratio = frame.width && frame.height ? frame.width / frame.height : USUAL_RATIO;
  return (
    <div
      ref={stage}
      className={`${styles.stage} ${view.scale > 1 ? styles.movable : ""}`}
      style={{ "--ratio": ratio } as CSSProperties}
    >
      {drawn && (
        <>
          <img
            className={styles.picture}
            style={{ transform: transformOf(view) }}
            src={drawn.address}
            alt={label}
            decoding="sync"
            draggable={false}
          />
          <Overlay
            part={partShown(view)}
            boxes={hide.includes("boxes") ? [] : cornersOf(drawn.frame.boxes)}
            otherBoxes={hide.includes("others") ? [] : cornersOf(drawn.frame.other_boxes)}
            window={hide.includes("window") ? null : window}
            region={hide.includes("region") ? null : region}
          />
          {!hide.includes("boxes") && <Tags frame={drawn.frame} view={view} />}
        </>
      )}
      {isComing && <span className={styles.coming}>Loading the frame…</span>}
      {!isComing && !drawn && <Reason frame={frame} settled={settled} />}
    </div>
  );
}

/** What was detected in each box and how surely, at its upper left. */
function Tags({ frame, view }: { frame: Frame; view: View }) {
  return frame.boxes?.map(({ xyxyn, class_name, confidence }, place) => {
    const part = visiblePart(xyxyn);
    if (part === null) return null;
    const { x, y } = toStage(view, { x: part[0], y: part[1] });
    if (x < 0 || x > 1 || y < 0 || y > 1) return null;
    const isAtTop = y < 0.06;
    return (
      <span
        // biome-ignore lint/suspicious/noArrayIndexKey: boxes have no names, and two may be the same
        key={place}
        className={`${styles.tag} ${isAtTop ? styles.below : ""} ${x > 0.8 ? styles.leftwards : ""}`}
        style={{ left: `${x * 100}%`, top: `${y * 100}%` }}
      >
        <bdi>{class_name}</bdi> <span className="number">{confidence.toFixed(2)}</span>
      </span>
    );
  });
}

function Reason({ frame, settled }: { frame: Frame; settled: Settled<Picture> | null }) {
  const problem = frame.is_stored && settled?.trouble ? asProblem(settled.trouble) : null;
  const reason =
    problem?.detail ??
    (frame.unusable_reason === null
      ? "This frame is not stored yet. `triage pull` fetches it; in a copy, `triage fetch`."
      : `This frame cannot be used, and no model looked at it: ${frame.unusable_reason}.`);
  return (
    <p className={styles.reason} role="status">
      {reason}
    </p>
  );
}

function cornersOf(boxes: Frame["boxes"]): readonly Corners[] {
  return boxes?.map((box) => box.xyxyn) ?? [];
}
