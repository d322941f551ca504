import { useEffect, useRef, useState } from "react";
import { asProblem, type Problem } from "../api/problem";
import { loadPicture, pauseAfter } from "./load-picture";

export type Settled<T> = { what: T; trouble: Problem | null };

/**
 * The picture that was wanted last and is there, or is known not to be had: until the next one is, it goes on being
 * shown, so that nothing flickers and no lines are drawn over another frame's picture. `wanted` must be memoized.
 */
export function usePicture<T extends { address: string }>(wanted: T | null): Settled<T> | null {
  const [settled, setSettled] = useState<Settled<T> | null>(null);
  useEffect(() => {
    if (wanted === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isWanted = true;
    const attempt = async (count: number) => {
      const trouble = await loadPicture(wanted.address).then(() => null, asProblem);
      if (!isWanted) return;
      setSettled({ what: wanted, trouble });
      if (trouble?.isPassing) timer = setTimeout(() => void attempt(count + 1), pauseAfter(count));
    };
    void attempt(1);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [wanted]);
  return settled;
}

/** Fetch pictures that are about to be wanted, and keep them at hand while they are. `addresses` must be memoized. */
export function usePreloaded(addresses: readonly string[]): void {
  const held = useRef(new Map<string, HTMLImageElement>());
  useEffect(() => {
    for (const [address, image] of held.current) {
      if (addresses.includes(address)) continue;
      // What is not wanted any more need not come.
      if (!image.complete) image.src = "";
      held.current.delete(address);
    }
    for (const address of addresses) {
      if (held.current.has(address)) continue;
      const image = new Image();
      image.fetchPriority = "low";
      image.src = address;
      held.current.set(address, image);
    }
  }, [addresses]);
}
