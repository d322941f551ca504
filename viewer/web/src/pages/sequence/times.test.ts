import { describe, expect, it } from "vitest";
import { clock, elapsed } from "./times";

const START = "2026-05-03T14:05:09Z";

describe("the time of a frame", () => {
  it.each([
    ["2026-05-03T14:05:09Z", "2026-05-03 14:05:09"],
    ["2026-05-03T16:05:09.400+02:00", "2026-05-03 14:05:09"], // in UTC, wherever it was written
  ])("%s is written as %s", (iso, words) => {
    expect(clock(iso)).toBe(words);
  });

  it.each([
    ["2026-05-03T14:05:09Z", "0 s"],
    ["2026-05-03T14:05:39Z", "30 s"],
    ["2026-05-03T14:06:39Z", "1 min 30 s"],
    ["2026-05-03T14:06:09Z", "1 min"],
    ["2026-05-04T15:05:10Z", "1 d 1 h"], // two units are enough
    ["2026-05-03T14:05:08Z", "−1 s"], // before what counts as the start
  ])("%s is %s after the start", (to, words) => {
    expect(elapsed(START, to)).toBe(words);
  });
});
