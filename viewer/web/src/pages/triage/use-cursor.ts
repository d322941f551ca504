import { useEffect, useRef, useState } from "react";
import type { RowsQuery } from "../../address/triage";
import { placeAfter } from "./table-keys";
import type { Selection } from "./use-selection";
import { usePlace } from "./use-split";

type Wanted = {
  version: string;
  query: RowsQuery;
  selection: Selection;
  /** The sequence that is open beside the rows. */
  open: number | null;
  onOpen: (sequenceId: number | null) => void;
  show: (place: number) => void;
  nRowsOfPage: number;
};

export type Cursor = {
  place: number | null;
  /** What is open is not among the rows. */
  isMissing: boolean;
  /** Go where a key leads: whether it leads anywhere. */
  walk: (key: string) => boolean;
  choose: (place: number) => void;
};

/** Which row the keys are at; what is open is followed through every filter, order and threshold. */
export function useCursor({ version, query, selection, open, onOpen, show, nRowsOfPage }: Wanted): Cursor {
  const [cursor, setCursor] = useState<number | null>(null);
  // A row that is to be opened as soon as it is loaded.
  const [awaited, setAwaited] = useState<number | null>(null);
  // Of which question it is known where what is open is: one may scroll away from there.
  const [found, setFound] = useState<{ question: string; place: number | null } | null>(null);
  const { total, rowAt } = selection;
  const questionOf = (sequenceId: number | null) => JSON.stringify([version, query, sequenceId]);
  const question = questionOf(open);
  const isKnown = open === null || found?.question === question;
  const place = usePlace(version, query, isKnown ? null : open).data;
  const isLocated = !isKnown && place !== undefined && total !== null;

  const { threshold: _, ...rest } = query;
  useWhenOther(JSON.stringify(rest), () => {
    setCursor(null);
    if (total !== null && total > 0) show(0);
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: one goes there when it is found, not at every drawing
  useEffect(() => {
    if (!isLocated) return;
    setFound({ question, place });
    if (place === null) return;
    setCursor(place);
    show(place);
  }, [isLocated, question]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what comes to stand above leaves less room for the rows
  useEffect(() => {
    if (cursor !== null) show(cursor);
  }, [nRowsOfPage]);

  const openAt = (at: number) => {
    const row = selection.isOutdated ? null : rowAt(at);
    setAwaited(row === null ? at : null);
    if (row === null) return;
    setFound({ question: questionOf(row.sequence_id), place: at });
    onOpen(row.sequence_id);
  };
  const isThere = awaited !== null && !selection.isOutdated && rowAt(awaited) !== null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is opened when it has been loaded
  useEffect(() => {
    if (isThere && awaited !== null) openAt(awaited);
  }, [isThere]);

  return {
    place: cursor,
    isMissing: open !== null && found?.question === question && found.place === null,
    walk: (key) => {
      const next = placeAfter(key, cursor, total ?? 0, nRowsOfPage);
      if (next === null) return false;
      setCursor(next);
      show(next);
      if (open !== null) openAt(next);
      return true;
    },
    choose: (at) => {
      setCursor(at);
      openAt(at);
    },
  };
}

/** Act where a value is another than before, and not at the first one. */
function useWhenOther(value: string, act: () => void) {
  const last = useRef(value);
  useEffect(() => {
    if (last.current === value) return;
    last.current = value;
    act();
  });
}
