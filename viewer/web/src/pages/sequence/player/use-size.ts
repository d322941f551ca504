import { type RefObject, useEffect, useState } from "react";

/** How many pixels of the screen an element is wide; 0 until it has been measured. */
export function useWidthOnScreen(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (element.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.ceil(entry.contentRect.width * devicePixelRatio));
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
