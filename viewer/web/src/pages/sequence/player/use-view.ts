import { type RefObject, useEffect, useMemo, useRef, useState } from "react";
import type { Corners } from "../../../geometry/boxes";
import { panBy, type View, viewOf, WHOLE_VIEW, zoomAbout } from "../../../geometry/view";
import { listenToGestures } from "./gestures";

const MIDDLE = { x: 0.5, y: 0.5 };

/** Which part of its frames a stage shows, changed by gestures on it and by these. */
export function useView(stage: RefObject<HTMLElement | null>) {
  const [view, setView] = useState(WHOLE_VIEW);
  const latest = useRef<View>(view);
  useEffect(() => {
    latest.current = view;
  }, [view]);
  useEffect(() => {
    if (stage.current === null) return;
    return listenToGestures(stage.current, { current: () => latest.current, change: setView });
  }, [stage]);
  const change = useMemo(
    () => ({
      zoom: (factor: number) => setView((now) => zoomAbout(now, factor, MIDDLE)),
      pan: (dx: number, dy: number) => setView((now) => panBy(now, dx, dy)),
      fit: () => setView(WHOLE_VIEW),
      show: (box: Corners) => setView(viewOf(box)),
    }),
    [],
  );
  return { view, ...change };
}
