import { useCallback, useEffect, useRef, useState } from "react";

export const REST_MS = 150;

/** A threshold that moves at once, and settles where it rests: what is asked of the server waits for that. */
export function useThreshold(
  settled: number,
  settle: (threshold: number) => void,
): [number, (threshold: number) => void] {
  const [live, setLive] = useState(settled);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  // Another address, by the back button for one; but not while somebody is moving it.
  useEffect(() => {
    if (timer.current === null) setLive(settled);
  }, [settled]);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
    },
    [],
  );
  const move = useCallback(
    (threshold: number) => {
      setLive(threshold);
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = setTimeout(() => {
        timer.current = null;
        settle(threshold);
      }, REST_MS);
    },
    [settle],
  );
  return [live, move];
}
