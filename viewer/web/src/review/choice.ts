/** What somebody is about to say of a sequence, and the rules of the form. */
import type { Schemas } from "../api/client";
import { falsePositive, isSame, type Label, smoke } from "./labels";

export type Choice = { label: Label | null; isUnsure: boolean };

export const NOTHING: Choice = { label: null, isUnsure: false };

export function isSameChoice(one: Choice, other: Choice): boolean {
  return isSame(one.label, other.label) && one.isUnsure === other.isUnsure;
}

/** What the form shows of an annotation that is stored; one that says several things is no one choice. */
export function choiceOf(stored: Schemas["SequenceAnnotationRead"] | null): Choice {
  if (!stored) return NOTHING;
  const labels = [...stored.smoke_types.map(smoke), ...stored.false_positive_types.map(falsePositive)];
  const saysMore = stored.has_smoke && stored.smoke_types.length === 0;
  return {
    label: labels.length === 1 && !saysMore ? (labels[0] ?? null) : null,
    isUnsure: stored.is_unsure,
  };
}

/** Stages in which a sequence has been labelled by nobody. */
const WAITING: ReadonlySet<string> = new Set(["imported", "ready_to_annotate", "under_annotation"]);

export function isLabelled(stored: Schemas["SequenceAnnotationRead"] | null): boolean {
  return stored !== null && !WAITING.has(stored.processing_stage);
}

type Things = Schemas["SequenceAnnotationData"]["sequences_bbox"];

/** What is stored and no one choice can show: it stays as it is until one label replaces it. */
export function thingsToKeep(stored: Schemas["SequenceAnnotationRead"] | null): Things {
  return stored && choiceOf(stored).label === null ? stored.annotation.sequences_bbox : [];
}

/**
 * Why it cannot be saved yet, null where it can. What stays as it is has nothing to save until somebody began to
 * change something (`isBegun`).
 */
export function whatIsMissing(
  { label, isUnsure }: Choice,
  { kept, isBegun }: { kept: Things; isBegun: boolean },
): string | null {
  if (label) return null;
  if (kept.length === 0) return isUnsure ? null : "Choose one label, or say that you are unsure.";
  return isBegun ? null : "Choose one label for all of it, or change whether it is unsure.";
}

/** Whether a label alone can be saved: it is stamped on boxes that were detected. */
export function hasBoxes(
  frames: readonly { boxes: readonly { xyxyn: readonly number[] }[] | null }[],
): boolean {
  return frames.some((frame) => frame.boxes?.some((box) => isValid(box.xyxyn)));
}

/** Reversed corners and all zeros are what a detector writes where it found nothing. */
function isValid([x1 = 0, y1 = 0, x2 = 0, y2 = 0]: readonly number[]): boolean {
  return x1 <= x2 && y1 <= y2 && [x1, y1, x2, y2].some((corner) => corner !== 0);
}

/**
 * The body that saves it. A label is stamped on the sequence's own boxes; without any there is one thing without
 * boxes. One who names nothing leaves what is to be kept as it is; where nothing is, there is nothing to name.
 */
export function bodyOf(
  { label, isUnsure }: Choice,
  { hasBoxes, kept }: { hasBoxes: boolean; kept: Things },
): Schemas["SequenceAnnotationPut"] {
  const common = { is_unsure: isUnsure, processing_stage: "seq_annotation_done" } as const;
  if (label && hasBoxes) return { ...common, ...label };
  const thing = label && {
    is_smoke: label.smoke_type !== null,
    smoke_type: label.smoke_type,
    false_positive_types: label.false_positive_type ? [label.false_positive_type] : [],
    bboxes: [],
  };
  return { ...common, annotation: { sequences_bbox: thing ? [thing] : kept } };
}
