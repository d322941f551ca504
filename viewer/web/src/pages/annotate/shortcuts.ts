/**
 * Which key means what while annotating. What does not live here: listening to keys (`use-shortcuts`), and the
 * player's own.
 */
import {
  FALSE_POSITIVE_KEYS,
  FALSE_POSITIVE_TYPES,
  falsePositive,
  type Label,
  SMOKE_KEYS,
  SMOKE_TYPES,
  smoke,
  UNSURE_KEY,
} from "../../review/labels";

export type Action = { kind: "label"; label: Label } | { kind: "unsure" | "save" | "skip" | "back" | "help" };

/**
 * Where the key was pressed. `typing`: in a field for text, or in a question that holds the page; `acting`: on a button
 * or link, which Enter presses.
 */
export type Focus = "page" | "typing" | "acting";

export type Pressed = { key: string; isModified: boolean; focus: Focus };

export const SKIP_KEY = "s";
/** Beside that of skipping on most keyboards. Arrows are the player's. */
export const BACK_KEY = "z";

const LABELS: ReadonlyMap<string, Label> = new Map([
  ...SMOKE_TYPES.map((type) => [SMOKE_KEYS[type], smoke(type)] as const),
  ...FALSE_POSITIVE_TYPES.map((type) => [FALSE_POSITIVE_KEYS[type], falsePositive(type)] as const),
]);

const OTHERS: ReadonlyMap<string, "unsure" | "skip" | "back" | "help"> = new Map([
  [UNSURE_KEY, "unsure"],
  [SKIP_KEY, "skip"],
  [BACK_KEY, "back"],
  ["?", "help"],
]);

export function actionOf({ key, isModified, focus }: Pressed): Action | null {
  // With Control, Alt or Meta a key belongs to the browser or to a screen reader.
  if (isModified || focus === "typing") return null;
  if (key === "Enter") return focus === "page" ? { kind: "save" } : null;
  const letter = key.toLowerCase();
  const label = LABELS.get(letter);
  if (label) return { kind: "label", label };
  const kind = OTHERS.get(letter);
  return kind ? { kind } : null;
}
