import { describe, expect, it } from "vitest";
import { moveByKey, parseThreshold, snap, tidy, writeThreshold } from "./threshold";

describe("a threshold", () => {
  it.each([
    [0.35, "ArrowRight", false, 0.36],
    [0.35, "ArrowUp", true, 0.4],
    [0.35, "ArrowLeft", false, 0.34],
    [0.35, "ArrowDown", true, 0.3],
    [0.35, "PageUp", false, 0.4],
    [0.35, "PageDown", false, 0.3],
    [0.355, "ArrowRight", false, 0.365], // between the steps it stays so
    [0.29, "ArrowRight", false, 0.3], // and not 0.30000000000000004
    [0.005, "ArrowLeft", false, 0], // never beyond the ends
    [0.98, "ArrowRight", true, 1],
    [0.35, "Home", false, 0],
    [0.35, "End", false, 1],
    [0.35, "Tab", false, null], // no key of its own
  ] as const)("of %d moves by %s (shift: %s) to %s", (from, key, isLong, to) => {
    expect(moveByKey(from, key, isLong)).toBe(to);
  });

  it.each([
    ["0.35", 0.35],
    [" .5 ", 0.5],
    ["0,35", 0.35], // as half of Europe writes it
    ["0.350000000001", 0.350000000001], // a score itself, to its last digit
    ["1", 1],
    ["", null],
    ["1.01", null],
    ["-0.1", null],
    ["abc", null],
    ["NaN", null],
  ])("typed as %j is %s", (typed, value) => {
    expect(parseThreshold(typed)).toBe(value);
  });

  it("is written with two decimals, and more only where it has more", () => {
    expect([0, 0.1, 0.35, 0.355, 1].map(writeThreshold)).toEqual(["0.00", "0.10", "0.35", "0.355", "1.00"]);
  });

  it("under a pointer is on a step", () => {
    expect([0.3549, 0.2949999, -0.2, 1.7].map(snap)).toEqual([0.35, 0.29, 0, 1]);
    expect(tidy(0.1 + 0.2)).toBe(0.3);
  });
});
