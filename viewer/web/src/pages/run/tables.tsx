import type { ReactNode } from "react";
import { count } from "../../components/words";
import styles from "./run-page.module.css";

type Cell = ReactNode;

/** A small table; what is not known is a dash, and numbers are aligned to compare. */
export function Table({
  caption,
  columns,
  rows,
}: {
  caption: string;
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways has to be reached with the keyboard
    <section className={styles.scroll} aria-label={caption} tabIndex={0}>
      <table className={styles.table}>
        <caption className="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows have no state and are shown anew as a whole
            <tr key={place}>
              {columns.map((column, at) => {
                const cell = row[at];
                return (
                  <td key={column} className={typeof cell === "number" ? "number" : undefined}>
                    {cell === null || cell === undefined
                      ? "–"
                      : typeof cell === "number"
                        ? count(cell)
                        : cell}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** How many there are for each reason. */
export function Reasons({ title, reasons }: { title: string; reasons: Readonly<Record<string, number>> }) {
  const entries = Object.entries(reasons);
  if (entries.length === 0) return null;
  return (
    <Table
      caption={title}
      columns={[title, "Sequences"]}
      rows={entries.map(([reason, n]) => [reason.replaceAll("_", " "), n])}
    />
  );
}
