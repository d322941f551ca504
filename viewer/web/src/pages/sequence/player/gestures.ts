/** Mouse, pen and fingers on the stage: wheel and pinch zoom, drag moves, a double click zooms in. */

import { type Point, panBy, pinch, type View, WHOLE_VIEW, zoomAbout } from "../../../geometry/view";

/** The view now, and the way to change it. */
export type ViewPort = { current: () => View; change: (update: (view: View) => View) => void };

// A notch of a mouse's wheel is 100 pixels: a fifth larger. A trackpad's pinch comes in steps of some pixels.
const PER_PIXEL = 0.002;
const PER_PINCH_PIXEL = 0.01;
const PIXELS_A_LINE = 33;

export function listenToGestures(stage: HTMLElement, port: ViewPort): () => void {
  const listening = new AbortController();
  const options = { signal: listening.signal };
  const fingers = new Map<number, Point>();
  const at = (event: MouseEvent): Point => {
    const { left, top, width, height } = stage.getBoundingClientRect();
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
  };

  stage.addEventListener(
    "wheel",
    (event) => {
      const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? PIXELS_A_LINE : 1);
      // There is nothing to zoom out of: the page scrolls.
      if (pixels > 0 && port.current().scale === 1) return;
      event.preventDefault();
      const factor = Math.exp(-pixels * (event.ctrlKey ? PER_PINCH_PIXEL : PER_PIXEL));
      const point = at(event);
      port.change((view) => zoomAbout(view, factor, point));
    },
    { ...options, passive: false },
  );

  stage.addEventListener(
    "dblclick",
    (event) => {
      const point = at(event);
      port.change((view) => (event.shiftKey ? WHOLE_VIEW : zoomAbout(view, 2, point)));
    },
    options,
  );

  stage.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0 || fingers.size === 2) return;
      fingers.set(event.pointerId, at(event));
      if (port.current().scale > 1 || fingers.size === 2) stage.setPointerCapture(event.pointerId);
    },
    options,
  );

  stage.addEventListener(
    "pointermove",
    (event) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined) return;
      const after = at(event);
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      fingers.set(event.pointerId, after);
      port.change((view) =>
        other === undefined
          ? panBy(view, after.x - before.x, after.y - before.y)
          : pinch(view, [before, other], [after, other]),
      );
    },
    options,
  );

  for (const ending of ["pointerup", "pointercancel", "pointerleave"] as const) {
    stage.addEventListener(ending, (event) => void fingers.delete(event.pointerId), options);
  }
  return () => listening.abort();
}
