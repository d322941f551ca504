/** Which key means what while annotating. What does not live here: listening to keys (`use-shortcuts`). */
import {
  FALSE_POSITIVE_KEYS,
  FALSE_POSITIVE_TYPES,
  falsePositive,
  type Label,
  SMOKE_KEYS,
  SMOKE_TYPES,
  smoke,
} from "./labels";

export type Action = { kind: "label"; label: Label } | { kind: "unsure" | "save" | "skip" | "back" | "help" };

/**
 * Where the key was pressed. `typing`: in a field for text, or in a question that holds the page; `choosing`: on one of
 * several choices, where arrows are the choice's own; `acting`: on a button or link, which Enter presses.
 */
export type Focus = "page" | "typing" | "choosing" | "acting";

export type Pressed = { key: string; isModified: boolean; focus: Focus };

export const UNSURE_KEY = "q";

const LABELS: ReadonlyMap<string, Label> = new Map([
  ...SMOKE_TYPES.map((type) => [SMOKE_KEYS[type], smoke(type)] as const),
  ...FALSE_POSITIVE_TYPES.map((type) => [FALSE_POSITIVE_KEYS[type], falsePositive(type)] as const),
]);

const OTHERS: ReadonlyMap<string, "unsure" | "skip" | "help"> = new Map([
  [UNSURE_KEY, "unsure"],
  ["s", "skip"],
  ["?", "help"],
]);

export function actionOf({ key, isModified, focus }: Pressed): Action | null {
  // With Control, Alt or Meta a key belongs to the browser or to a screen reader.
  if (isModified || focus === "typing") return null;
  if (key === "Enter") return focus === "page" || focus === "choosing" ? { kind: "save" } : null;
  if (key === "ArrowRight" || key === "ArrowLeft") {
    if (focus === "choosing") return null;
    return { kind: key === "ArrowRight" ? "skip" : "back" };
  }
  const letter = key.toLowerCase();
  const label = LABELS.get(letter);
  if (label) return { kind: "label", label };
  const kind = OTHERS.get(letter);
  return kind ? { kind } : null;
}
