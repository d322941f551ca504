/** A list taller than browsers allow: every row can be reached, and what is scrolled to is where it should be. */

export type TallList = {
  readonly nRows: number;
  readonly rowHeight: number;
  /** The height in which rows are seen. */
  readonly viewport: number;
};

/**
 * As many rows as have a place of their own to scroll to. Firefox cuts elements at 17.9 million pixels, Chromium and
 * Safari at 33.5 million: 16.8 million hold 600,000 rows. Beyond, rows move past the places as one scrolls.
 */
export const MOST_PLACES = 600_000;

export function countPlaces(nRows: number): number {
  return Math.min(nRows, MOST_PLACES);
}

/** How many rows the places have moved on by, with a fraction, where this much is scrolled: 0 for a list that fits. */
export function shiftAt(list: TallList, scrolled: number): number {
  const farthest = farthestScroll(list);
  const part = farthest > 0 ? Math.min(1, Math.max(0, scrolled / farthest)) : 0;
  return part * (list.nRows - countPlaces(list.nRows));
}

/** The least to scroll from here so that all of a row is seen. */
export function scrollToShow(list: TallList, row: number, scrolled: number): number {
  const seenFrom = scrolled + shiftAt(list, scrolled) * list.rowHeight;
  const top = row * list.rowHeight;
  const bottom = top + list.rowHeight;
  if (top < seenFrom) return scrolledAt(list, top);
  if (bottom > seenFrom + list.viewport) return scrolledAt(list, bottom - list.viewport);
  return scrolled;
}

/** The rows that are seen, whole or in part: from the first to before the last. */
export function rowsSeen(list: TallList, scrolled: number): { first: number; end: number } {
  const seenFrom = scrolled / list.rowHeight + shiftAt(list, scrolled);
  const first = Math.max(0, Math.floor(seenFrom));
  return { first, end: Math.min(list.nRows, Math.ceil(seenFrom + list.viewport / list.rowHeight)) };
}

function farthestScroll(list: TallList): number {
  return countPlaces(list.nRows) * list.rowHeight - list.viewport;
}

/** Where to scroll so that what is this far down the whole list is the first that is seen. */
function scrolledAt(list: TallList, y: number): number {
  const whole = list.nRows * list.rowHeight - list.viewport;
  return whole > 0 ? Math.max(0, (y * farthestScroll(list)) / whole) : 0;
}
