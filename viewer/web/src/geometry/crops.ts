/** Which part of a frame to cut out to look at a box closely. */

import { type Corners, visiblePart } from "./boxes";

export type Size = { width: number; height: number };

// A thing is told by what it rises from as much as by itself.
const ROOM = 1.6;
// Less is a few pixels enlarged to nothing in particular.
const LEAST_PIXELS = 48;

/**
 * A square in pixels around a box, moved into the image where it reaches over a border, smaller only where the image
 * is; null where nothing of the box is in the image.
 */
export function squareAround(box: Corners, { width, height }: Size): Corners | null {
  const seen = visiblePart(box);
  if (seen === null) return null;
  const [x1, y1, x2, y2] = seen;
  const side = Math.max((x2 - x1) * width * ROOM, (y2 - y1) * height * ROOM, LEAST_PIXELS);
  const [left, right] = within((x1 + x2) / 2, side / width);
  const [top, bottom] = within((y1 + y2) / 2, side / height);
  return [left, top, right, bottom];
}

function within(middle: number, length: number): [number, number] {
  if (length >= 1) return [0, 1];
  const start = Math.min(Math.max(middle - length / 2, 0), 1 - length);
  return [start, start + length];
}
