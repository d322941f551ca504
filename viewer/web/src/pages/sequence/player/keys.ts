/** Which key does what in a player. No letters: those are left to whatever surrounds it. */

export type Command =
  | "toggle"
  | "previous"
  | "next"
  | "first"
  | "last"
  | "zoomIn"
  | "zoomOut"
  | "fit"
  | "panLeft"
  | "panRight"
  | "panUp"
  | "panDown";

type Pressed = Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "metaKey" | "altKey">;

const PLAIN: ReadonlyMap<string, Command> = new Map([
  [" ", "toggle"],
  ["ArrowLeft", "previous"],
  ["ArrowRight", "next"],
  ["Home", "first"],
  ["End", "last"],
  ["+", "zoomIn"],
  ["=", "zoomIn"],
  ["-", "zoomOut"],
  ["0", "fit"],
]);

const SHIFTED: ReadonlyMap<string, Command> = new Map([
  ["ArrowLeft", "panLeft"],
  ["ArrowRight", "panRight"],
  ["ArrowUp", "panUp"],
  ["ArrowDown", "panDown"],
  ["+", "zoomIn"],
]);

export function commandOf({ key, shiftKey, ctrlKey, metaKey, altKey }: Pressed): Command | null {
  if (ctrlKey || metaKey || altKey) return null;
  return (shiftKey ? SHIFTED : PLAIN).get(key) ?? null;
}

/** Whether what has the focus needs the key itself: a text what is written, a button the space bar, a slider arrows. */
export function isForTarget(command: Command, target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest("textarea, select, dialog")) return true;
  const input = target.closest("input");
  if (input !== null && input.type !== "checkbox" && input.type !== "range") return true;
  if (command === "toggle") return target.closest("button, a, summary, input[type=checkbox]") !== null;
  const moves: readonly Command[] = ["previous", "next", "first", "last"];
  return input?.type === "range" && moves.includes(command);
}
