import { describe, expect, it } from "vitest";
import { explainDrop, placementOf } from "./placement";

const TRIAGE: NonNullable<Parameters<typeof placementOf>[0]> = {
  threshold: 0.35,
  bucket: "review",
  score: 0.4,
  dropped_reason: null,
  dropped_error: null,
  annotation_stage: null,
  annotation_origin: null,
  smoke_types: null,
  false_positive_types: null,
  is_unsure: null,
};

const BEGUN = { bucket: "review", annotation_stage: "under_annotation" } as const;

describe("where a sequence is", () => {
  it.each<[string, typeof TRIAGE | null, number | null, string]>([
    ["as the worklists have it", TRIAGE, null, "review"],
    ["at the threshold that is looked at", TRIAGE, 0.41, "unlabeled"],
    ["exactly at the threshold", TRIAGE, 0.4, "review"],
    ["labeled, whatever its score", { ...TRIAGE, bucket: "labeled" }, 0.1, "labeled"],
    ["begun under the threshold", { ...TRIAGE, ...BEGUN, score: 0.1 }, 0.9, "review"],
    [
      "begun without a score",
      { ...TRIAGE, ...BEGUN, score: null, dropped_reason: "no_images" },
      null,
      "review",
    ],
    ["dropped", { ...TRIAGE, bucket: null, score: null, dropped_reason: "no_images" }, 0.1, "dropped"],
    ["dropped without a reason", { ...TRIAGE, bucket: null, score: null }, 0.1, "dropped"],
    ["nowhere without worklists", null, 0.1, "none"],
    ["nowhere without a threshold", { ...TRIAGE, threshold: null }, null, "none"],
  ])("is said: %s", (_, triage, lookedAt, bucket) => {
    expect(placementOf(triage, lookedAt).bucket).toBe(bucket);
  });

  it("is said with a reason that nobody foresaw", () => {
    expect(explainDrop("eaten_by_dog")).toBe("It was left out: eaten by dog.");
  });
});
