import { describe, expect, it } from "vitest";
import type { Schemas } from "../../api/client";
import { age } from "./age";
import { bytes } from "./bytes";
import { doubtsOf } from "./doubts";
import { nextSteps } from "./next-steps";

type Run = Schemas["RunRead"];

const NOTHING = { trouble: null, events: null, stored: null };
const DAGSTER = { state: "reachable", last_failed_run: null };
const EMPTY = {
  dagster: DAGSTER,
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
  predictions: { models: [{ name: "m", version: "1.0", coverage: { waiting: 0 }, trouble: null }] },
  sequence_groups: { waiting: 0 },
  worklists: { missing: 0, gone: 0, scored_since: 0, decided_since: 0, review_trouble: null },
};
const UNKNOWN_MODEL = { name: "m", version: null, coverage: null };

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
    [
      { ...CURRENT, worklists: { groups_changed_since: 2 } },
      ["The worklists are behind: 2 groups new or changed"],
    ],
    // What cannot be told is no reason to do anything, but one to doubt: below.
    [{ ...CURRENT, worklists: { missing: null, gone: null, scored_since: null, decided_since: null } }, []],
    [{ ...CURRENT, predictions: { models: [UNKNOWN_MODEL] } }, []],
  ])("%# is said", (stored, said) => {
    expect(nextSteps(run(stored)).map(({ what }) => what)).toEqual(said);
  });

  it("does not tell to pull where the backlog cannot be read", () => {
    const broken = { ...EMPTY, raw_sequences: { ...NOTHING, trouble: "damaged" } } as Run;
    expect(nextSteps(broken)).toEqual([]);
    expect(doubtsOf(broken)).toEqual(["raw sequences cannot be read"]);
  });
});

const MADE = { last: { at: "2026-05-03T12:00:00Z" }, organizations: [], checks: [], behind: [] };
const FAILED = { assets: ["worklists"], key: null, created_at: "2026-05-03T12:30:00Z" };

/** A current store with these events of the worklists, and this of Dagster. */
function remembered(events: object, dagster: object = {}): Run {
  const current = run(CURRENT);
  return {
    ...current,
    worklists: { ...current.worklists, events: { ...MADE, ...events } },
    dagster: { ...DAGSTER, ...dagster },
  } as unknown as Run;
}

describe("whether everything is of now", () => {
  it.each<[Run, string[]]>([
    [run(CURRENT), []],
    [run({}), []],
    [remembered({}), []],
    // What the store cannot tell.
    [
      run({
        ...CURRENT,
        raw_sequences: { sequences: null, organizations: [{ key: "org", trouble: "damaged" }] },
      }),
      ["raw sequences of org cannot be read"],
    ],
    [
      run({ ...CURRENT, predictions: { models: [UNKNOWN_MODEL] } }),
      ["what m has scored is not wholly known"],
    ],
    [run({ ...CURRENT, sequence_groups: { waiting: null } }), ["what waits to be grouped is not known"]],
    [
      run({ ...CURRENT, worklists: { ...CURRENT.worklists, scored_since: null } }),
      ["how far the worklists are behind is not known"],
    ],
    [
      run({ ...CURRENT, worklists: { ...CURRENT.worklists, review_trouble: "locked" } }),
      ["what was decided since is not known"],
    ],
    // What Dagster remembers; a warning makes nothing wrong.
    [remembered({ checks: [{ name: "a_check", key: null, is_passed: false, severity: "warn" }] }), []],
    [
      remembered({ checks: [{ name: "a_check", key: "org", is_passed: false, severity: "error" }] }),
      ["the check a check of org failed"],
    ],
    [
      remembered({ behind: ["predictions", "sequence_groups"] }),
      ["worklists were made before the latest predictions and sequence groups"],
    ],
    [remembered({}, { last_failed_run: FAILED }), ["the last run of worklists failed"]],
    // Made again after it failed, by whichever run.
    [remembered({ last: { at: "2026-05-03T12:30:00.5Z" } }, { last_failed_run: FAILED }), []],
    // Another organization's success does not make up for it.
    [
      remembered(
        { last: { at: "2026-05-03T13:00:00Z" }, organizations: [{ key: "org", at: "2026-05-03T12:00:00Z" }] },
        { last_failed_run: { ...FAILED, key: "org" } },
      ),
      ["the last run of worklists failed"],
    ],
    [remembered({}, { state: "unreachable" }), ["Dagster cannot be asked"]],
    // Whoever runs without it misses nothing.
    [remembered({}, { state: "absent" }), []],
  ])("%# is told", (state, said) => expect(doubtsOf(state)).toEqual(said));
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
