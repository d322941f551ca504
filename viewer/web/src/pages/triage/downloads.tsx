import { memo } from "react";
import { asSearch, type Bucket, type RowsQuery } from "./filters";
import styles from "./split-view.module.css";

type Props = { query: RowsQuery; threshold: number };

const WORKLISTS = [
  ["review", "To Review"],
  ["unlabeled", "Unlabel"],
] as const satisfies readonly (readonly [Bucket, string])[];

/** Files of exactly the rows of the selection; a worklist is of one bucket of them. */
export const Downloads = memo(function Downloads({ query, threshold }: Props) {
  const addressOf = (more: Record<string, unknown>) =>
    `/api/v1/triage/download?${asSearch({ ...query, threshold, ...more })}`;
  const buckets = query.bucket ?? [];
  const worklists = WORKLISTS.filter(([bucket]) => buckets.length === 0 || buckets.includes(bucket));
  return (
    <nav className={styles.downloads} aria-label="Downloads">
      <span>Download</span>
      <a href={addressOf({ format: "csv" })} download>
        CSV
      </a>
      <a href={addressOf({ format: "parquet" })} download>
        Parquet
      </a>
      {worklists.map(([bucket, name]) => (
        <a key={bucket} href={addressOf({ format: "worklist", bucket })} download>
          {name} worklist
        </a>
      ))}
    </nav>
  );
});
