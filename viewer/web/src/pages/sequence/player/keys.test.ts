import { describe, expect, it } from "vitest";
import { commandOf } from "./keys";

const NONE = { shiftKey: false, ctrlKey: false, metaKey: false, altKey: false };

describe("a key", () => {
  it.each([
    [" ", {}, "toggle"],
    ["ArrowRight", {}, "next"],
    ["ArrowRight", { shiftKey: true }, "panRight"],
    ["+", { shiftKey: true }, "zoomIn"], // where + is a shifted key
    ["=", {}, "zoomIn"], // the same key without shift
    ["0", {}, "fit"],
    ["ArrowLeft", { altKey: true }, null], // the browser's way back
    ["0", { ctrlKey: true }, null], // the browser's own zoom
    ["ArrowDown", {}, null], // scrolls the page
    ["a", {}, null], // a label's shortcut elsewhere
  ] as const)("%s with %j means %s", (key, held, command) => {
    expect(commandOf({ ...NONE, ...held, key })).toBe(command);
  });
});
