/** How the times of frames are written: cameras take one every few seconds, so to the second, in UTC. */

/** 2026-05-03 14:05:09 */
export function clock(iso: string): string {
  return new Date(iso).toISOString().slice(0, 19).replace("T", " ");
}

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
] as const;

/** How long after the first moment the second is, in its two largest units: "1 min 30 s". */
export function elapsed(from: string, to: string): string {
  const total = Math.round((Date.parse(to) - Date.parse(from)) / 1000);
  let rest = Math.abs(total);
  const parts: string[] = [];
  for (const [name, seconds] of UNITS) {
    const amount = Math.floor(rest / seconds);
    rest -= amount * seconds;
    if (amount > 0) parts.push(`${amount} ${name}`);
  }
  return `${total < 0 ? "−" : ""}${parts.slice(0, 2).join(" ") || "0 s"}`;
}
