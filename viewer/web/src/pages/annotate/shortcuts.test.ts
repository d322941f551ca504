import { describe, expect, it } from "vitest";
import { FALSE_POSITIVE_KEYS, SMOKE_KEYS } from "./labels";
import { actionOf, type Focus, UNSURE_KEY } from "./shortcuts";

function press(key: string, focus: Focus = "page", isModified = false) {
  return actionOf({ key, focus, isModified });
}

describe("keys", () => {
  it("are each for one thing alone", () => {
    const keys = [...Object.values(SMOKE_KEYS), ...Object.values(FALSE_POSITIVE_KEYS), UNSURE_KEY, "s", "?"];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it.each([
    ["1", { kind: "label", label: { smoke_type: "wildfire", false_positive_type: null } }],
    ["a", { kind: "label", label: { smoke_type: null, false_positive_type: "antenna" } }],
    ["A", { kind: "label", label: { smoke_type: null, false_positive_type: "antenna" } }], // caps lock
    ["q", { kind: "unsure" }],
    ["Enter", { kind: "save" }],
    ["s", { kind: "skip" }],
    ["ArrowRight", { kind: "skip" }],
    ["ArrowLeft", { kind: "back" }],
    ["?", { kind: "help" }],
    ["z", null], // is for nothing
    ["constructor", null], // no key of a keyboard, but one of every object
    ["Tab", null],
    [" ", null], // is the player's
  ])("%s", (key, action) => {
    expect(press(key)).toEqual(action);
  });

  it.each([
    // While typing a key is a letter.
    ["a", "typing"],
    ["Enter", "typing"],
    ["?", "typing"],
    // Among choices arrows go from one to the next.
    ["ArrowRight", "choosing"],
    // On a button Enter presses it: it would save as well as skip.
    ["Enter", "acting"],
  ] as const)("%s is not taken from one who is %s", (key, focus) => {
    expect(press(key, focus)).toBeNull();
  });

  it.each([
    ["a", "choosing"],
    ["Enter", "choosing"],
    ["s", "acting"],
    ["ArrowRight", "acting"],
  ] as const)("%s is heard while %s", (key, focus) => {
    expect(press(key, focus)).not.toBeNull();
  });

  it("leave the browser's own shortcuts alone", () => {
    expect(press("a", "page", true)).toBeNull();
  });
});
