/** A model's tubes over the slots of its input, and which recorded frame each slot showed. */

import type { Schemas } from "../../../api/client";
import { type Corners, cornersOfCentre } from "../../../geometry/boxes";

export type Details = Schemas["DetailsRead"];
export type Slot = Schemas["SlotRead"];
type Tube = Schemas["TubeRead"];

/** `absent`: the tube is not there, or has no box; `gap`: its box was interpolated between two observed ones. */
export type Cell = {
  slot: number;
  kind: "absent" | "observed" | "gap";
  confidence: number | null;
  box: Corners | null;
  isPadding: boolean;
};

export type Lane = {
  tubeId: number;
  probability: number;
  logit: number;
  firstCrossing: number | null;
  /** Whether this tube set the trigger. */
  isTrigger: boolean;
  /** What the model looked at: around all that was observed. */
  window: Corners | null;
  cells: readonly Cell[];
};

export function countSlots({ preprocessing }: Details): number {
  const { num_frames_input, num_truncated, padded_frame_indices } = preprocessing;
  return num_frames_input - num_truncated + padded_frame_indices.length;
}

/** A lane for each tube, the most probable first: a lower logit may be more probable, in a longer tube for one. */
export function lanesOf(details: Details): readonly Lane[] {
  const copies = new Set(details.preprocessing.padded_frame_indices);
  const count = countSlots(details);
  return details.tubes.kept
    .map((tube) => ({
      tubeId: tube.tube_id,
      probability: tube.probability,
      logit: tube.logit,
      firstCrossing: tube.first_crossing_frame,
      isTrigger: tube.tube_id === details.decision.trigger_tube_id,
      window: tube.stabilized_window && cornersOfCentre(tube.stabilized_window),
      cells: cellsOf(tube, count, copies),
    }))
    .toSorted(
      (one, other) =>
        other.probability - one.probability || other.logit - one.logit || one.tubeId - other.tubeId,
    );
}

function cellsOf(tube: Tube, count: number, copies: ReadonlySet<number>): readonly Cell[] {
  const entries = new Map(tube.entries.map((entry) => [entry.frame_idx, entry]));
  return Array.from({ length: count }, (_, slot) => {
    const { bbox, is_gap, confidence } = entries.get(slot) ?? { bbox: null, is_gap: false, confidence: null };
    const isPadding = copies.has(slot);
    if (bbox === null) return { slot, kind: "absent", confidence: null, box: null, isPadding };
    const box = cornersOfCentre(bbox);
    return is_gap
      ? { slot, kind: "gap", confidence: null, box, isPadding }
      : { slot, kind: "observed", confidence, box, isPadding };
  });
}

/** The slots that show a frame, copies included. */
export function slotsOfFrame(
  slots: readonly Slot[] | null,
  detectionId: number | undefined,
): readonly number[] {
  return slots?.filter((each) => each.detection_id === detectionId).map((each) => each.slot) ?? [];
}

/** The slot that is a frame's own and no copy of it; null where the model did not look at the frame. */
export function ownSlot(slots: readonly Slot[] | null, detectionId: number | undefined): number | null {
  return slots?.find((each) => each.detection_id === detectionId && !each.is_padding)?.slot ?? null;
}

/** A cell in words. */
export function describeCell(cell: Cell, lane: Lane): string {
  const what =
    cell.kind === "observed"
      ? `observed with confidence ${(cell.confidence ?? 0).toFixed(2)}`
      : cell.kind === "gap"
        ? "a gap, its box interpolated"
        : "not there";
  return [
    `slot ${cell.slot}: ${what}`,
    cell.isPadding && "a copy",
    cell.slot === lane.firstCrossing && (lane.isTrigger ? "the trigger" : "its first crossing"),
  ]
    .filter(Boolean)
    .join(", ");
}
