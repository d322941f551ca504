import { describe, expect, it } from "vitest";
import { countSlots, type Details, describeCell, lanesOf, ownSlot, type Slot, slotsOfFrame } from "./lanes";

/** Three recorded frames between two copies of the first and one of the last. */
const DETAILS: Details = {
  preprocessing: { num_frames_input: 4, num_truncated: 1, padded_frame_indices: [0, 1, 5] },
  decision: { aggregation: "max", threshold: 0.5, trigger_tube_id: 4 },
  tubes: {
    num_candidates: 3,
    kept: [
      tube(9, -2, { first_crossing_frame: null, entries: [entry(0, 0.4), entry(1, 0.3)] }),
      tube(4, 1.5, {
        first_crossing_frame: 3,
        entries: [
          entry(2, 0.8),
          { ...entry(3, 0), is_gap: true },
          entry(4, 0.9),
          { ...entry(5, 0), bbox: null },
        ],
      }),
    ],
  },
};

const SLOTS: readonly Slot[] = [11, 11, 11, 12, 13, 13].map((detection_id, slot) => ({
  slot,
  detection_id,
  recorded_at: "2026-08-01T10:00:00Z",
  is_padding: [0, 1, 5].includes(slot),
}));

describe("the lanes of a model's tubes", () => {
  const lanes = lanesOf(DETAILS);

  it("are as many, the most probable first", () => {
    expect(lanes.map((lane) => lane.tubeId)).toEqual([4, 9]);
    expect(lanes.map((lane) => lane.isTrigger)).toEqual([true, false]);
  });

  it("have a cell for each slot: recorded frames without what was cut off, and copies", () => {
    expect(countSlots(DETAILS)).toBe(6);
    expect(lanes.map((lane) => lane.cells.length)).toEqual([6, 6]);
    expect(lanes[0]?.cells.map((cell) => cell.isPadding)).toEqual([true, true, false, false, false, true]);
  });

  it("tell what was observed from gaps, from where the tube is not, and from entries without a box", () => {
    expect(lanes[0]?.cells.map((cell) => cell.kind)).toEqual([
      "absent",
      "absent",
      "observed",
      "gap",
      "observed",
      "absent",
    ]);
  });

  it("give a gap no confidence, whatever was written for it", () => {
    expect(lanes[0]?.cells.map((cell) => cell.confidence)).toEqual([null, null, 0.8, null, 0.9, null]);
  });

  it("have their window and boxes as corners", () => {
    expect(lanes[0]?.window).toEqual([0.25, 0.125, 0.75, 0.375]);
    expect(lanes[0]?.cells[3]?.box).toEqual([0.375, 0.375, 0.625, 0.625]);
    expect(lanes[1]?.window).toBeNull();
  });

  it.each([
    [0, 2, "slot 2: observed with confidence 0.80"],
    [0, 3, "slot 3: a gap, its box interpolated, the trigger"],
    [0, 5, "slot 5: not there, a copy"],
    [1, 0, "slot 0: observed with confidence 0.40, a copy"],
  ])("say of lane %i at slot %i: %s", (place, slot, words) => {
    const lane = lanes[place];
    const cell = lane?.cells[slot];
    expect(lane && cell && describeCell(cell, lane)).toBe(words);
  });
});

describe("a lane's place", () => {
  it("is by probability: calibration may put a lower logit before a higher one", () => {
    const kept = [tube(1, 3, { probability: 0.2 }), tube(2, -2, { probability: 0.9 })];
    const lanes = lanesOf({ ...DETAILS, tubes: { num_candidates: 2, kept } });
    expect(lanes.map((lane) => lane.tubeId)).toEqual([2, 1]);
  });
});

describe("the slots of a frame", () => {
  it.each([
    [11, [0, 1, 2], 2], // the first frame, copied before itself
    [12, [3], 3],
    [13, [4, 5], 4], // the last frame, copied after itself
    [14, [], null], // a frame that was cut off
  ])("of detection %i are %j, its own is %s", (detectionId, all, own) => {
    expect(slotsOfFrame(SLOTS, detectionId)).toEqual(all);
    expect(ownSlot(SLOTS, detectionId)).toBe(own);
  });

  it("are none where nobody can tell them any more", () => {
    expect(slotsOfFrame(null, 11)).toEqual([]);
    expect(ownSlot(null, 11)).toBeNull();
  });
});

function tube(tube_id: number, logit: number, rest: Partial<Details["tubes"]["kept"][number]>) {
  return {
    tube_id,
    logit,
    probability: 1 / (1 + Math.exp(-logit)),
    start_frame: 0,
    end_frame: 5,
    first_crossing_frame: null,
    stabilized_window: logit > 0 ? ([0.5, 0.25, 0.5, 0.25] as [number, number, number, number]) : null,
    entries: [],
    ...rest,
  };
}

function entry(frame_idx: number, confidence: number) {
  return {
    frame_idx,
    confidence,
    is_gap: false,
    bbox: [0.5, 0.5, 0.25, 0.25] as [number, number, number, number],
  };
}
