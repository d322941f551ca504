/**
 * What the pages of groups and annotations ask the server, and how the answers are kept. What does not live here: what
 * people change (`changes`).
 */
import { keepPreviousData, type QueryClient, queryOptions } from "@tanstack/react-query";
import type { GroupsQuery } from "../address/groups";
import { api, ask, askWithTag, type Schemas } from "../api/client";
import { keys } from "../api/keys";
import { Problem } from "../api/problem";

export type Group = Schemas["GroupReadWithMembers"];
export type Member = Schemas["MemberRead"];

/** A group with a page of its members, and the tag to change it by. */
export type GroupAnswer = { group: Group; tag: string | null };

/** As often as the badge in the navigation: the two are to say the same. */
const REFRESH_MS = 30_000;

const MOST_AT_ONCE = 100;

export function askGroups(query: GroupsQuery) {
  return queryOptions({
    queryKey: keys.reviewed("groups", "list", query),
    queryFn: async ({ signal }) =>
      (await ask(
        api.GET("/api/v1/sequence_groups/", { params: { query }, signal }),
      )) as Schemas["GroupPageRead"],
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
}

/** So many pages of the largest size are read of a list that is wanted as a whole. */
const MOST_PAGES = 10;

/** A list as a whole, or its beginning where it has more than some pages: `total` tells. */
export function askAllGroups(query: Omit<GroupsQuery, "page" | "size">) {
  return queryOptions({
    queryKey: keys.reviewed("groups", "all", query),
    queryFn: async ({ signal }) => {
      const items: Schemas["GroupListItemRead"][] = [];
      for (let page = 1; ; page++) {
        const params = { query: { ...query, page, size: MOST_AT_ONCE } };
        const found = (await ask(
          api.GET("/api/v1/sequence_groups/", { params, signal }),
        )) as Schemas["GroupPageRead"];
        items.push(...found.items);
        if (page >= MOST_PAGES || page * MOST_AT_ONCE >= found.total) return { items, total: found.total };
      }
    },
    refetchInterval: REFRESH_MS,
  });
}

export function askFacets() {
  return queryOptions({
    queryKey: keys.reviewed("groups", "facets"),
    queryFn: ({ signal }) => ask(api.GET("/api/v1/sequence_groups/facets", { signal })),
  });
}

export function askGroup(groupId: number, page: number, size: number) {
  const query = { members_page: page, members_size: size };
  return queryOptions({
    queryKey: keys.reviewed("groups", groupId, "members", query),
    queryFn: async ({ signal }): Promise<GroupAnswer> => {
      const params = { path: { group_id: groupId }, query };
      const { data, tag } = await askWithTag(
        api.GET("/api/v1/sequence_groups/{group_id}", { params, signal }),
      );
      return { group: data as Group, tag };
    },
    placeholderData: (before) => (before?.group.id === groupId ? before : undefined),
    refetchInterval: REFRESH_MS,
  });
}

export function askExcluded(groupId: number, page: number, size: number) {
  const params = { path: { group_id: groupId }, query: { page, size } };
  return queryOptions({
    queryKey: keys.reviewed("groups", groupId, "excluded", { page, size }),
    queryFn: async ({ signal }) => {
      const found = await ask(api.GET("/api/v1/sequence_groups/{group_id}/excluded", { params, signal }));
      return { ...found, items: found.items as Member[] };
    },
    placeholderData: keepPreviousData,
  });
}

export function askDecisions(groupId: number, page: number, size: number) {
  const params = { path: { group_id: groupId }, query: { page, size } };
  return queryOptions({
    queryKey: keys.reviewed("groups", groupId, "decisions", { page, size }),
    queryFn: ({ signal }) => ask(api.GET("/api/v1/sequence_groups/{group_id}/decisions", { params, signal })),
    placeholderData: keepPreviousData,
  });
}

/** A sequence's group and annotation, as they are now. */
export function askStanding(sequenceId: number) {
  return queryOptions({
    queryKey: keys.reviewed("standing", sequenceId),
    queryFn: async ({ signal }) =>
      (await ask(
        api.GET("/api/v1/sequences/{sequence_id}/standing", {
          params: { path: { sequence_id: sequenceId } },
          signal,
        }),
      )) as Schemas["StandingRead"],
  });
}

/** So many times a group is read anew that others change meanwhile. */
const MOST_READINGS = 5;

/**
 * The numbers of all members, with how many are read so far of how many: large groups take several questions, between
 * which nothing may change, or one would be missed. Throws `Problem`.
 */
export async function readMemberIds(
  client: QueryClient,
  groupId: number,
  onProgress: (read: number, total: number) => void,
): Promise<number[]> {
  for (let reading = 0; reading < MOST_READINGS; reading++) {
    const ids = await readMembersOnce(client, groupId, onProgress);
    if (ids !== null) return ids;
  }
  throw new Problem(
    412,
    "Others change this group again and again: nothing was labelled. Try again in a moment.",
  );
}

/** All members, or null where the group was another one before the last of them was read. */
async function readMembersOnce(
  client: QueryClient,
  groupId: number,
  onProgress: (read: number, total: number) => void,
): Promise<number[] | null> {
  const ids: number[] = [];
  let first: string | null = null;
  for (let page = 1; ; page++) {
    const { group, tag } = await client.fetchQuery({
      ...askGroup(groupId, page, MOST_AT_ONCE),
      staleTime: 0,
    });
    if (page === 1) first = tag;
    else if (tag !== first) return null;
    ids.push(...group.members.map((member) => member.sequence_id));
    onProgress(ids.length, group.members_total);
    if (page * MOST_AT_ONCE >= group.members_total) return ids.length === group.members_total ? ids : null;
  }
}
