import { useEffect, useRef } from "react";
import { type Action, actionOf, type Focus } from "./shortcuts";

/** Do what keys say, unless whatever has the focus needs them itself. */
export function useShortcuts(carryOut: (action: Action) => void): void {
  const latest = useRef(carryOut);
  useEffect(() => {
    latest.current = carryOut;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.repeat) return;
      const isModified = event.ctrlKey || event.metaKey || event.altKey;
      const action = actionOf({ key: event.key, isModified, focus: focusOf(event.target) });
      if (action === null) return;
      event.preventDefault();
      latest.current(action);
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}

/** Inputs that nothing is typed into: letters and Enter mean there what they mean on the page. */
const CHOSEN_FROM: ReadonlySet<string> = new Set(["radio", "checkbox", "range"]);

function focusOf(target: EventTarget | null): Focus {
  if (!(target instanceof HTMLElement)) return "page";
  if (target.isContentEditable || target.closest("textarea, select, dialog")) return "typing";
  const input = target.closest("input");
  if (input) return CHOSEN_FROM.has(input.type) ? "page" : "typing";
  return target.closest("button, a[href], summary") ? "acting" : "page";
}
