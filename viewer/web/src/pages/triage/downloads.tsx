import { useQueryClient } from "@tanstack/react-query";
import { type MouseEvent, memo } from "react";
import { asSearch, type Bucket, type RowsQuery } from "../../address/triage";
import { api } from "../../api/client";
import { asProblem } from "../../api/problem";
import { useAnnounce } from "../../components/announcements";
import styles from "./split-view.module.css";
import { askOf } from "./use-split";

type Props = { version: string; query: RowsQuery; threshold: number };

const WORKLISTS = [
  ["review", "To Review"],
  ["unlabeled", "Unlabel"],
] as const satisfies readonly (readonly [Bucket, string])[];

/** Files of exactly the rows that are shown: where the store has others by now, that is said; a worklist is of one bucket of them. */
export const Downloads = memo(function Downloads({ version, query, threshold }: Props) {
  const client = useQueryClient();
  const announce = useAnnounce();
  const buckets = query.bucket ?? [];
  const worklists = WORKLISTS.filter(([bucket]) => buckets.length === 0 || buckets.includes(bucket));

  const link = (name: string, more: { format: "csv" | "parquet" | "worklist"; bucket?: Bucket[] }) => {
    const wanted = { ...query, version, threshold, ...more };
    // A browser does not show what it is told in place of a file, so the answer's beginning is read before.
    const take = async (event: MouseEvent<HTMLAnchorElement>) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const { href } = event.currentTarget;
      try {
        const file = await askOf(
          client,
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
