import { describe, expect, it } from "vitest";
import { byAngle, dotRadius, isDirection, spotAt } from "./dial";

describe("the dial", () => {
  it.each([
    [0, 0.5, 0.1], // north is up
    [90, 0.9, 0.5], // east is to the right
    [180, 0.5, 0.9],
    [270, 0.1, 0.5],
    [359, 0.493, 0.1],
  ])("has %i° at (%f, %f)", (azimuth, x, y) => {
    const spot = spotAt(azimuth, 0.4);
    expect(spot.x).toBeCloseTo(x, 3);
    expect(spot.y).toBeCloseTo(y, 3);
  });

  it.each([
    [0, true],
    [359, true],
    [360, false],
    [-1, false], // what a camera that does not turn is filed under
  ])("takes %i for a direction: %s", (azimuth, expected) => {
    expect(isDirection(azimuth)).toBe(expected);
  });

  it("tells counts by area between its limits", () => {
    expect(dotRadius(4, 4, [0, 1])).toBe(1);
    expect(dotRadius(1, 4, [0, 1])).toBe(0.5);
    expect(dotRadius(0, 0, [0.1, 1])).toBe(0.1);
  });

  it("puts each group under its angle, in order", () => {
    const groups = [
      { azimuth: 90, id: 1 },
      { azimuth: -1, id: 2 },
      { azimuth: 90, id: 3 },
    ];
    expect(byAngle(groups).map(({ azimuth, groups: some }) => [azimuth, some.map(({ id }) => id)])).toEqual([
      [-1, [2]],
      [90, [1, 3]],
    ]);
  });
});
