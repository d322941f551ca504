import { expect, it } from "vitest";
import { titleOf } from "./title";

it.each([
  ["/triage", "Split · Triage"],
  ["/groups", "Groups · Triage"],
  ["/groups/4", "Group 4 · Triage"],
  ["/annotate/7", "Annotate 7 · Triage"],
  // Nowhere yet, and nowhere at all.
  ["/", "Triage"],
  ["/elsewhere", "Triage"],
])("a window on %s is called %s", (path, title) => expect(titleOf(path)).toBe(title));
