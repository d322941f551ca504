/** Which row the keys lead to, as in any list; j and k as in a mailbox. */

/** The place after a key, null where the key leads nowhere. Without a cursor, any of them leads to an end. */
export function placeAfter(key: string, cursor: number | null, total: number, page: number): number | null {
  if (total === 0) return null;
  const last = total - 1;
  const within = (place: number) => Math.min(last, Math.max(0, place));
  switch (key) {
    case "ArrowDown":
    case "j":
      return cursor === null ? 0 : within(cursor + 1);
    case "ArrowUp":
    case "k":
      return cursor === null ? 0 : within(cursor - 1);
    case "PageDown":
      return within((cursor ?? 0) + page);
    case "PageUp":
      return within((cursor ?? 0) - page);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}
