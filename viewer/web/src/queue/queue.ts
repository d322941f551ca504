/**
 * A queue of sequences to look at one after the other: where it comes from, written in the address, and who is beside
 * whom in it. What does not live here: asking the server for it (`queue-parts`).
 */

/** `triage`: rows of the split; `groups`: each group's first member; `group`: the members of one. */
export const SOURCES = ["triage", "groups", "group"] as const;

export type Source = (typeof SOURCES)[number];

/** `search`: the parameters that the list it was opened from had in its address. */
export type Queue = { source: Source; search: string };

/** A sequence of the queue, and where it was when somebody last looked. */
export type Step = { sequenceId: number; at: number };

/** Some of the queue in its order, from `offset` on, of `total`; null where a place has no sequence to show. */
export type Part = { offset: number; total: number; sequenceIds: readonly (number | null)[] };

/** Where a sequence is in its queue; `at` is null where it is not in it (any more). */
export type Place = { at: number | null; total: number; previous: Step | null; next: Step | null };

/** What a list's page adds to its address about what is open beside it: no part of what is in the list. */
const OF_THE_PANE = ["sequence", "frame", "tube", "tubes_of", "hide"];

/** How one looks at sequences, whichever it is: it stays along the queue. */
const OF_THE_LOOK = ["hide", "tubes_of"];

/** Where to annotate a sequence as one of a list: `search` is the list's address, `at` its place in it from 0. */
export function annotateAddress(
  sequenceId: number,
  search: string | URLSearchParams = "",
  { source = "triage", at }: { source?: Source; at?: number } = {},
): string {
  const parameters = new URLSearchParams(search);
  for (const name of OF_THE_PANE) parameters.delete(name);
  const queue = { source, search: parameters.toString() };
  return stepAddress({ sequenceId, at: at ?? 0 }, queue, { from: search });
}

/** How one goes along a queue, apart from where one is. `from`: the parameters of the address that one comes from. */
type Manner = { includesLabelled?: boolean; from?: string | URLSearchParams };

export function stepAddress(
  { sequenceId, at }: Step,
  queue: Queue | null,
  { includesLabelled = false, from = "" }: Manner = {},
): string {
  const written = new URLSearchParams();
  // As one parameter: the list's own would meet those of the player.
  if (queue) written.set("queue", `${queue.source}?${queue.search}`);
  if (queue && at > 0) written.set("at", String(at));
  if (includesLabelled) written.set("labelled", "1");
  const before = new URLSearchParams(from);
  for (const name of OF_THE_LOOK) for (const value of before.getAll(name)) written.append(name, value);
  const search = written.toString();
  return `/annotate/${sequenceId}${search && "?"}${search}`;
}

/** The list that a queue came from, as it was. */
export function sourceAddress({ source, search }: Queue): string {
  if (source === "group") return `/groups/${new URLSearchParams(search).get("group") ?? ""}`;
  return `/${source}${search && "?"}${search}`;
}

export function readQueue(written: string): Queue | null {
  const [name, ...search] = written.split("?");
  const source = SOURCES.find((each) => each === name);
  return source ? { source, search: search.join("?") } : null;
}

export function placeOf(part: Part, sequenceId: number, at: number): Place {
  const step = (place: number, by: 1 | -1): Step | null => {
    const id = part.sequenceIds[place - part.offset];
    if (id === null) return step(place + by, by);
    return id === undefined ? null : { sequenceId: id, at: place };
  };
  const index = part.sequenceIds.indexOf(sequenceId);
  if (index >= 0) {
    const found = part.offset + index;
    return { at: found, total: part.total, previous: step(found - 1, -1), next: step(found + 1, 1) };
  }
  // What is not in it any more has made room: what came after it is where it was.
  const end = Math.min(at, part.total);
  return { at: null, total: part.total, previous: step(end - 1, -1), next: step(end, 1) };
}

/**
 * The pages, counted from 1, of `size` that have a place and what is beside it: two, so that what moved by some places
 * is still found.
 */
export function pagesAround(at: number, size: number): readonly number[] {
  const page = Math.floor(at / size) + 1;
  if (at % size >= size / 2) return [page, page + 1];
  return page > 1 ? [page - 1, page] : [page];
}
