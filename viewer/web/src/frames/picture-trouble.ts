import { useEffect, useState } from "react";
import type { Problem } from "../api/problem";
import { explainPicture, pauseAfter } from "./load-picture";

type Failure = { address: string; attempt: number; trouble: Problem | null };

/**
 * Why an <img> has no picture. Tries again by itself where the trouble passes; `attempt` belongs into the image's key.
 */
export function usePictureTrouble(address: string) {
  const [failure, setFailure] = useState<Failure | null>(null);
  const current = failure?.address === address ? failure : null;
  const attempt = current?.attempt ?? 1;
  const goesOn = current?.trouble?.isPassing === true;
  useEffect(() => {
    if (!goesOn) return;
    const next = { address, attempt: attempt + 1, trouble: null };
    const timer = setTimeout(() => setFailure(next), pauseAfter(attempt));
    return () => clearTimeout(timer);
  }, [goesOn, address, attempt]);
  return {
    trouble: current?.trouble ?? null,
    attempt,
    noteError: () =>
      void explainPicture(address).then((trouble) => setFailure({ address, attempt, trouble })),
  };
}
