import { describe, expect, it } from "vitest";
import { type Decision, describeDecision } from "./decision-words";

const DECISION: Decision = {
  id: 1,
  at: "2026-05-03T14:05:09Z",
  by: "ana",
  action: "annotate",
  group_id: 3,
  sequence_id: 7,
  details: {},
};

describe("a decision", () => {
  it.each<[Partial<Decision>, string]>([
    [{}, "annotated it"],
    [{ details: { smoke_type: "wildfire", is_unsure: false } }, "annotated it: wildfire"],
    [{ details: { false_positive_type: "high_cloud", is_unsure: true } }, "annotated it: high cloud, unsure"],
    [
      { action: "propagate", details: { smoke_type: "industrial", applied: 4 } },
      "gave its label to its group: industrial, 4 others took it",
    ],
    [{ action: "remove_member" }, "took it out of its group"],
    // Details of a kind that this page does not know are left out.
    [{ details: { smoke_type: 7, applied: "x" } }, "annotated it"],
  ])("%j is said as %s", (part, words) => {
    expect(describeDecision({ ...DECISION, ...part })).toBe(words);
  });
});
