import {
  columnSizingFeature,
  createColumnHelper,
  rowSortingFeature,
  tableFeatures,
} from "@tanstack/react-table";
import type { Bucket, ShownSort, TriageState } from "../../address/triage";
import { Badge } from "../../components/badge";
import { Count, Moment, Name, plain, Score } from "../../components/words";
import { BUCKET_NAMES } from "./figures";
import styles from "./sequence-table.module.css";
import type { Placed } from "./use-selection";
import type { Facets, Row } from "./use-split";

type Meta = { width: string; isNumber?: boolean };

export const features = tableFeatures({ rowSortingFeature, columnSizingFeature, columnMeta: {} as Meta });

const helper = createColumnHelper<typeof features, Placed>();
const MODEL_SCORE = "model_score:";

const TONES = {
  review: "ember",
  unlabeled: "pine",
  labeled: "plain",
  dropped: "muted",
} as const satisfies Record<Bucket, string>;
const GROUP_TONES = { labeled: "pine", unsure: "ember", unlabeled: "muted" } as const;

/** The table's columns: one per model where there are several, and what became of the dropped where any was. */
export function columnsOf({ models, dropped_reasons, has_groups }: Facets, threshold: number) {
  const ofModels = models.length < 2 ? [] : models.map(({ name }) => modelColumn(name, threshold));
  const columns = [
    column("triage_bucket", "Bucket", "5.75rem", ({ triage_bucket: bucket }) => (
      <Badge tone={TONES[bucket]}>{BUCKET_NAMES[bucket]}</Badge>
    )),
    numberColumn("triage_score", models.length < 2 ? "Score" : "Highest", "7rem", (row) => (
      <ScoreBar value={row.triage_score} isReview={row.triage_bucket === "review"} />
    )),
    ...ofModels,
    ...(models.length < 2 ? [] : [votesColumn(models.length)]),
    numberColumn("sequence_id", "Sequence", "6rem", (row) => row.sequence_id, false),
    column("camera_name", "Camera", "minmax(7rem, 1fr)", (row) => <Name of={row.camera_name} />, false),
    column(
      "organization_name",
      "Organization",
      "minmax(7rem, 1.2fr)",
      (row) => <Name of={row.organization_name} />,
      false,
    ),
    column("started_at", "Started (UTC)", "10rem", (row) => <Moment iso={row.started_at} />),
    numberColumn(
      "azimuth",
      "Azimuth",
      "4.5rem",
      ({ azimuth }) => (azimuth === null ? "–" : `${azimuth}°`),
      false,
    ),
    ...(has_groups ? [groupColumn, groupStateColumn] : []),
    column("label", "Label", "minmax(5.5rem, 1fr)", labelOf, false),
    numberColumn("num_tubes_kept", "Tubes", "3.5rem", (row) => <Known n={row.num_tubes_kept} />),
    numberColumn(
      "trigger_frame_index",
      "Trigger",
      "4rem",
      (row) => <Known n={row.trigger_frame_index} />,
      false,
    ),
    numberColumn("n_frames_unusable", "Unusable", "5rem", (row) => <Known n={row.n_frames_unusable} />),
    ...(Object.keys(dropped_reasons).length > 0 ? [droppedColumn] : []),
  ];
  return helper.columns(columns);
}

/** A column's id as an order of the address, and back. */
export function sortOf(id: string): Pick<TriageState, "sort" | "sort_model"> {
  if (id.startsWith(MODEL_SCORE)) return { sort: "model_score", sort_model: id.slice(MODEL_SCORE.length) };
  return { sort: id as ShownSort, sort_model: "" };
}

export function idOf({ sort, sort_model }: Pick<TriageState, "sort" | "sort_model">): string {
  return sort === "model_score" ? `${MODEL_SCORE}${sort_model}` : sort;
}

function column(
  id: string,
  header: string,
  width: string,
  show: (row: Row) => React.ReactNode,
  isHighestFirst = true,
  meta: Partial<Meta> = {},
) {
  return helper.accessor(({ row }) => row, {
    id,
    header,
    sortDescFirst: isHighestFirst,
    meta: { width, ...meta },
    cell: ({ row: { original } }) => (original.row === null ? null : show(original.row)),
  });
}

function numberColumn(
  id: string,
  header: string,
  width: string,
  show: (row: Row) => React.ReactNode,
  isHighestFirst = true,
) {
  return column(id, header, width, show, isHighestFirst, { isNumber: true });
}

function modelColumn(name: string, threshold: number) {
  return numberColumn(`${MODEL_SCORE}${name}`, name, "7rem", (row) => {
    const score = row.model_scores[name] ?? null;
    return (
      <span className={score !== null && score >= threshold ? styles.reaches : undefined}>
        <Score value={score} />
      </span>
    );
  });
}

function votesColumn(nModels: number) {
  return column("n_models_review", "To Review by", "8.5rem", (row) => (
    <>
      <span className="number">{row.n_models_review}</span> of <span className="number">{nModels}</span>{" "}
      {row.models_disagree && <Badge tone="ember">disagree</Badge>}
    </>
  ));
}

const groupColumn = column("group_size", "Group", "6.5rem", ({ group_id, group_size }) =>
  group_id === null ? (
    "–"
  ) : (
    <span className="number">
      #{group_id}
      {group_size !== null && <span className={styles.muted}> ×{group_size}</span>}
    </span>
  ),
);

const groupStateColumn = column(
  "group_label_state",
  "Group state",
  "8.5rem",
  ({ group_id, group_label_state: state, group_is_validated }) => {
    if (group_id === null) return null;
    return (
      <>
        {state === null ? "not known" : <Badge tone={GROUP_TONES[state]}>{state}</Badge>}
        {group_is_validated && (
          <span className={styles.validated} title="validated">
            {" ✓"}
            <span className="unseen"> validated</span>
          </span>
        )}
      </>
    );
  },
  false,
);

const droppedColumn = column(
  "dropped_reason",
  "Dropped because",
  "8rem",
  ({ dropped_reason, dropped_error }) =>
    dropped_reason !== null && <span title={dropped_error ?? undefined}>{plain(dropped_reason)}</span>,
  false,
);

function labelOf({ annotation_stage, smoke_types, false_positive_types, is_unsure }: Row) {
  if (annotation_stage === null) return null;
  const types = [...(smoke_types ?? []), ...(false_positive_types ?? [])].map(plain).join(", ");
  return (
    <span title={plain(annotation_stage)}>
      {types || <span className={styles.muted}>{plain(annotation_stage)}</span>}
      {is_unsure === true && <span className={styles.muted}> (unsure)</span>}
    </span>
  );
}

function ScoreBar({ value, isReview }: { value: number | null; isReview: boolean }) {
  return (
    <span className={styles.score}>
      {value !== null && (
        <span className={styles.track} aria-hidden="true">
          <span
            className={isReview ? styles.fillReview : styles.fill}
            style={{ inlineSize: `${(value * 100).toFixed(1)}%` }}
          />
        </span>
      )}
      <Score value={value} />
    </span>
  );
}

function Known({ n }: { n: number | null }) {
  return n === null ? "–" : <Count n={n} />;
}
