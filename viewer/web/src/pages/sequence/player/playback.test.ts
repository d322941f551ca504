import { describe, expect, it } from "vitest";
import { type Move, move, type Playback, placesAhead } from "./playback";

const at = (place: number): Playback => ({ place, isPlaying: false });
const playing = (place: number): Playback => ({ place, isPlaying: true });
const TICK: Move = { kind: "tick", loops: false };
const LOOPING: Move = { kind: "tick", loops: true };
const TOGGLE: Move = { kind: "toggle" };

describe("a player of five frames", () => {
  it.each<[string, Playback, Move, Playback]>([
    ["shows the next frame when the time is over", playing(1), TICK, playing(2)],
    ["stays where it is while it does not play", at(1), TICK, at(1)],
    ["stops at the end", playing(4), TICK, at(4)],
    ["begins anew at the end where it loops", playing(4), LOOPING, playing(0)],
    ["plays", at(1), TOGGLE, playing(1)],
    ["pauses", playing(1), TOGGLE, at(1)],
    ["plays from the beginning when it is at the end", at(4), TOGGLE, playing(0)],
    ["stops where somebody steps", playing(1), { kind: "step", by: 1 }, at(2)],
    ["steps back", at(1), { kind: "step", by: -1 }, at(0)],
    ["steps no further than the first", at(0), { kind: "step", by: -1 }, at(0)],
    ["steps no further than the last", at(4), { kind: "step", by: 3 }, at(4)],
    ["goes where it is sent", playing(1), { kind: "go", to: 3 }, at(3)],
    ["goes to the last for whatever is beyond", at(0), { kind: "go", to: 99 }, at(4)],
    ["pauses where it is told to", playing(2), { kind: "pause" }, at(2)],
  ])("%s", (_, before, step, after) => {
    expect(move(before, step, 5)).toEqual(after);
  });
});

describe("a player with nothing to play", () => {
  it.each([0, 1])("does not begin with %i frames, and stops if it is playing", (count) => {
    expect(move(at(0), TOGGLE, count)).toEqual(at(0));
    expect(move(playing(0), LOOPING, count)).toEqual(at(0));
    expect(move(at(0), { kind: "step", by: 1 }, count)).toEqual(at(0));
  });

  it("stops at the last frame when there are fewer than there were", () => {
    expect(move(playing(9), TICK, 3)).toEqual(at(9));
    expect(move(playing(9), { kind: "step", by: 0 }, 3)).toEqual(at(2));
  });
});

describe("the frames ahead", () => {
  it.each<[number, number, boolean, number[]]>([
    [0, 10, false, [1, 2, 3]],
    [8, 10, false, [9]], // none beyond the end
    [8, 10, true, [9, 0, 1]],
    [0, 2, true, [1]], // never the one that is shown
    [0, 1, true, []],
    [0, 0, true, []],
  ])("after %i of %i (looping: %s) are %j", (place, count, loops, ahead) => {
    expect(placesAhead(place, count, 3, loops)).toEqual(ahead);
  });
});
