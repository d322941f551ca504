import { describe, expect, it } from "vitest";
import type { Corners } from "./boxes";
import { squareAround } from "./crops";

const SIZE = { width: 1000, height: 500 };

function pixels(corners: Corners | null): number[] | undefined {
  return corners?.map((value, place) => Math.round(value * (place % 2 === 0 ? SIZE.width : SIZE.height)));
}

describe("the square around a box", () => {
  it.each<[string, Corners, number[] | undefined]>([
    ["in the middle has it in its middle", [0.4, 0.4, 0.5, 0.5], [370, 145, 530, 305]],
    ["in a corner is moved into the image", [0, 0, 0.1, 0.1], [0, 0, 160, 160]],
    ["at the lower right is moved into the image", [0.9, 0.9, 1, 1], [840, 340, 1000, 500]],
    ["of a few pixels shows where they are", [0.5, 0.5, 0.51, 0.512], [481, 229, 529, 277]],
    ["as wide as the image is the image", [0, 0.2, 1, 0.8], [0, 0, 1000, 500]],
    ["half outside is around what can be seen", [-0.1, 0.4, 0.1, 0.5], [0, 145, 160, 305]],
    ["outside is none", [1.1, 0.4, 1.2, 0.5], undefined],
    ["of nothing is none", [0.5, 0.5, 0.5, 0.5], undefined],
  ])("%s", (_, box, square) => {
    expect(pixels(squareAround(box, SIZE))).toEqual(square);
  });
});
