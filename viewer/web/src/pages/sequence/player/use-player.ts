import { useCallback, useEffect, useMemo, useReducer, useRef } from "react";
import { frameAddress, type Width, widthFor } from "../../../frames/frame-address";
import { usePicture, usePreloaded } from "../../../frames/use-picture";
import type { Frame } from "../selection";
import type { Command } from "./keys";
import { type Move, move, type Playback, placesAhead, SPEEDS } from "./playback";
import type { Picture } from "./stage";
import { usePreference } from "./use-preference";
import { useWidthOnScreen } from "./use-size";
import { useView } from "./use-view";

export type Player = ReturnType<typeof usePlayer>;

// While it plays, as many frames as 8 a second show in the time that a slow network takes; else what a step leads to.
const AHEAD_PLAYING = 6;
const AHEAD_RESTING = 2;
const WIDEST_PLAYED: Width = 1280;
const PAN_STEP = 0.1;
const ZOOM_STEP = 1.5;

/** A player of these frames, of which there is at least one: what it is at, what it shows, and how to change that. */
export function usePlayer(sequenceId: number, frames: readonly Frame[], initial: number) {
  const count = frames.length;
  const [speed, setSpeed] = usePreference("player-speed", SPEEDS, 2);
  const [loops, setLoops] = usePreference("player-loops", [true, false], true);
  const [state, dispatch] = useReducer(
    (now: Playback, step: Move) => move(now, step, count),
    initial,
    (place): Playback => ({ place, isPlaying: false }),
  );
  const { place, isPlaying } = state;
  const frame = frames[place];
  const stage = useRef<HTMLDivElement>(null);
  const view = useView(stage);
  const pixels = useWidthOnScreen(stage) * view.view.scale;

  const pictureOf = useCallback(
    (at: number): Picture | null => {
      const each = frames[at];
      if (each === undefined || !each.is_stored || pixels === 0) return null;
      const width = widthFor(isPlaying ? Math.min(pixels, WIDEST_PLAYED) : pixels, each.width);
      return { frame: each, address: frameAddress({ detectionId: each.detection_id, sequenceId, width }) };
    },
    [frames, pixels, isPlaying, sequenceId],
  );
  const address = pictureOf(place)?.address ?? null;
  const wanted = useMemo(
    () => (frame === undefined || address === null ? null : { frame, address }),
    [frame, address],
  );
  const settled = usePicture(wanted);
  const ahead = placesAhead(place, count, isPlaying ? AHEAD_PLAYING : AHEAD_RESTING, loops)
    .map((at) => pictureOf(at)?.address)
    .filter((each) => each !== undefined)
    .join(" ");
  usePreloaded(useMemo(() => ahead.split(" ").filter(Boolean), [ahead]));

  // Each frame is shown for its time, however long it takes to come: none is skipped.
  const isShown = frame?.is_stored === false || settled?.what.frame === frame;
  useTicks(isPlaying && isShown ? 1000 / speed : null, place, () => dispatch({ kind: "tick", loops }));

  const carryOut = (command: Command) => {
    const commands: Readonly<Record<Command, () => void>> = {
      toggle: () => dispatch({ kind: "toggle" }),
      previous: () => dispatch({ kind: "step", by: -1 }),
      next: () => dispatch({ kind: "step", by: 1 }),
      first: () => dispatch({ kind: "go", to: 0 }),
      last: () => dispatch({ kind: "go", to: count - 1 }),
      zoomIn: () => view.zoom(ZOOM_STEP),
      zoomOut: () => view.zoom(1 / ZOOM_STEP),
      fit: view.fit,
      panLeft: () => view.pan(PAN_STEP, 0),
      panRight: () => view.pan(-PAN_STEP, 0),
      panUp: () => view.pan(0, PAN_STEP),
      panDown: () => view.pan(0, -PAN_STEP),
    };
    commands[command]();
  };
  return { ...view, state, dispatch, frame, stage, settled, speed, setSpeed, loops, setLoops, carryOut };
}

/** Call `tick` when so many milliseconds are over, anew for each place; never for null. */
function useTicks(milliseconds: number | null, place: number, tick: () => void): void {
  const latest = useRef(tick);
  useEffect(() => {
    latest.current = tick;
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the time begins anew with each place
  useEffect(() => {
    if (milliseconds === null) return;
    const timer = setTimeout(() => latest.current(), milliseconds);
    return () => clearTimeout(timer);
  }, [milliseconds, place]);
}
