import { describe, expect, it } from "vitest";
import { placeAfter } from "./table-keys";

describe("the table's keys", () => {
  it.each([
    ["j", null, 100, 0], // nothing is under the cursor yet
    ["ArrowDown", 0, 100, 1],
    ["j", 99, 100, 99], // the last stays
    ["k", 0, 100, 0],
    ["ArrowUp", 5, 100, 4],
    ["PageDown", 5, 100, 25],
    ["PageDown", 95, 100, 99],
    ["PageUp", 5, 100, 0],
    ["End", null, 1_000_000, 999_999],
    ["Home", 999_999, 1_000_000, 0],
    ["x", 5, 100, null], // no key of the table's
    ["j", null, 0, null], // there is no row
    ["j", 70, 50, 49], // fewer than there were
  ])("%s from %s of %d leads to %s", (key, cursor, total, expected) => {
    expect(placeAfter(key, cursor, total, 20)).toBe(expected);
  });
});
