import { useMemo } from "react";
import type { RowsQuery } from "../../address/triage";
import { ROWS_AT_ONCE, type Row, useRowsPage } from "./use-split";

/** A place in the selection, and what is there once it has been loaded. */
export type Placed = { place: number; row: Row | null };

export type Selection = {
  /** How many rows there are, and at which threshold; null until that is known. */
  total: number | null;
  threshold: number | null;
  /** Those from the first place that was asked for to before the last. */
  rows: readonly Placed[];
  rowAt: (place: number) => Row | null;
  /** What is shown is of the question before this one. */
  isOutdated: boolean;
  error: unknown;
  retry: () => void;
};

function isBehind({ isPlaceholderData, isError }: { isPlaceholderData: boolean; isError: boolean }): boolean {
  return isPlaceholderData || isError;
}

/** The rows from one place of a selection to before another, at most a page apart. */
export function useSelection(version: string, query: RowsQuery, first: number, end: number): Selection {
  const page = Math.floor(first / ROWS_AT_ONCE);
  const here = useRowsPage(version, query, page);
  const reachesNext = end > (page + 1) * ROWS_AT_ONCE;
  const next = useRowsPage(version, query, page + 1, reachesNext);
  const [hereData, nextData] = [here.data, next.data];
  const rowAt = useMemo(() => {
    const loaded = [hereData, nextData].filter((each) => each !== undefined);
    return (place: number) =>
      loaded.map(({ items, offset }) => items[place - offset]).find((row) => row !== undefined) ?? null;
  }, [hereData, nextData]);
  const rows = useMemo(
    () => Array.from({ length: end - first }, (_, n) => ({ place: first + n, row: rowAt(first + n) })),
    [first, end, rowAt],
  );
  const known = hereData ?? nextData;
  return {
    total: known?.total ?? null,
    threshold: known?.threshold ?? null,
    rows,
    rowAt,
    isOutdated: isBehind(here) || (reachesNext && isBehind(next)),
    error: here.error ?? next.error,
    retry: () => void Promise.all([here.refetch(), next.refetch()]),
  };
}
