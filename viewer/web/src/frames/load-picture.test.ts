import { describe, expect, it } from "vitest";
import { pauseAfter } from "./load-picture";

describe("the pause before the next attempt", () => {
  it("doubles up to half a minute", () => {
    expect([1, 2, 3, 4, 5, 6, 60].map(pauseAfter)).toEqual([
      2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
    ]);
  });
});
