/**
 * The part of a queue around a place, as the server has it now. What does not live here: who is beside whom in it
 * (`queue`).
 */
import { queryOptions } from "@tanstack/react-query";
import { readAddress } from "../address/address";
import { groupsQuery, readGroups } from "../address/groups";
import { rowsQuery, triageFields } from "../address/triage";
import { api, ask } from "../api/client";
import { keys } from "../api/keys";
import { type Part, pagesAround, type Queue, type Step } from "./queue";

/** On either side, at least half of it: what moved by fewer places is still found. */
const PAGE = 50;

/** The part of the queue that the step is in. Kept as an answer of the review: decisions change queues. */
export function askPart(queue: Queue, step: Step) {
  return queryOptions({
    queryKey: keys.reviewed("queue", queue, step),
    queryFn: ({ signal }) => readPart(queue, step, signal),
  });
}

async function readPart(queue: Queue, step: Step, signal: AbortSignal): Promise<Part> {
  switch (queue.source) {
    case "triage":
      return readRows(queue.search, step, signal);
    case "groups":
      return readPages(step.at, (page) => readGroupsPage(queue.search, page, signal));
    case "group":
      return readPages(step.at, (page) => readMembersPage(queue.search, page, signal));
  }
}

async function readRows(search: string, { sequenceId, at }: Step, signal: AbortSignal): Promise<Part> {
  const wanted = rowsQuery(readAddress(triageFields, new URLSearchParams(search)));
  const read = async (around: number) => {
    const offset = Math.max(0, around - PAGE);
    const query = { ...wanted, offset, limit: 2 * PAGE, locate: sequenceId };
    const page = await ask(api.GET("/api/v1/triage/rows", { params: { query }, signal }));
    const sequenceIds = page.items.map((row) => row.sequence_id);
    return { located: page.located_at, part: { offset, total: page.total, sequenceIds } };
  };
  const { located, part } = await read(at);
  const isAside = located !== null && !part.sequenceIds.includes(sequenceId);
  return isAside ? (await read(located)).part : part;
}

type Page = { total: number; sequenceIds: Part["sequenceIds"] };

async function readPages(at: number, read: (page: number) => Promise<Page>): Promise<Part> {
  const pages = pagesAround(at, PAGE);
  const found = await Promise.all(pages.map(read));
  return {
    offset: ((pages[0] ?? 1) - 1) * PAGE,
    total: found[0]?.total ?? 0,
    sequenceIds: found.flatMap((page) => page.sequenceIds),
  };
}

async function readGroupsPage(search: string, page: number, signal: AbortSignal): Promise<Page> {
  const query = groupsQuery(readGroups(search), page, PAGE);
  const { items, total } = await ask(api.GET("/api/v1/sequence_groups/", { params: { query }, signal }));
  // A group whose first member has no thumbnail keeps its place in the order, and is passed.
  return { total, sequenceIds: items.map((group) => group.thumbnails[0]?.sequence_id ?? null) };
}

async function readMembersPage(search: string, page: number, signal: AbortSignal): Promise<Page> {
  const groupId = Number(new URLSearchParams(search).get("group"));
  const params = {
    path: { group_id: groupId },
    query: { members_page: page, members_size: PAGE },
  };
  const group = await ask(api.GET("/api/v1/sequence_groups/{group_id}", { params, signal }));
  return { total: group.members_total, sequenceIds: group.members.map((member) => member.sequence_id) };
}
