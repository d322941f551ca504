import { type MouseEvent, memo } from "react";
import { api, ask } from "../../api/client";
import { asProblem } from "../../api/problem";
import { useAnnounce } from "../../components/announcements";
import { asSearch, type Bucket, type RowsQuery } from "./filters";
import styles from "./split-view.module.css";

type Props = { query: RowsQuery; threshold: number };

const WORKLISTS = [
  ["review", "To Review"],
  ["unlabeled", "Unlabel"],
] as const satisfies readonly (readonly [Bucket, string])[];

/** Files of exactly the rows of the selection; a worklist is of one bucket of them. */
export const Downloads = memo(function Downloads({ query, threshold }: Props) {
  const announce = useAnnounce();
  const buckets = query.bucket ?? [];
  const worklists = WORKLISTS.filter(([bucket]) => buckets.length === 0 || buckets.includes(bucket));

  const link = (name: string, more: { format: "csv" | "parquet" | "worklist"; bucket?: Bucket[] }) => {
    const wanted = { ...query, threshold, ...more };
    // A browser does not show what it is told in place of a file, so the answer's beginning is read before.
    const take = async (event: MouseEvent<HTMLAnchorElement>) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const { href } = event.currentTarget;
      try {
        const file = await ask(
          api.GET("/api/v1/triage/download", { params: { query: wanted }, parseAs: "stream" }),
        );
        void (file as ReadableStream | null)?.cancel();
        location.assign(href);
      } catch (error) {
        announce({ kind: "trouble", text: asProblem(error).detail });
      }
    };
    return (
      <a
        key={name}
        href={`/api/v1/triage/download?${asSearch(wanted)}`}
        download
        onClick={(event) => void take(event)}
      >
        {name}
      </a>
    );
  };

  return (
    <nav className={styles.downloads} aria-label="Downloads">
      <span>Download</span>
      {link("CSV", { format: "csv" })}
      {link("Parquet", { format: "parquet" })}
      {worklists.map(([bucket, name]) => link(`${name} worklist`, { format: "worklist", bucket: [bucket] }))}
    </nav>
  );
});
