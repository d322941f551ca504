import { describe, expect, it } from "vitest";
import {
  clampView,
  MOST_SCALE,
  panBy,
  partShown,
  pinch,
  toPicture,
  toStage,
  transformOf,
  type View,
  viewOf,
  WHOLE_VIEW,
  zoomAbout,
} from "./view";

const ZOOMED: View = { scale: 4, cx: 0.4, cy: 0.6 };

describe("a view", () => {
  it("leads from the stage to the picture and back", () => {
    for (const point of [
      { x: 0, y: 0 },
      { x: 0.3, y: 0.9 },
    ]) {
      const back = toStage(ZOOMED, toPicture(ZOOMED, point));
      expect(back.x).toBeCloseTo(point.x, 12);
      expect(back.y).toBeCloseTo(point.y, 12);
    }
  });

  it.each<[string, View, View]>([
    ["too small", { scale: 0.2, cx: 0.5, cy: 0.5 }, WHOLE_VIEW],
    ["too large", { scale: 999, cx: 0.5, cy: 0.5 }, { scale: MOST_SCALE, cx: 0.5, cy: 0.5 }],
    ["beyond the left and the lower border", { scale: 2, cx: -1, cy: 2 }, { scale: 2, cx: 0.25, cy: 0.75 }],
    ["off the middle of the whole", { scale: 1, cx: 0.1, cy: 0.9 }, WHOLE_VIEW],
  ])("that is %s becomes the nearest that shows the picture alone", (_, view, nearest) => {
    expect(clampView(view)).toEqual(nearest);
  });

  it("zooms about the point under the pointer", () => {
    const at = { x: 0.3, y: 0.7 };
    const before = toPicture(ZOOMED, at);
    const after = toPicture(zoomAbout(ZOOMED, 1.5, at), at);
    expect(after.x).toBeCloseTo(before.x, 12);
    expect(after.y).toBeCloseTo(before.y, 12);
  });

  it("is the whole picture again after zooming out as far as it goes", () => {
    expect(zoomAbout(ZOOMED, 0.01, { x: 0.9, y: 0.1 })).toEqual(WHOLE_VIEW);
  });

  it("pans with the pointer, and no further than the picture", () => {
    expect(panBy(ZOOMED, 0.2, -0.2)).toEqual({ scale: 4, cx: 0.35000000000000003, cy: 0.65 });
    expect(panBy(ZOOMED, 99, 0)).toEqual({ scale: 4, cx: 0.125, cy: 0.6 });
    expect(panBy(WHOLE_VIEW, 0.5, 0.5)).toEqual(WHOLE_VIEW);
  });

  it("keeps what is under two fingers under them", () => {
    const before = [
      { x: 0.4, y: 0.5 },
      { x: 0.6, y: 0.5 },
    ] as const;
    const after = [
      { x: 0.35, y: 0.55 },
      { x: 0.75, y: 0.55 },
    ] as const;
    const view = pinch(ZOOMED, before, after);
    expect(view.scale).toBeCloseTo(8, 9);
    for (const finger of [0, 1] as const) {
      const [was, is] = [toPicture(ZOOMED, before[finger]), toPicture(view, after[finger])];
      expect(is.x).toBeCloseTo(was.x, 9);
      expect(is.y).toBeCloseTo(was.y, 9);
    }
  });

  it("only pans where both fingers are at one point", () => {
    const [one, two] = [
      { x: 0.5, y: 0.5 },
      { x: 0.6, y: 0.5 },
    ];
    expect(pinch(ZOOMED, [one, one], [two, two]).scale).toBe(ZOOMED.scale);
  });

  it("of a box has it in the middle with as much again around it", () => {
    const shown = partShown(viewOf([0.4, 0.4, 0.5, 0.45]));
    expect(shown.map((value) => Number(value.toFixed(9)))).toEqual([0.35, 0.325, 0.55, 0.525]);
  });

  it("of a box in a corner shows nothing beside the picture", () => {
    expect(partShown(viewOf([0, 0, 0.1, 0.1]))).toEqual([0, 0, 0.2, 0.2]);
  });

  it("is written as a transform about the top left", () => {
    expect(transformOf(WHOLE_VIEW)).toBe("translate(0%, 0%) scale(1)");
    expect(transformOf({ scale: 2, cx: 0.75, cy: 0.25 })).toBe("translate(-100%, 0%) scale(2)");
  });
});
