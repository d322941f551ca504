/** Which part of a picture is shown. Points are normalised: on the picture, or on the stage that shows it. */

import type { Corners } from "./boxes";

export type Point = { x: number; y: number };

/** At `scale` 1 the stage shows the whole picture; (cx, cy) is the picture's point in the middle of the stage. */
export type View = { scale: number; cx: number; cy: number };

export const WHOLE_VIEW: View = { scale: 1, cx: 0.5, cy: 0.5 };

// Of a camera's 1280 pixels, 64 are then as wide as the stage: a smoke plume of five pixels can be seen.
export const MOST_SCALE = 20;

/** The nearest view that shows nothing beside the picture. */
export function clampView({ scale, cx, cy }: View): View {
  const allowed = clamp(scale, 1, MOST_SCALE);
  const half = 0.5 / allowed;
  return { scale: allowed, cx: clamp(cx, half, 1 - half), cy: clamp(cy, half, 1 - half) };
}

export function toPicture({ scale, cx, cy }: View, { x, y }: Point): Point {
  return { x: cx + (x - 0.5) / scale, y: cy + (y - 0.5) / scale };
}

export function toStage({ scale, cx, cy }: View, { x, y }: Point): Point {
  return { x: (x - cx) * scale + 0.5, y: (y - cy) * scale + 0.5 };
}

/** Larger by a factor, where what is at a point of the stage stays there. */
export function zoomAbout(view: View, factor: number, at: Point): View {
  const scale = clamp(view.scale * factor, 1, MOST_SCALE);
  const fixed = toPicture(view, at);
  return clampView({
    scale,
    cx: fixed.x - (at.x - 0.5) / scale,
    cy: fixed.y - (at.y - 0.5) / scale,
  });
}

/** As if the picture were moved over the stage by so much of the stage. */
export function panBy(view: View, dx: number, dy: number): View {
  return clampView({ ...view, cx: view.cx - dx / view.scale, cy: view.cy - dy / view.scale });
}

/** Two fingers moved: what was under them stays under them, as far as they did not turn. */
export function pinch(view: View, before: readonly [Point, Point], after: readonly [Point, Point]): View {
  const [from, to] = [middle(before), middle(after)];
  const apart = distance(before);
  const moved = panBy(view, to.x - from.x, to.y - from.y);
  return apart === 0 ? moved : zoomAbout(moved, distance(after) / apart, to);
}

/** A box in the middle with some of what is around it: `room` 1 leaves none. */
export function viewOf([x1, y1, x2, y2]: Corners, room = 2): View {
  const scale = 1 / (Math.max(x2 - x1, y2 - y1) * room);
  return clampView({ scale, cx: (x1 + x2) / 2, cy: (y1 + y2) / 2 });
}

/** The part of the picture that the stage shows. */
export function partShown({ scale, cx, cy }: View): Corners {
  const half = 0.5 / scale;
  return [cx - half, cy - half, cx + half, cy + half];
}

/** The view as a CSS transform of an element that fills the stage, with its origin at the top left. */
export function transformOf({ scale, cx, cy }: View): string {
  const [x, y] = [0.5 - cx * scale, 0.5 - cy * scale];
  return `translate(${percent(x)}, ${percent(y)}) scale(${scale})`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(4))}%`;
}

function middle([one, other]: readonly [Point, Point]): Point {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}

function distance([one, other]: readonly [Point, Point]): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function clamp(value: number, lowest: number, highest: number): number {
  return Math.min(Math.max(value, lowest), highest);
}
