import { type RefObject, useEffect, useRef } from "react";
import { type Command, commandOf, isForTarget } from "./keys";

/** Where keys are listened to: anywhere on the page, or while the focus is within the pane. */
export type Keys = "page" | "pane";

/** Do what keys say, unless whatever has the focus needs them itself. */
export function useCommands(
  pane: RefObject<HTMLElement | null>,
  keys: Keys,
  carryOut: (command: Command) => void,
): void {
  const latest = useRef(carryOut);
  useEffect(() => {
    latest.current = carryOut;
  });
  useEffect(() => {
    const target = keys === "page" ? document : pane.current;
    if (target === null) return;
    const listen = (event: Event) => {
      if (!(event instanceof KeyboardEvent) || event.defaultPrevented) return;
      const command = commandOf(event);
      if (command === null || isForTarget(command, event.target)) return;
      event.preventDefault();
      // Around the pane the same key may mean something else.
      event.stopPropagation();
      latest.current(command);
    };
    target.addEventListener("keydown", listen);
    return () => target.removeEventListener("keydown", listen);
  }, [keys, pane]);
}
