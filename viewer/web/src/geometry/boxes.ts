/** Boxes on pictures, in coordinates normalised to the image: x to the right and y down, both from 0 to 1. */

/** Left, top, right, bottom. As the annotator serves them they may reach beyond the image, or make no sense. */
export type Corners = readonly [x1: number, y1: number, x2: number, y2: number];

export type Rect = { x: number; y: number; width: number; height: number };

export const WHOLE: Corners = [0, 0, 1, 1];

/** The corners of a box that is given by its centre and size, as tubes are. */
export function cornersOfCentre([cx, cy, width, height]: readonly [number, number, number, number]): Corners {
  return [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2];
}

/** What of a box can be seen in the image; null where that is nothing, or the box is none. */
export function visiblePart([x1, y1, x2, y2]: Corners): Corners | null {
  const part: Corners = [within(x1), within(y1), within(x2), within(y2)];
  // Every comparison with NaN is false.
  return part[0] < part[2] && part[1] < part[3] ? part : null;
}

/** The rectangle to draw for a box; null where there is nothing to draw. */
export function rectOf(box: Corners): Rect | null {
  const part = visiblePart(box);
  return part && { x: part[0], y: part[1], width: part[2] - part[0], height: part[3] - part[1] };
}

/** The smallest box around all that can be seen of some; null where that is nothing. */
export function around(boxes: readonly Corners[]): Corners | null {
  const parts = boxes.map(visiblePart).filter((part) => part !== null);
  if (parts.length === 0) return null;
  return [
    Math.min(...parts.map((part) => part[0])),
    Math.min(...parts.map((part) => part[1])),
    Math.max(...parts.map((part) => part[2])),
    Math.max(...parts.map((part) => part[3])),
  ];
}

function within(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
