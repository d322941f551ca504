import { describe, expect, it } from "vitest";
import { describeDecision } from "./decision-words";

describe("a line of the audit", () => {
  it.each([
    ["validate", { member_count: 1 }, "validated the group of 1 member"],
    ["unvalidate", { member_count: 3 }, "took the validation back"],
    ["remove_member", {}, "took sequence 7 out"],
    ["re_include", {}, "put sequence 7 back"],
    [
      "annotate",
      { smoke_type: "industrial", is_unsure: true },
      "annotated sequence 7: industrial smoke, unsure",
    ],
    ["annotate", { is_unsure: true }, "annotated sequence 7: unsure"], // names nothing
    [
      "annotate",
      { false_positive_type: "sky", is_unsure: false, conflicts_with: "false positive: tree" },
      "annotated sequence 7: sky; against the group's false positive: tree",
    ],
    [
      "propagate",
      { false_positive_type: "antenna", is_unsure: false, applied: 1_200, locked: 2, without_boxes: 0 },
      "antenna spread from sequence 7 to 1,200 others (2 were labelled already)",
    ],
    [
      "bulk_annotate",
      {
        false_positive_type: "high_cloud",
        is_unsure: false,
        applied: 1,
        skipped: 3,
        replaced: "smoke: other",
      },
      "labelled 1 sequence: high cloud; 3 left as they are; it was smoke: other",
    ],
    [
      "relabel",
      { is_unsure: false, replaced: "false positive: sky", relabel_copies: true, applied: 4 },
      "set the group's label: no label; it was false positive: sky; 4 labels that came through it followed",
    ],
    ["inherit", { smoke_type: "wildfire", applied: 2 }, "2 newcomers took the group's label on joining"],
  ] as const)("%s %j", (action, details, sentence) => {
    const at = "2026-01-01T00:00:00Z";
    expect(describeDecision({ id: 1, at, by: "ana", action, group_id: 2, sequence_id: 7, details })).toBe(
      sentence,
    );
  });
});
