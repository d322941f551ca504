import { describe, expect, it } from "vitest";
import { FALSE_POSITIVE_KEYS, SMOKE_KEYS, UNSURE_KEY } from "../../review/labels";
import { actionOf, BACK_KEY, type Focus, SKIP_KEY } from "./shortcuts";

function press(key: string, focus: Focus = "page", isModified = false) {
  return actionOf({ key, focus, isModified });
}

describe("keys", () => {
  it("are each for one thing alone", () => {
    const keys = [
      ...Object.values(SMOKE_KEYS),
      ...Object.values(FALSE_POSITIVE_KEYS),
      UNSURE_KEY,
      SKIP_KEY,
      BACK_KEY,
      "?",
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it.each([
    ["1", { kind: "label", label: { smoke_type: "wildfire", false_positive_type: null } }],
    ["a", { kind: "label", label: { smoke_type: null, false_positive_type: "antenna" } }],
    ["A", { kind: "label", label: { smoke_type: null, false_positive_type: "antenna" } }], // caps lock
    ["q", { kind: "unsure" }],
    ["Enter", { kind: "save" }],
    ["s", { kind: "skip" }],
    ["z", { kind: "back" }],
    ["?", { kind: "help" }],
    ["y", null], // is for nothing
    ["constructor", null], // no key of a keyboard, but one of every object
    ["Tab", null],
    // The player's.
    [" ", null],
    ["ArrowRight", null],
    ["ArrowLeft", null],
  ])("%s", (key, action) => {
    expect(press(key)).toEqual(action);
  });

  it.each([
    // While typing a key is a letter.
    ["a", "typing"],
    ["Enter", "typing"],
    ["?", "typing"],
    // On a button Enter presses it: it would save as well as skip.
    ["Enter", "acting"],
  ] as const)("%s is not taken from one who is %s", (key, focus) => {
    expect(press(key, focus)).toBeNull();
  });

  it.each([
    ["a", "acting"],
    ["s", "acting"],
  ] as const)("%s is heard while %s", (key, focus) => {
    expect(press(key, focus)).not.toBeNull();
  });

  it("leave the browser's own shortcuts alone", () => {
    expect(press("a", "page", true)).toBeNull();
  });
});
