import { memo, useMemo } from "react";
import { Button } from "../../components/button";
import { Count, countOf, Name } from "../../components/words";
import { type BucketCounts, countsAt, NONE, sumOf } from "../../split/counts";
import type { SplitScores } from "../../split/scores";
import styles from "./deck.module.css";

type Named = { key: string; name: string; sequences: number };

type Props = {
  organizations: readonly Named[];
  scores: SplitScores;
  threshold: number;
  chosen: readonly string[];
  onToggle: (key: string) => void;
  onClear: () => void;
};

/** What the threshold makes of each organization's sequences, the largest first; choosing one filters by it. */
export const OrganizationTable = memo(function OrganizationTable(props: Props) {
  const { organizations, scores, threshold, chosen, onToggle, onClear } = props;
  const rows = useMemo(() => {
    const found = new Map(scores.organizations.map((each) => [each.key, each]));
    return [...organizations]
      .sort((a, b) => b.sequences - a.sequences)
      .map((each) => ({ ...each, scores: found.get(each.key) }));
  }, [organizations, scores]);
  return (
    <section className={styles.card} aria-labelledby="organizations">
      <h2 id="organizations" className={styles.title}>
        {chosen.length > 0 ? `${chosen.length} of ` : ""}
        {countOf(organizations.length, "organization")}
        {chosen.length > 0 && (
          <Button kind="quiet" onClick={onClear}>
            All
          </Button>
        )}
      </h2>
      <div className={styles.scroll}>
        <table className={`${styles.table} ${styles.named}`}>
          <thead>
            <tr>
              <th scope="col">Organization</th>
              <th scope="col">
                <span className="unseen">Share To Review</span>
              </th>
              <th scope="col">To Review</th>
              <th scope="col">Unlabel</th>
              <th scope="col">All</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const counts = row.scores ? countsAt(row.scores, threshold, scores.isReviewOnly) : NONE;
              return (
                <OrganizationRow
                  key={row.key}
                  id={row.key}
                  name={row.name}
                  {...counts}
                  isChosen={chosen.includes(row.key)}
                  onToggle={onToggle}
                />
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
});

type RowProps = BucketCounts & {
  id: string;
  name: string;
  isChosen: boolean;
  onToggle: (key: string) => void;
};

/** Drawn again where its own numbers changed: of forty, a step of the slider changes a few. */
const OrganizationRow = memo(function OrganizationRow(props: RowProps) {
  const { id, name, review, unlabeled, isChosen, onToggle } = props;
  const total = sumOf(props);
  return (
    <tr
      className={`${styles.choosable} ${isChosen ? styles.chosen : ""} ${total === 0 ? styles.without : ""}`}
      onClick={() => onToggle(id)}
    >
      <th scope="row">
        <button
          type="button"
          className={styles.choice}
          aria-pressed={isChosen}
          onClick={(event) => {
            event.stopPropagation();
            onToggle(id);
          }}
        >
          <Name of={name} />
        </button>
      </th>
      <td className={styles.share} aria-hidden="true">
        <span className={styles.bar}>
          <span className={styles.review} style={{ flexGrow: review }} />
          <span className={styles.unlabeled} style={{ flexGrow: unlabeled }} />
          <span style={{ flexGrow: total - review - unlabeled }} />
        </span>
      </td>
      <td>
        <Count n={review} />
      </td>
      <td>
        <Count n={unlabeled} />
      </td>
      <td>
        <Count n={total} />
      </td>
    </tr>
  );
});
