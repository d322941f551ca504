import { keepPreviousData, type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import type { RowsQuery, ScoresQuery } from "../../address/triage";
import { api, ask, type Schemas } from "../../api/client";
import { keys } from "../../api/keys";
import { Problem } from "../../api/problem";
import { decodeScores } from "../../split/scores";
import { askFacets } from "./ask-facets";

export type Facets = Schemas["TriageFacets"];
export type Row = Schemas["TriageRow"];
export type RowsPage = Schemas["RowsPage"];

export const ROWS_AT_ONCE = 100;

const LOOK_MS = 15_000;
// Scores of a filter that nobody looks at any more: 8 MB at a million sequences.
const KEPT_MS = 30_000;

/** What there is to choose from, and of which version; asked again and again, as the store changes by itself. */
export function useFacets() {
  return useQuery({ ...askFacets, refetchInterval: LOOK_MS });
}

/** The scores behind every count, of one version, whatever the threshold, bucket or organization. */
export function useScores(version: string, query: ScoresQuery, enabled = true) {
  const client = useQueryClient();
  return useQuery({
    queryKey: keys.stored("triage", "scores", version, query),
    queryFn: async ({ signal }) => {
      const asked = { params: { query: { ...query, version } }, parseAs: "arrayBuffer" as const, signal };
      return decodeScores((await askOf(client, api.GET("/api/v1/triage/scores", asked))) as ArrayBuffer);
    },
    enabled,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
    structuralSharing: false,
  });
}

/** One page of rows; until it is there, the one that was shown before. */
export function useRowsPage(version: string, query: RowsQuery, page: number, enabled = true) {
  const client = useQueryClient();
  return useQuery({
    queryKey: keys.stored("triage", "rows", version, query, page),
    queryFn: ({ signal }) => {
      const part = { offset: page * ROWS_AT_ONCE, limit: ROWS_AT_ONCE };
      return askOf(
        client,
        api.GET("/api/v1/triage/rows", { params: { query: { ...query, ...part, version } }, signal }),
      );
    },
    enabled,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
}

/** Where in the selection a sequence is; null where it is not in it. */
export function usePlace(version: string, query: RowsQuery, sequenceId: number | null) {
  const client = useQueryClient();
  return useQuery({
    queryKey: keys.stored("triage", "place", version, query, sequenceId),
    queryFn: async ({ signal }) => {
      const part = { limit: 1, locate: sequenceId };
      const asked = { params: { query: { ...query, ...part, version } }, signal };
      return (await askOf(client, api.GET("/api/v1/triage/rows", asked))).located_at;
    },
    enabled: sequenceId !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useCameras(version: string, organization: string | null) {
  return useQuery({
    queryKey: keys.stored("triage", "cameras", version, organization),
    queryFn: ({ signal }) =>
      ask(
        api.GET("/api/v1/triage/cameras", {
          params: { query: { organization: organization ?? "" } },
          signal,
        }),
      ),
    enabled: organization !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useCommand(version: string, threshold: number) {
  return useQuery({
    queryKey: keys.stored("triage", "command", version, threshold),
    queryFn: ({ signal }) =>
      ask(api.GET("/api/v1/triage/command", { params: { query: { threshold } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Whether a request failed because the store is newer by now: what follows is asked of the newer one. */
export function isOutdated(error: unknown): boolean {
  return error instanceof Problem && error.status === 409;
}

/** The answer about one version; where there is another by now, that is noticed at once. */
export async function askOf<T>(client: QueryClient, answer: Parameters<typeof ask<T>>[0]): Promise<T> {
  try {
    return await ask(answer);
  } catch (error) {
    if (isOutdated(error)) void client.invalidateQueries({ queryKey: askFacets.queryKey });
    throw error;
  }
}
