import { useEffect, useRef } from "react";
import type { Change } from "../../address/address";
import type { Player } from "./player/use-player";
import type { Frame, Shown } from "./selection";

// While a key is held or a film plays, the address would change at every frame, and with it all that reads it.
const RESTED_MS = 250;

/** Keep the frame that is looked at in the address once it rests, and go where the address is changed to. */
export function useFrameInAddress(
  frames: readonly Frame[],
  { state, dispatch }: Player,
  initial: number,
  [shown, change]: readonly [Shown, Change<Shown>],
): void {
  const known = useRef(shown.frame);
  const at = frames[state.place]?.detection_id ?? null;
  const isUntouched = shown.frame === null && state.place === initial;

  useEffect(() => {
    if (shown.frame === known.current) return;
    known.current = shown.frame;
    const place =
      shown.frame === null ? initial : frames.findIndex((each) => each.detection_id === shown.frame);
    if (place >= 0) dispatch({ kind: "go", to: place });
  }, [shown.frame, frames, initial, dispatch]);

  useEffect(() => {
    if (state.isPlaying || isUntouched || at === known.current) return;
    const timer = setTimeout(() => {
      known.current = at;
      change({ frame: at });
    }, RESTED_MS);
    return () => clearTimeout(timer);
  }, [at, state.isPlaying, isUntouched, change]);
}
