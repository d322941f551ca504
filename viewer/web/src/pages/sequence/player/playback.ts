/** What a player does next: which frame it is at and whether it goes on by itself. */

export const SPEEDS = [0.5, 1, 2, 4, 8] as const;

export type Speed = (typeof SPEEDS)[number];

export type Playback = { place: number; isPlaying: boolean };

export type Move =
  /** The time of a frame is over. */
  | { kind: "tick"; loops: boolean }
  | { kind: "toggle" }
  | { kind: "pause" }
  | { kind: "step"; by: number }
  | { kind: "go"; to: number };

/** Whoever steps or goes somewhere wants to look: the player stops. `count` is how many frames there are. */
export function move(state: Playback, step: Move, count: number): Playback {
  const last = Math.max(count - 1, 0);
  const at = (place: number): number => Math.min(Math.max(place, 0), last);
  switch (step.kind) {
    case "tick":
      if (!state.isPlaying) return state;
      if (state.place < last) return { ...state, place: state.place + 1 };
      return step.loops && last > 0 ? { ...state, place: 0 } : { ...state, isPlaying: false };
    case "toggle":
      if (state.isPlaying || last === 0) return { ...state, isPlaying: false };
      return { place: state.place === last ? 0 : state.place, isPlaying: true };
    case "pause":
      return { ...state, isPlaying: false };
    case "step":
      return { place: at(state.place + step.by), isPlaying: false };
    case "go":
      return { place: at(step.to), isPlaying: false };
  }
}

/** The places that are shown next, nearest first, to be fetched ahead. */
export function placesAhead(place: number, count: number, many: number, loops: boolean): readonly number[] {
  const ahead = Array.from({ length: Math.min(many, count - 1) }, (_, step) => place + 1 + step);
  return loops ? ahead.map((each) => each % count) : ahead.filter((each) => each < count);
}
