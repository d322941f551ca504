import { type RefObject, useEffect, useRef } from "react";

/**
 * What is on the screen when an answer comes, which may be later: null once the component has gone. Whoever has left is
 * told what came of their request where they are.
 */
export function useShown<T>(what: T): RefObject<T | null> {
  const shown = useRef<T | null>(null);
  useEffect(() => {
    shown.current = what;
    return () => {
      shown.current = null;
    };
  }, [what]);
  return shown;
}
