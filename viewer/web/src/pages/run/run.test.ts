import { describe, expect, it } from "vitest";
import type { Schemas } from "../../api/client";
import { age } from "./age";
import { bytes } from "./bytes";
import { nextSteps } from "./next-steps";

type Run = Schemas["RunRead"];

const NOTHING = { trouble: null, events: null, stored: null };
const EMPTY = {
  raw_sequences: NOTHING,
  frame_shards: NOTHING,
  predictions: NOTHING,
  sequence_groups: NOTHING,
  worklists: NOTHING,
} as unknown as Run;

function run(stored: Readonly<Record<string, unknown>>): Run {
  const stages = Object.entries(stored).map(([name, value]) => [name, { ...NOTHING, stored: value }]);
  return { ...EMPTY, ...Object.fromEntries(stages) } as Run;
}

const CURRENT = {
  raw_sequences: { sequences: 60, organizations: [] },
  predictions: { models: [{ name: "m", version: "1.0", coverage: { waiting: 0 } }] },
  sequence_groups: { waiting: 0 },
  worklists: { missing: 0, gone: 0, scored_since: 0, decided_since: 0 },
};

describe("what is next", () => {
  it("is nothing where everything is of now", () => expect(nextSteps(run(CURRENT))).toEqual([]));

  it.each([
    [{}, ["Nothing was pulled yet"]],
    [{ raw_sequences: CURRENT.raw_sequences }, ["Nothing was scored yet"]],
    [{ ...CURRENT, worklists: null }, ["There are no worklists yet"]],
    [{ ...CURRENT, sequence_groups: { waiting: 3 } }, ["3 sequences not looked at for groups"]],
    [
      { ...CURRENT, predictions: { models: [{ name: "m", version: "1.0", coverage: { waiting: 1 } }] } },
      ["1 sequence waits to be scored by 1.0"],
    ],
    [
      { ...CURRENT, worklists: { missing: 2, gone: 1000, scored_since: 0, decided_since: 1 } },
      ["The worklists are behind: 2 new, 1,000 gone, 1 decision"],
    ],
    // What cannot be told is no reason to do anything.
    [{ ...CURRENT, worklists: { missing: null, gone: null, scored_since: null, decided_since: null } }, []],
    [{ ...CURRENT, predictions: { models: [{ name: "m", version: null, coverage: null }] } }, []],
  ])("%# is said", (stored, said) => {
    expect(nextSteps(run(stored)).map(({ what }) => what)).toEqual(said);
  });

  it("does not tell to pull where the backlog cannot be read", () => {
    const broken = { ...EMPTY, raw_sequences: { ...NOTHING, trouble: "damaged" } } as Run;
    expect(nextSteps(broken)).toEqual([]);
  });
});

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1.0 kB"],
  [99_960, "100 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [1_234_567_890, "1.2 GB"],
])("%i bytes are %s", (n, written) => expect(bytes(n)).toBe(written));

it.each([
  ["2026-05-03T11:59:30Z", "just now"],
  ["2026-05-03T11:58:30Z", "1 minute ago"],
  ["2026-05-03T09:00:00Z", "3 hours ago"],
  ["2026-05-01T11:00:00Z", "2 days ago"],
  ["2026-05-03T12:00:05Z", "just now"], // a server whose clock is ahead
])("%s is %s", (iso, said) => expect(age(iso, new Date("2026-05-03T12:00:00Z"))).toBe(said));
