/** Names of cached answers: a decision makes `reviewed` ones stale, a newer store makes `stored` ones. */
export const keys = {
  session: ["session"] as const,
  run: ["run"] as const,
  stored: (...rest: readonly unknown[]) => ["stored", ...rest] as const,
  reviewed: (...rest: readonly unknown[]) => ["reviewed", ...rest] as const,
};
