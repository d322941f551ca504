/** Where a sequence is in the split, and why it is in none of its parts. */

import type { Schemas } from "../../../api/client";

type Triage = Schemas["TriageRead"];

export type Placement =
  | { bucket: "review" | "unlabeled"; threshold: number; score: number }
  /** Somebody has it under annotation: it waits for people at any threshold, whatever its score. */
  | { bucket: "review"; why: string }
  /** People are done with it. */
  | { bucket: "labeled" }
  | { bucket: "dropped"; why: string; error: string | null }
  | { bucket: "none"; why: string };

const WHY: ReadonlyMap<string, string> = new Map([
  ["predict_failed", "The model failed on it."],
  ["no_images", "None of its frames has a usable picture."],
  ["incomplete", "It is not scored yet, or its frames have changed since."],
]);

/** Why there is no score, in a sentence; a reason that this page does not know is shown as it is. */
export function explainDrop(reason: string): string {
  return WHY.get(reason) ?? `It was left out: ${reason.replaceAll("_", " ")}.`;
}

/**
 * The part that a sequence is in at a threshold: the one that is looked at, or else that of the worklists. Whoever is
 * exactly at the threshold is reviewed.
 */
export function placementOf(triage: Triage | null, lookedAt: number | null): Placement {
  if (triage === null) {
    return {
      bucket: "none",
      why: "It is not in the worklists: they were written before it was pulled, or never.",
    };
  }
  const { bucket, score, dropped_reason, dropped_error, annotation_stage } = triage;
  if (bucket === "labeled") return { bucket };
  if (annotation_stage === "under_annotation") {
    return { bucket: "review", why: "Somebody has begun to annotate it." };
  }
  if (dropped_reason !== null || bucket === null) {
    return {
      bucket: "dropped",
      why: explainDrop(dropped_reason ?? "no reason was noted"),
      error: dropped_error,
    };
  }
  const threshold = lookedAt ?? triage.threshold;
  if (score === null || threshold === null) {
    return { bucket: "none", why: "The worklists do not say at which threshold they were split." };
  }
  return { bucket: score >= threshold ? "review" : "unlabeled", threshold, score };
}
