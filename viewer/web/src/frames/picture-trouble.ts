import { useEffect, useState } from "react";
import type { Problem } from "../api/problem";
import { CANNOT_SHOW, explainPicture, pauseAfter } from "./load-picture";

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
  const noteError = async () => {
    const trouble = await explainPicture(address);
    setFailure(
      trouble === null && attempt === 1
        ? { address, attempt: 2, trouble: null }
        : { address, attempt, trouble: trouble ?? CANNOT_SHOW },
    );
  };
  return { trouble: current?.trouble ?? null, attempt, noteError: () => void noteError() };
}
