import { memo, useMemo } from "react";
import { type Bucket, type Filters, scoresQuery } from "../../address/triage";
import { asProblem } from "../../api/problem";
import { Loading, Trouble } from "../../components/states";
import { countOf } from "../../components/words";
import { histogram, ofOrganizations, sweep, sweepThresholds, totalAt } from "../../split/counts";
import type { SplitScores } from "../../split/scores";
import styles from "./deck.module.css";
import { Figures } from "./figures";
import { OrganizationTable } from "./organization-table";
import { SweepTable } from "./sweep-table";
import { ThresholdControl } from "./threshold-control";
import { type Facets, isOutdated, useScores } from "./use-split";
import { useThreshold } from "./use-threshold";

type Props = {
  facets: Facets;
  filters: Filters;
  threshold: number;
  /** There is something beside it: what is looked at less often steps back. */
  isNarrow: boolean;
  onSettle: (threshold: number) => void;
  onToggleBucket: (bucket: Bucket) => void;
  onToggleOrganization: (key: string) => void;
  onClearOrganizations: () => void;
};

/** Everything that moves with the threshold at once: nothing here asks the server while it is being moved. */
export const Deck = memo(function Deck(props: Props) {
  const { facets, filters } = props;
  const query = useMemo(() => scoresQuery(filters), [filters]);
  const scores = useScores(facets.version, query);
  const isCompared = facets.models.length > 1 && filters.model === "" && !filters.disagreements;
  const disputed = useScores(facets.version, { ...query, disagreements: true }, isCompared);
  if (scores.data) {
    return (
      <Moving
        {...props}
        scores={scores.data}
        disputed={disputed.data}
        whyNotDisputed={isCompared ? whyNot(disputed.error) : null}
        isOutdated={scores.isPlaceholderData || (isCompared && disputed.isPlaceholderData)}
      />
    );
  }
  if (scores.isError && !isOutdated(scores.error)) {
    return <Trouble error={scores.error} onRetry={() => void scores.refetch()} />;
  }
  return (
    <div className={styles.waiting}>
      <Loading what="the scores" />
    </div>
  );
});

function whyNot(error: unknown): string {
  return error === null || isOutdated(error) ? "loading…" : asProblem(error).detail;
}

type MovingProps = Props & {
  scores: SplitScores;
  disputed: SplitScores | undefined;
  /** What is said where `disputed` is not there; null where models are not compared at all. */
  whyNotDisputed: string | null;
  isOutdated: boolean;
};

function Moving(props: MovingProps) {
  const { facets, filters, threshold, scores, disputed, whyNotDisputed } = props;
  const [live, move] = useThreshold(threshold, props.onSettle);
  const { organization } = filters;
  const written = facets.threshold;
  const chosen = useMemo(() => ofOrganizations(scores, organization), [scores, organization]);
  const bins = useMemo(() => histogram(chosen), [chosen]);
  const steps = useMemo(() => sweep(chosen, sweepThresholds(written)), [chosen, written]);
  const countsWritten = useMemo(() => totalAt(chosen, written), [chosen, written]);
  const disputedChosen = useMemo(
    () => disputed && ofOrganizations(disputed, organization),
    [disputed, organization],
  );
  const nScores = countOf(
    bins.reduce((sum, n) => sum + n, 0),
    "score",
  );
  const ofMany =
    filters.model === "" ? `${nScores}, of each sequence the highest` : `${nScores} by ${filters.model}`;
  const tables = (
    <>
      <SweepTable steps={steps} threshold={live} written={written} onChoose={move} />
      <OrganizationTable
        organizations={facets.organizations}
        scores={scores}
        threshold={live}
        chosen={organization}
        onToggle={props.onToggleOrganization}
        onClear={props.onClearOrganizations}
      />
    </>
  );
  const shape = props.isNarrow ? styles.narrow : "";
  const age = props.isOutdated ? styles.outdated : "";
  return (
    <div className={`${styles.deck} ${shape} ${age}`} aria-busy={props.isOutdated}>
      <div className={styles.main}>
        <Figures
          counts={totalAt(chosen, live)}
          written={countsWritten}
          writtenThreshold={written}
          backlog={facets.sequences}
          droppedReasons={facets.dropped_reasons}
          disagreements={
            whyNotDisputed && (disputedChosen ? totalAt(disputedChosen, live).review : whyNotDisputed)
          }
          chosen={filters.bucket}
          onToggle={props.onToggleBucket}
        />
        <ThresholdControl
          threshold={live}
          written={written}
          bins={bins}
          title={facets.models.length > 1 ? ofMany : nScores}
          onMove={move}
        />
      </div>
      {props.isNarrow ? (
        <details className={styles.more}>
          <summary>Sweep and organizations</summary>
          <div className={styles.pair}>{tables}</div>
        </details>
      ) : (
        tables
      )}
    </div>
  );
}
