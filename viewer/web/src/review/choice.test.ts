import { describe, expect, it } from "vitest";
import type { Schemas } from "../api/client";
import { bodyOf, choiceOf, hasBoxes, thingsToKeep, whatIsMissing } from "./choice";
import { falsePositive, smoke } from "./labels";

function stored(of: Partial<Schemas["SequenceAnnotationRead"]>): Schemas["SequenceAnnotationRead"] {
  return {
    sequence_id: 1,
    group_id: null,
    has_smoke: false,
    has_false_positives: false,
    smoke_types: [],
    false_positive_types: [],
    is_unsure: false,
    annotation: { sequences_bbox: [] },
    processing_stage: "seq_annotation_done",
    origin: "person",
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    revision: 1,
    contributors: [],
    group_propagation_warning: null,
    conflicts_with_group: null,
    ...of,
  };
}

describe("what is stored", () => {
  it.each([
    // Nothing is.
    [null, { label: null, isUnsure: false }],
    [stored({ has_smoke: true, smoke_types: ["wildfire"] }), { label: smoke("wildfire"), isUnsure: false }],
    [
      stored({ has_false_positives: true, false_positive_types: ["antenna"], is_unsure: true }),
      { label: falsePositive("antenna"), isUnsure: true },
    ],
    // Several things in one picture are no one label.
    [
      stored({ has_false_positives: true, false_positive_types: ["antenna", "dust"] }),
      { label: null, isUnsure: false },
    ],
    // Smoke of no named type beside a false positive: the false positive alone would bury it.
    [
      stored({ has_smoke: true, has_false_positives: true, false_positive_types: ["dust"] }),
      { label: null, isUnsure: false },
    ],
    // Somebody could not tell.
    [stored({ is_unsure: true }), { label: null, isUnsure: true }],
  ])("is shown as a choice", (annotation, expected) => {
    expect(choiceOf(annotation)).toEqual(expected);
  });
});

describe("a choice", () => {
  it("has to say something", () => {
    const nothing = { kept: [], isBegun: true };
    expect(whatIsMissing({ label: null, isUnsure: false }, nothing)).toContain("Choose one label");
    expect(whatIsMissing({ label: null, isUnsure: true }, nothing)).toBeNull();
    expect(whatIsMissing({ label: smoke("other"), isUnsure: false }, nothing)).toBeNull();
  });

  it.each([
    // Smoke, on the sequence's own boxes.
    [smoke("industrial"), true, { smoke_type: "industrial", false_positive_type: null }],
    [falsePositive("sky"), true, { smoke_type: null, false_positive_type: "sky" }],
    // There is no box to stamp it on: one thing without a place.
    [
      falsePositive("sky"),
      false,
      {
        annotation: {
          sequences_bbox: [{ is_smoke: false, smoke_type: null, false_positive_types: ["sky"], bboxes: [] }],
        },
      },
    ],
    [
      smoke("wildfire"),
      false,
      {
        annotation: {
          sequences_bbox: [{ is_smoke: true, smoke_type: "wildfire", false_positive_types: [], bboxes: [] }],
        },
      },
    ],
    // Unsure, and no name for it.
    [null, true, { annotation: { sequences_bbox: [] } }],
  ])("is sent as exactly one of a label and clusters", (label, hasBoxes, expected) => {
    expect(bodyOf({ label, isUnsure: true }, { hasBoxes, kept: [] })).toEqual({
      is_unsure: true,
      processing_stage: "seq_annotation_done",
      ...expected,
    });
  });
});

describe("several things in one picture", () => {
  const of = (type: "antenna" | "dust") => ({
    is_smoke: false,
    smoke_type: null,
    false_positive_types: [type],
    bboxes: [],
  });
  const things = [of("antenna"), of("dust")];
  const several = stored({
    has_false_positives: true,
    false_positive_types: ["antenna", "dust"],
    is_unsure: true,
    annotation: { sequences_bbox: things },
  });

  it.each([
    [several, things],
    // One label is shown as a choice: who chooses none takes it away.
    [
      stored({
        has_false_positives: true,
        false_positive_types: ["dust"],
        annotation: { sequences_bbox: [of("dust")] },
      }),
      [],
    ],
    [null, []],
  ])("are what is kept", (annotation, kept) => {
    expect(thingsToKeep(annotation)).toEqual(kept);
  });

  it.each([
    // Whether it is unsure changes, and nothing else.
    [null, true, things],
    [null, false, things],
    // One label takes the place of all.
    [falsePositive("sky"), false, [{ ...of("dust"), false_positive_types: ["sky"] }]],
  ])("stay when they are saved with %j", (label, isUnsure, sequences_bbox) => {
    expect(bodyOf({ label, isUnsure }, { hasBoxes: false, kept: things })).toEqual({
      is_unsure: isUnsure,
      processing_stage: "seq_annotation_done",
      annotation: { sequences_bbox },
    });
  });

  it("are not saved by one who changed nothing", () => {
    const choice = choiceOf(several);
    expect(whatIsMissing(choice, { kept: things, isBegun: false })).toContain("Choose one label");
    expect(whatIsMissing(choice, { kept: things, isBegun: true })).toBeNull();
  });
});

describe("boxes to stamp a label on", () => {
  it.each([
    [[[0.1, 0.1, 0.2, 0.2]], true],
    [[[0.1, 0.1, 0.1, 0.1]], true], // a point is one
    [[[0, 0, 0, 0]], false],
    [[[0.3, 0.1, 0.2, 0.2]], false], // reversed
    [[], false],
    [null, false], // it has left the backlog
  ])("%j", (boxes, expected) => {
    const frame = { boxes: boxes?.map((xyxyn) => ({ xyxyn })) ?? null };
    expect(hasBoxes([{ boxes: [] }, frame])).toBe(expected);
  });
});
