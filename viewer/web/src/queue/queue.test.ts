import { describe, expect, it } from "vitest";
import {
  annotateAddress,
  type Part,
  pagesAround,
  placeOf,
  readQueue,
  sourceAddress,
  stepAddress,
} from "./queue";

describe("the address of a queue", () => {
  it.each([
    ["triage", "organization=a+%26+b&bucket=review&model=v2"],
    ["groups", "label_state=all&sort=created_at"],
    ["group", "group=12"],
    ["triage", ""],
  ] as const)("gives back the list that it was opened from: %s, %s", (source, search) => {
    const address = new URL(annotateAddress(7, search, { source, at: 41 }), "http://here");
    expect(address.pathname).toBe("/annotate/7");
    expect(address.searchParams.get("at")).toBe("41");
    expect(readQueue(address.searchParams.get("queue") ?? "")).toEqual({ source, search });
  });

  it("does not take what is open beside the list for a filter of it", () => {
    const address = new URL(annotateAddress(7, "bucket=review&sequence=7&frame=3&tube=0"), "http://here");
    expect(address.searchParams.get("queue")).toBe("triage?bucket=review");
  });

  it("keeps how one looks at sequences, and not at what of this one", () => {
    const from = "hide=boxes&hide=region&tubes_of=v2&frame=3&tube=0&sequence=7";
    const queue = { source: "triage", search: "" } as const;
    const address = stepAddress({ sequenceId: 7, at: 0 }, queue, { from });
    expect(address).toBe("/annotate/7?queue=triage%3F&hide=boxes&hide=region&tubes_of=v2");
    expect(annotateAddress(7, from)).toBe(address);
  });

  it.each(["", "elsewhere?x=1", "triages"])("takes %s for no queue", (written) => {
    expect(readQueue(written)).toBeNull();
  });

  it.each([
    ["triage", "bucket=review", "/triage?bucket=review"],
    ["groups", "", "/groups"],
    ["group", "group=12", "/groups/12"],
  ] as const)("leads back to %s", (source, search, address) => {
    expect(sourceAddress({ source, search })).toBe(address);
  });

  it("is that of one sequence without a queue", () => {
    expect(stepAddress({ sequenceId: 7, at: 3 }, null)).toBe("/annotate/7");
  });
});

describe("the place in a queue", () => {
  const part: Part = { offset: 10, total: 15, sequenceIds: [50, 51, 52, 53, 54] };

  it.each([
    // In the middle.
    [52, 12, { at: 12, previous: { sequenceId: 51, at: 11 }, next: { sequenceId: 53, at: 13 } }],
    // It moved since the address was written: it is where it is found.
    [52, 10, { at: 12, previous: { sequenceId: 51, at: 11 }, next: { sequenceId: 53, at: 13 } }],
    // The last one.
    [54, 14, { at: 14, previous: { sequenceId: 53, at: 13 }, next: null }],
    // It left the queue: what came after it has moved up.
    [99, 12, { at: null, previous: { sequenceId: 51, at: 11 }, next: { sequenceId: 52, at: 12 } }],
    // The last one left.
    [99, 15, { at: null, previous: { sequenceId: 54, at: 14 }, next: null }],
    // So many left that its place is beyond the end.
    [99, 40, { at: null, previous: { sequenceId: 54, at: 14 }, next: null }],
  ])("of %i, last seen at %i", (sequenceId, at, expected) => {
    expect(placeOf(part, sequenceId, at)).toEqual({ total: 15, ...expected });
  });

  it("passes places that have no sequence to show", () => {
    const sparse: Part = { offset: 0, total: 5, sequenceIds: [null, 50, null, null, 51] };
    expect(placeOf(sparse, 50, 1)).toMatchObject({ previous: null, next: { sequenceId: 51, at: 4 } });
    expect(placeOf(sparse, 51, 4)).toMatchObject({ previous: { sequenceId: 50, at: 1 }, next: null });
  });

  it("is nowhere in an empty queue", () => {
    expect(placeOf({ offset: 0, total: 0, sequenceIds: [] }, 7, 0)).toEqual({
      at: null,
      total: 0,
      previous: null,
      next: null,
    });
  });

  it("keeps the order of the queue from its first to its last", () => {
    const sequenceIds = [9, 3, 7, 1];
    const seen = [9];
    for (let place = placeOf({ offset: 0, total: 4, sequenceIds }, 9, 0); place.next; ) {
      seen.push(place.next.sequenceId);
      place = placeOf({ offset: 0, total: 4, sequenceIds }, place.next.sequenceId, place.next.at);
    }
    expect(seen).toEqual(sequenceIds);
  });

  it("goes on in order when each one leaves the queue as soon as it is done", () => {
    let left = [9, 3, 7, 1];
    const seen: number[] = [];
    let step: { sequenceId: number; at: number } | null = { sequenceId: 9, at: 0 };
    while (step) {
      seen.push(step.sequenceId);
      const { sequenceId, at }: { sequenceId: number; at: number } = step;
      left = left.filter((id) => id !== sequenceId);
      step = placeOf({ offset: 0, total: left.length, sequenceIds: left }, sequenceId, at).next;
    }
    expect(seen).toEqual([9, 3, 7, 1]);
  });
});

describe("the pages around a place", () => {
  it.each([
    [0, [1]], // nothing is before it
    [24, [1]],
    [25, [1, 2]],
    [49, [1, 2]],
    [50, [1, 2]], // what is before it is on the other page
    [74, [1, 2]],
    [75, [2, 3]],
  ])("of %i are %j", (at, pages) => {
    expect(pagesAround(at, 50)).toEqual(pages);
  });
});
