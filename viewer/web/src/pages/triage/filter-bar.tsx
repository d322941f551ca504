import { memo, useEffect, useId, useRef, useState } from "react";
import { BUCKETS, countFilters, type Filters, GROUP_STATES } from "../../address/triage";
import { Button } from "../../components/button";
import { countOf } from "../../components/words";
import { CameraChoice } from "./camera-choice";
import { BUCKET_NAMES } from "./figures";
import styles from "./filter-bar.module.css";
import { Toggles } from "./toggles";
import type { Facets } from "./use-split";

type Props = {
  facets: Facets;
  filters: Filters;
  onChange: (change: Partial<Filters>) => void;
  onClear: () => void;
};

const TYPING_MS = 250;
const VALIDATED = { "": null, true: true, false: false } as const;

/** What leaves rows out of everything below and above; the organizations are chosen in their table. */
export const FilterBar = memo(function FilterBar({ facets, filters, onChange, onClear }: Props) {
  const id = useId();
  const nFilters = countFilters(filters);
  return (
    <section className={styles.bar} aria-label="Filters">
      <Search text={filters.text} onChange={(text) => onChange({ text })} />
      <Toggles
        legend="Bucket"
        values={BUCKETS}
        nameOf={(bucket) => BUCKET_NAMES[bucket]}
        chosen={filters.bucket}
        onChange={(bucket) => onChange({ bucket })}
      />
      <CameraChoice facets={facets} filters={filters} onChange={onChange} />
      {facets.has_groups && (
        <>
          <Toggles
            legend="Group"
            values={GROUP_STATES}
            nameOf={(state) => (state === "none" ? "in none" : state)}
            chosen={filters.group_state}
            onChange={(group_state) => onChange({ group_state })}
          />
          <label className={styles.field} htmlFor={`${id}-validated`}>
            Validated
            <select
              id={`${id}-validated`}
              value={String(filters.is_validated ?? "")}
              onChange={(event) =>
                onChange({ is_validated: VALIDATED[event.target.value as keyof typeof VALIDATED] })
              }
            >
              <option value="">either</option>
              <option value="true">yes</option>
              <option value="false">no</option>
            </select>
          </label>
        </>
      )}
      <span className={styles.field}>
        <Day
          name="From"
          title="First day, UTC"
          value={filters.started_from}
          onChange={(day) => onChange({ started_from: day })}
        />
        <Day
          name="to"
          title="Last day, UTC, included"
          value={filters.started_to}
          onChange={(day) => onChange({ started_to: day })}
        />
      </span>
      {facets.models.length > 1 && <ModelChoice facets={facets} filters={filters} onChange={onChange} />}
      {nFilters > 0 && (
        <Button kind="quiet" className={styles.clear} onClick={onClear}>
          Clear {countOf(nFilters, "filter")}
        </Button>
      )}
    </section>
  );
});

/** What is typed is asked for when the typing pauses. */
function Search({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const id = useId();
  const [typed, setTyped] = useState(text);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    if (timer.current === null) setTyped(text);
  }, [text]);
  useEffect(() => () => clearTimeout(timer.current ?? undefined), []);
  return (
    <label className={styles.field} htmlFor={id}>
      Find
      <input
        id={id}
        type="search"
        className={styles.search}
        placeholder="camera, organization, id"
        maxLength={200}
        value={typed}
        onChange={(event) => {
          const next = event.target.value;
          setTyped(next);
          clearTimeout(timer.current ?? undefined);
          timer.current = setTimeout(() => {
            timer.current = null;
            onChange(next);
          }, TYPING_MS);
        }}
      />
    </label>
  );
}

type DayProps = { name: string; title: string; value: string; onChange: (day: string) => void };

function Day({ name, title, value, onChange }: DayProps) {
  const id = useId();
  return (
    <label className={styles.field} htmlFor={id}>
      {name}
      <input
        id={id}
        type="date"
        className="number"
        title={title}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

function ModelChoice({ facets, filters, onChange }: Omit<Props, "onClear">) {
  const id = useId();
  return (
    <>
      <label className={styles.field} htmlFor={id}>
        Sent by
        <select
          id={id}
          className={styles.select}
          value={filters.model}
          onChange={(event) => onChange({ model: event.target.value })}
        >
          <option value="">any model</option>
          {facets.models.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button
        type="button"
        className={styles.toggle}
        aria-pressed={filters.disagreements}
        onClick={() => onChange({ disagreements: !filters.disagreements })}
      >
        Disagreements
      </button>
    </>
  );
}
