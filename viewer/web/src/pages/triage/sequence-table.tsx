import { type SortingState, type Updater, useTable } from "@tanstack/react-table";
import {
  type KeyboardEvent,
  memo,
  type ReactNode,
  useEffect,
  useEffectEvent,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";
import { countFilters, type RowsQuery, type TriageState } from "../../address/triage";
import { Button } from "../../components/button";
import { Empty, Trouble } from "../../components/states";
import { columnsOf, features, idOf, sortOf } from "./columns";
import styles from "./sequence-table.module.css";
import { TableCaption, TableHead, TableRow } from "./table-parts";
import { useCursor } from "./use-cursor";
import { useSelection } from "./use-selection";
import { type Facets, isOutdated } from "./use-split";
import { useTallRows } from "./use-tall-rows";

type Order = Pick<TriageState, "sort" | "sort_model" | "direction">;

type Props = {
  facets: Facets;
  state: TriageState;
  query: RowsQuery;
  onSort: (order: Order) => void;
  onOpen: (sequenceId: number | null) => void;
  onClearFilters: () => void;
  /** What else can be done with exactly these rows. */
  children: ReactNode;
};

const LETTERS = ["j", "k"];
const USUAL: Order = { sort: "priority", sort_model: "", direction: "desc" };

/** Every sequence of the selection, whichever of a million rows are looked at. */
export const SequenceTable = memo(function SequenceTable(props: Props) {
  const { facets, state, query, onSort, onOpen, onClearFilters, children } = props;
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [total, setTotal] = useState(0);
  const { drawn, topOf, height, seen, nRowsOfPage, onScroll, show } = useTallRows(scroller, total);
  const selection = useSelection(facets.version, query, drawn.first, drawn.end);
  if (selection.total !== null && selection.total !== total) setTotal(selection.total);

  const { version } = facets;
  const cursor = useCursor({ version, query, selection, open: state.sequence, onOpen, show, nRowsOfPage });
  useLetters(cursor.walk);
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== event.currentTarget) return;
    if (event.key === "Enter" && cursor.place !== null) cursor.choose(cursor.place);
    else if (event.key === "Escape" && state.sequence !== null) onOpen(null);
    else if (LETTERS.includes(event.key) || !cursor.walk(event.key)) return;
    event.preventDefault();
  };

  const threshold = selection.threshold ?? facets.threshold;
  const columns = useMemo(() => columnsOf(facets, threshold), [facets, threshold]);
  const sorting = useMemo(() => sortingOf(state), [state]);
  const table = useTable({
    features,
    columns,
    data: selection.rows,
    getRowId: ({ place }) => String(place),
    manualSorting: true,
    enableMultiSort: false,
    state: { sorting },
    onSortingChange: (change: Updater<SortingState>) => {
      const [chosen] = typeof change === "function" ? change(sorting) : change;
      onSort(chosen ? { ...sortOf(chosen.id), direction: chosen.desc ? "desc" : "asc" } : USUAL);
    },
  });
  const template = columns.map((column) => column.meta?.width).join(" ");
  const isCursorDrawn = cursor.place !== null && drawn.first <= cursor.place && cursor.place < drawn.end;
  const usualOrder =
    facets.models.length > 1 ? "disagreements first, then by highest score" : "by highest score";

  return (
    <section className={styles.card} aria-label="Sequences">
      <TableCaption
        seen={seen}
        total={selection.total}
        order={state.sort === "priority" ? usualOrder : ""}
        note={cursor.isMissing ? `sequence ${state.sequence} is not among them` : ""}
      >
        {children}
      </TableCaption>
      {selection.error !== null && !isOutdated(selection.error) && (
        <Trouble error={selection.error} onRetry={selection.retry} />
      )}
      <div ref={scroller} className={styles.scroller} onScroll={onScroll}>
        <table
          className={styles.grid}
          // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: its rows are chosen by keyboard
          role="grid"
          aria-label="Sequences of the selection"
          aria-rowcount={total + 1}
          aria-busy={selection.isOutdated}
          aria-activedescendant={isCursorDrawn ? `${id}-${cursor.place}` : undefined}
          tabIndex={0}
          onKeyDown={onKeyDown}
        >
          <TableHead groups={table.getHeaderGroups()} template={template} />
          <tbody
            className={selection.isOutdated ? `${styles.body} ${styles.outdated}` : styles.body}
            style={{ height }}
          >
            {table.getRowModel().rows.map((row) => (
              <TableRow
                key={row.id}
                id={`${id}-${row.id}`}
                cells={row.getAllCells()}
                placed={row.original}
                top={topOf(row.original.place)}
                template={template}
                isUnderCursor={row.original.place === cursor.place}
                isOpen={state.sequence !== null && row.original.row?.sequence_id === state.sequence}
                onChoose={() => cursor.choose(row.original.place)}
              />
            ))}
          </tbody>
        </table>
        {selection.total === 0 && <NoRows nFilters={countFilters(state)} onClearFilters={onClearFilters} />}
      </div>
    </section>
  );
});

function sortingOf({ sort, sort_model, direction }: Order): SortingState {
  return sort === "priority" ? [] : [{ id: idOf({ sort, sort_model }), desc: direction === "desc" }];
}

function NoRows({ nFilters, onClearFilters }: { nFilters: number; onClearFilters: () => void }) {
  return (
    <Empty title="No sequence matches">
      <p>
        {nFilters > 0
          ? "None is left by the filters at this threshold."
          : "The backlog has no sequence at this threshold."}
      </p>
      {nFilters > 0 && <Button onClick={onClearFilters}>Clear filters</Button>}
    </Empty>
  );
}

/** j and k walk through the rows from anywhere on the page but where one writes. */
function useLetters(walk: (key: string) => boolean) {
  const onLetter = useEffectEvent((event: globalThis.KeyboardEvent) => {
    if (!LETTERS.includes(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target instanceof Element && event.target.closest("input, select, textarea, dialog")) return;
    walk(event.key);
  });
  useEffect(() => {
    document.addEventListener("keydown", onLetter);
    return () => document.removeEventListener("keydown", onLetter);
  }, []);
}
