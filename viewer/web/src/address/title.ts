import { useEffect, useRef } from "react";
import { useLocation } from "wouter";

const PLACES: Readonly<Record<string, readonly [page: string, ofOne: string]>> = {
  triage: ["Split", "Split"],
  groups: ["Groups", "Group"],
  sequences: ["Sequences", "Sequence"],
  cameras: ["Cameras", "Camera"],
  annotate: ["Annotate", "Annotate"],
  run: ["Run", "Run"],
};

/** What a window on this path is called: "Group 4 · Triage". */
export function titleOf(path: string): string {
  const [, name = "", id] = path.split("/");
  const place = PLACES[name];
  if (place === undefined) return "Triage";
  return `${id ? `${place[1]} ${id}` : place[0]} · Triage`;
}

/** The window is called as its page, and the keyboard and screen reader begin a page where it begins. */
export function usePlaceSaid() {
  const [path] = useLocation();
  const page = useRef<HTMLElement>(null);
  const before = useRef("/");
  useEffect(() => {
    document.title = titleOf(path);
    // A first page keeps the browser's own beginning, from which one skips to it.
    if (before.current !== "/" && before.current !== path) page.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return page;
}
