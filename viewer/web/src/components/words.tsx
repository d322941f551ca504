/** How numbers, times and states are written, everywhere the same. */

const COUNT = new Intl.NumberFormat("en");
const MOMENT = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
});

export function count(n: number): string {
  return COUNT.format(n);
}

/** "1 group", "2 groups". */
export function countOf(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

export function Count({ n }: { n: number }) {
  return <span className="number">{count(n)}</span>;
}

/** A score or probability with three decimals, which is what tells neighbours apart; none is a dash, never 0. */
export function Score({ value }: { value: number | null | undefined }) {
  return <span className="number">{value === null || value === undefined ? "–" : value.toFixed(3)}</span>;
}

/** A moment in UTC, to the minute: 2026-05-03 14:05. */
export function moment(iso: string): string {
  const parts = Object.fromEntries(
    MOMENT.formatToParts(new Date(iso)).map(({ type, value }) => [type, value]),
  );
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}`;
}

export function Moment({ iso }: { iso: string | null | undefined }) {
  if (!iso) return <span className="number">–</span>;
  return (
    <time className="number" dateTime={iso} title={`${iso} (UTC)`}>
      {moment(iso)}
    </time>
  );
}

/** A name from elsewhere: text, on one line, whatever it holds. */
export function Name({ of }: { of: string }) {
  return <bdi>{of.replace(/\p{Cc}+/gu, " ")}</bdi>;
}

/** A label or stage as people say it: `high_cloud` is "high cloud". */
export function plain(name: string): string {
  return name.replaceAll("_", " ");
}
