import { describe, expect, it } from "vitest";
import { around, type Corners, cornersOfCentre, rectOf, visiblePart } from "./boxes";

describe("a box", () => {
  it.each<[string, Corners, ReturnType<typeof rectOf>]>([
    ["inside the image", [0.25, 0.5, 0.75, 1], { x: 0.25, y: 0.5, width: 0.5, height: 0.5 }],
    ["reaching over two borders", [-0.5, 0.5, 0.25, 3], { x: 0, y: 0.5, width: 0.25, height: 0.5 }],
    ["around the whole image", [-1, -1, 2, 2], { x: 0, y: 0, width: 1, height: 1 }],
    ["beside the image", [1.2, 0.1, 1.5, 0.3], null],
    ["of nothing", [0, 0, 0, 0], null],
    ["with its corners reversed", [0.6, 0.2, 0.4, 0.3], null],
    ["that is no number", [Number.NaN, 0, 1, 1], null],
    ["without an end", [0.5, 0.5, Number.POSITIVE_INFINITY, 1], { x: 0.5, y: 0.5, width: 0.5, height: 0.5 }],
  ])("%s is drawn where it can be seen", (_, box, drawn) => {
    expect(rectOf(box)).toEqual(drawn);
  });

  it("given by its centre has the corners around it", () => {
    expect(cornersOfCentre([0.5, 0.25, 0.5, 0.25])).toEqual([0.25, 0.125, 0.75, 0.375]);
  });
});

describe("around some boxes", () => {
  it("is the smallest box that holds what can be seen of each", () => {
    expect(
      around([
        [0.2, 0.3, 0.4, 0.5],
        [0.6, -1, 0.7, 0.4],
        [0.9, 0.9, 0.1, 0.1],
      ]),
    ).toEqual([0.2, 0, 0.7, 0.5]);
  });

  it("is nothing where nothing can be seen", () => {
    expect(around([])).toBeNull();
    expect(around([[2, 2, 3, 3]])).toBeNull();
  });

  it("is a visible part of itself", () => {
    const box = around([[0.1, 0.2, 1.5, 0.6]]);
    expect(box && visiblePart(box)).toEqual(box);
  });
});
