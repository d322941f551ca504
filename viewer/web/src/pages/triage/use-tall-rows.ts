import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, type UIEvent, useState } from "react";
import { countPlaces, rowsSeen, scrollToShow, shiftAt, type TallList } from "./tall-list";

const MORE_ROWS = 12;

export type TallRows = {
  /** The rows to draw: from the first to before the last. */
  drawn: { first: number; end: number };
  /** How far down the element a row is drawn. */
  topOf: (place: number) => number;
  height: number;
  /** The rows that are seen, as above. */
  seen: { first: number; end: number };
  nRowsOfPage: number;
  onScroll: ((event: UIEvent<HTMLElement>) => void) | undefined;
  show: (place: number) => void;
};

/** Which of so many rows are to be drawn in an element that scrolls, under a head that stays. */
export function useTallRows(scroller: RefObject<HTMLElement | null>, nRows: number): TallRows {
  const [rowHeight] = useState(() => pixelsOf("--row-height"));
  const [headHeight] = useState(() => pixelsOf("--head-height"));
  const [scrolled, setScrolled] = useState(0);
  const virtual = useVirtualizer({
    count: countPlaces(nRows),
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: MORE_ROWS,
  });
  const viewport = Math.max(rowHeight, (virtual.scrollRect?.height ?? 0) - headHeight);
  const list: TallList = { nRows, rowHeight, viewport };
  // A list that fits is drawn again where other rows come into sight, a taller one at every scroll.
  const isTall = nRows > countPlaces(nRows);
  const shift = isTall ? shiftAt(list, scrolled) : 0;
  const items = virtual.getVirtualItems();
  const first = (items[0]?.index ?? 0) + Math.floor(shift);
  return {
    drawn: { first, end: Math.min(nRows, first + items.length) },
    topOf: (place) => (place - shift) * rowHeight,
    height: virtual.getTotalSize(),
    seen: rowsSeen(list, isTall ? scrolled : (virtual.scrollOffset ?? 0)),
    nRowsOfPage: Math.max(1, Math.floor(viewport / rowHeight) - 1),
    onScroll: isTall ? (event) => setScrolled(event.currentTarget.scrollTop) : undefined,
    show: (place) => {
      const element = scroller.current;
      if (element) element.scrollTop = scrollToShow(list, place, element.scrollTop);
    },
  };
}

function pixelsOf(token: string): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).getPropertyValue(token));
}
