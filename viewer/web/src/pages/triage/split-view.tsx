import { useCallback, useMemo, useState } from "react";
import { useSearch } from "wouter";
import { misreadIn, useAddress } from "../../address/address";
import { type Bucket, type Filters, NO_FILTERS, rowsQuery, triageFields } from "../../address/triage";
import { Button } from "../../components/button";
import { Misread } from "../../components/misread";
import { Moment, Name } from "../../components/words";
import { writeThreshold } from "../../split/threshold";
import { shownFields } from "../sequence/selection";
import { Deck } from "./deck";
import { DetailPane } from "./detail-pane";
import { Downloads } from "./downloads";
import { FilterBar } from "./filter-bar";
import { Notices } from "./notices";
import { SequenceTable } from "./sequence-table";
import styles from "./split-view.module.css";
import { toggled } from "./toggles";
import type { Facets } from "./use-split";
import { WriteDialog } from "./write-dialog";

const FIELDS = { ...triageFields, ...shownFields };

/** The split's page, whose whole state is its address. */
export function SplitView({ facets }: { facets: Facets }) {
  const [state, change] = useAddress(FIELDS);
  const search = useSearch();
  const [isWriting, setWriting] = useState(false);
  const [clearings, setClearings] = useState(0);
  const threshold = state.threshold ?? facets.threshold;
  const { bucket, organization, sequence } = state;
  const query = useMemo(() => rowsQuery(state), [state]);

  const filter = useCallback((part: Partial<Filters>) => change(part, { keepHistory: true }), [change]);
  const settle = useCallback(
    (to: number) => change({ threshold: to === facets.threshold ? null : to }),
    [change, facets.threshold],
  );
  const toggleBucket = useCallback(
    (each: Bucket) => filter({ bucket: toggled(bucket, each) }),
    [filter, bucket],
  );
  const toggleOrganization = useCallback(
    // A camera is one of the organization's that was chosen before.
    (key: string) => filter({ organization: toggled(organization, key), camera: [] }),
    [filter, organization],
  );
  const clearOrganizations = useCallback(() => filter({ organization: [], camera: [] }), [filter]);
  const clear = useCallback(() => {
    filter(NO_FILTERS);
    setClearings((n) => n + 1);
  }, [filter]);
  const open = useCallback(
    (id: number | null) => {
      // What was looked at of the one before is not of this one.
      if (id !== sequence)
        change({ sequence: id, frame: null, tube: null }, { keepHistory: sequence === null });
    },
    [change, sequence],
  );
  const close = useCallback(() => open(null), [open]);

  return (
    <div className={sequence === null ? styles.page : `${styles.page} ${styles.split}`}>
      <div className={styles.main}>
        <header className={styles.head}>
          <h1>Split</h1>
          <p>
            Worklists written at <span className="number">{writeThreshold(facets.threshold)}</span> with{" "}
            {facets.models.length === 0 && "no model"}
            {facets.models.map(({ name }, place) => (
              <span key={name} className="number">
                {place > 0 && ", "}
                <Name of={name} />
              </span>
            ))}
            ; sequences from <Moment iso={facets.first_started_at} /> to{" "}
            <Moment iso={facets.last_started_at} />
          </p>
          <Button kind="primary" onClick={() => setWriting(true)}>
            Write these worklists…
          </Button>
        </header>
        <Misread parameters={misreadIn(FIELDS, new URLSearchParams(search))} />
        <Notices facets={facets} />
        <Deck
          facets={facets}
          filters={state}
          threshold={threshold}
          isNarrow={sequence !== null}
          onSettle={settle}
          onToggleBucket={toggleBucket}
          onToggleOrganization={toggleOrganization}
          onClearOrganizations={clearOrganizations}
        />
        {/* What was being typed when everything was cleared goes as well. */}
        <FilterBar key={clearings} facets={facets} filters={state} onChange={filter} onClear={clear} />
        <SequenceTable
          facets={facets}
          state={state}
          query={query}
          onSort={change}
          onOpen={open}
          onClearFilters={clear}
        >
          <Downloads version={facets.version} query={query} threshold={threshold} />
        </SequenceTable>
      </div>
      {sequence !== null && (
        <DetailPane sequenceId={sequence} search={search} threshold={threshold} onClose={close} />
      )}
      {isWriting && (
        <WriteDialog version={facets.version} threshold={threshold} onClose={() => setWriting(false)} />
      )}
    </div>
  );
}
