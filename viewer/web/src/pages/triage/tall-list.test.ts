import { describe, expect, it } from "vitest";
import { countPlaces, MOST_PLACES, rowsSeen, scrollToShow, shiftAt, type TallList } from "./tall-list";

const FIREFOX_PX = 17_895_698;
const ROW = 28;

function listOf(nRows: number, viewport = 400): TallList {
  return { nRows, rowHeight: ROW, viewport };
}

function topOf(list: TallList, row: number, scrolled: number): number {
  return (row - shiftAt(list, scrolled)) * ROW - scrolled;
}

describe("a tall list", () => {
  it.each([
    0, // nothing
    1, // less than is seen
    14, // as much as is seen, nearly
    21_489, // today's backlog
    MOST_PLACES, // the most that fits
    MOST_PLACES + 1, // one more
    1_000_000,
    20_000_000, // more than twice what any browser allows
  ])("of %d rows shows each of them whole", (nRows) => {
    const list = listOf(nRows);
    expect(countPlaces(nRows) * ROW).toBeLessThan(FIREFOX_PX);
    const farthest = Math.max(0, countPlaces(nRows) * ROW - list.viewport);
    let scrolled = 0;
    for (let step = 0; step <= 997; step++) {
      // Back and forth, so that rows are come upon from either side.
      const part = ((step * 617) % 998) / 997;
      const row = Math.round(part * (nRows - 1));
      if (row < 0) continue;
      scrolled = scrollToShow(list, row, scrolled);
      expect(scrolled).toBeGreaterThanOrEqual(0);
      expect(scrolled).toBeLessThanOrEqual(farthest + 1e-6);
      expect(topOf(list, row, scrolled)).toBeGreaterThanOrEqual(-1e-3);
      expect(topOf(list, row, scrolled) + ROW).toBeLessThanOrEqual(list.viewport + 1e-3);
    }
  });

  it("that fits is scrolled as any other", () => {
    const list = listOf(5_000);
    expect(shiftAt(list, 777)).toBe(0);
    expect(rowsSeen(list, 777)).toEqual({ first: 27, end: 43 });
  });

  it("begins with its first row and ends with its last", () => {
    const list = listOf(1_000_000);
    const farthest = MOST_PLACES * ROW - list.viewport;
    expect(rowsSeen(list, 0).first).toBe(0);
    expect(rowsSeen(list, farthest).end).toBe(1_000_000);
    expect(rowsSeen(list, farthest + 50).end).toBe(1_000_000); // a browser that bounces
  });

  it("leaves where it is what can be seen already", () => {
    const list = listOf(1_000_000);
    const scrolled = scrollToShow(list, 700_000, 0);
    expect(scrollToShow(list, 700_000 - 3, scrolled)).toBe(scrolled);
  });

  it("never shows rows out of order", () => {
    const list = listOf(1_000_000);
    let before = -1;
    for (let scrolled = 5_000_000; scrolled < 5_010_000; scrolled += 7) {
      const { first } = rowsSeen(list, scrolled);
      expect(first).toBeGreaterThanOrEqual(before);
      before = first;
    }
  });
});
