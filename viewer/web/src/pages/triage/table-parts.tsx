import { type Cell, FlexRender, type HeaderGroup } from "@tanstack/react-table";
import type { ReactNode } from "react";
import { count } from "../../components/words";
import type { features } from "./columns";
import styles from "./sequence-table.module.css";
import type { Placed } from "./use-selection";

type HeadProps = { groups: readonly HeaderGroup<typeof features, Placed>[]; template: string };

const ARROWS = { ascending: " ▲", descending: " ▼", none: "" } as const;
const ORDERS = { asc: "ascending", desc: "descending" } as const;

/** The columns' names, which order the rows. */
export function TableHead({ groups, template }: HeadProps) {
  return (
    <thead className={styles.head}>
      {groups.map((group) => (
        <tr
          key={group.id}
          aria-rowindex={1}
          className={styles.cells}
          style={{ gridTemplateColumns: template }}
        >
          {group.headers.map((header) => {
            const sorted = header.column.getIsSorted();
            const order = sorted ? ORDERS[sorted] : "none";
            return (
              <th
                key={header.id}
                scope="col"
                className={header.column.columnDef.meta?.isNumber ? styles.numeric : undefined}
                aria-sort={order}
              >
                <button type="button" className={styles.sort} onClick={() => header.column.toggleSorting()}>
                  <FlexRender header={header} />
                  <span aria-hidden="true">{ARROWS[order]}</span>
                </button>
              </th>
            );
          })}
        </tr>
      ))}
    </thead>
  );
}

type RowProps = {
  id: string;
  cells: readonly Cell<typeof features, Placed, unknown>[];
  placed: Placed;
  top: number;
  template: string;
  isUnderCursor: boolean;
  isOpen: boolean;
  onChoose: () => void;
};

/** One sequence; a row that is still being loaded has its place and nothing in it. */
export function TableRow({ id, cells, placed, top, template, isUnderCursor, isOpen, onChoose }: RowProps) {
  const { place, row } = placed;
  const states = `${isUnderCursor ? styles.cursor : ""} ${isOpen ? styles.open : ""} ${row ? "" : styles.loading}`;
  return (
    <tr
      id={id}
      aria-rowindex={place + 2}
      aria-selected={isOpen}
      className={`${styles.cells} ${styles.row} ${states}`}
      style={{ gridTemplateColumns: template, transform: `translateY(${top}px)` }}
      onClick={onChoose}
    >
      {cells.map((cell) => (
        <td
          key={cell.id}
          className={cell.column.columnDef.meta?.isNumber ? `${styles.numeric} number` : undefined}
        >
          <FlexRender cell={cell} />
        </td>
      ))}
    </tr>
  );
}

type CaptionProps = {
  seen: { first: number; end: number };
  /** Null until it is known. */
  total: number | null;
  order: string;
  note: string;
  children: ReactNode;
};

/** Which rows of how many are seen, and in which order. */
export function TableCaption({ seen, total, order, note, children }: CaptionProps) {
  const range = total === 0 ? "0" : `${count(seen.first + 1)}–${count(seen.end)}`;
  return (
    <div className={styles.caption}>
      <h2>Sequences</h2>
      <p>
        {total !== null && (
          <span className="number" data-testid="rows-said">
            {range} of {count(total)}
          </span>
        )}
        {note}
        <span className={styles.muted}>{order}</span>
      </p>
      {children}
    </div>
  );
}
