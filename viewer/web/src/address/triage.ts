/** The triage page's state as its address has it, and what that asks of the server. */

import type { operations } from "../api/schema";
import { choice, type Field, type Fields, flag, integer, list, listOf, number, oneOf, text } from "./address";

export type RowsQuery = NonNullable<operations["get_rows_api_v1_triage_rows_get"]["parameters"]["query"]>;
export type ScoresQuery = NonNullable<
  operations["get_scores_api_v1_triage_scores_get"]["parameters"]["query"]
>;
export type Bucket = NonNullable<RowsQuery["bucket"]>[number];
export type GroupState = NonNullable<RowsQuery["group_state"]>[number];
export type Sort = NonNullable<RowsQuery["sort"]>;
export type Direction = "asc" | "desc";

export const BUCKETS = ["review", "unlabeled", "labeled", "dropped"] as const satisfies readonly Bucket[];
export const GROUP_STATES = [
  "labeled",
  "unsure",
  "unlabeled",
  "none",
] as const satisfies readonly GroupState[];
/** What the table can be ordered by: its columns, and `priority`, which none of them shows. */
export const SORTS = [
  "priority",
  "sequence_id",
  "triage_bucket",
  "triage_score",
  "model_score",
  "n_models_review",
  "organization_name",
  "camera_name",
  "azimuth",
  "started_at",
  "num_tubes_kept",
  "trigger_frame_index",
  "n_frames_unusable",
  "group_size",
  "group_label_state",
  "label",
  "dropped_reason",
] as const satisfies readonly Sort[];

export type ShownSort = (typeof SORTS)[number];

/** Which rows are wanted, whatever the threshold: the names are the API's. */
export type Filters = {
  organization: readonly string[];
  camera: readonly string[];
  bucket: readonly Bucket[];
  model: string;
  disagreements: boolean;
  group_state: readonly GroupState[];
  is_validated: boolean | null;
  started_from: string;
  started_to: string;
  text: string;
};

export type TriageState = Filters & {
  /** Null: the one that the worklists were written with. */
  threshold: number | null;
  sort: ShownSort;
  direction: Direction;
  sort_model: string;
  /** What the detail pane shows. */
  sequence: number | null;
};

const MOST_TEXT = 200;
const words: Field<string> = { ...text(), read: (written) => (written ?? "").slice(0, MOST_TEXT) };

const day: Field<string> = {
  ...text(),
  read: (written) => (isDay(written) ? written : ""),
};

export const triageFields: Fields<TriageState> = {
  organization: list,
  camera: list,
  bucket: listOf(BUCKETS),
  model: text(),
  disagreements: flag,
  group_state: listOf(GROUP_STATES),
  is_validated: choice,
  started_from: day,
  started_to: day,
  text: words,
  threshold: number(0, 1),
  sort: oneOf(SORTS, "priority"),
  direction: oneOf(["asc", "desc"], "desc"),
  sort_model: text(),
  sequence: integer(1),
};

export const NO_FILTERS: Filters = {
  organization: [],
  camera: [],
  bucket: [],
  model: "",
  disagreements: false,
  group_state: [],
  is_validated: null,
  started_from: "",
  started_to: "",
  text: "",
};

/** How many of the filters leave something out. */
export function countFilters(filters: Filters): number {
  const names = Object.keys(NO_FILTERS) as (keyof Filters)[];
  return names.filter((name) => {
    const value = filters[name];
    return Array.isArray(value) ? value.length > 0 : value !== NO_FILTERS[name];
  }).length;
}

/** What the scores' route is asked: organizations are chosen here, and the scores are of every threshold and bucket. */
export function scoresQuery(filters: Filters): ScoresQuery {
  return {
    ...(filters.camera.length > 0 && { camera: [...filters.camera] }),
    ...(filters.model !== "" && { model: filters.model }),
    ...(filters.disagreements && { disagreements: true }),
    ...(filters.group_state.length > 0 && { group_state: [...filters.group_state] }),
    ...(filters.is_validated !== null && { is_validated: filters.is_validated }),
    ...(filters.started_from !== "" && { started_from: filters.started_from }),
    ...(filters.started_to !== "" && { started_to: filters.started_to }),
    ...(filters.text.trim() !== "" && { text: filters.text.trim() }),
  };
}

/** What the rows' route is asked, and a download of the same rows: everything but the page. */
export function rowsQuery(state: Omit<TriageState, "sequence">): RowsQuery {
  const byModel = state.sort === "model_score";
  // An order by no model in particular would be refused: the usual one stands in for it.
  const sort = byModel && state.sort_model === "" ? "priority" : state.sort;
  return {
    ...scoresQuery(state),
    ...(state.organization.length > 0 && { organization: [...state.organization] }),
    ...(state.bucket.length > 0 && { bucket: [...state.bucket] }),
    ...(state.threshold !== null && { threshold: state.threshold }),
    sort,
    direction: state.direction,
    ...(sort === "model_score" && { sort_model: state.sort_model }),
  };
}

/** A query as it stands in an address: each value of a list by itself. */
export function asSearch(query: Record<string, unknown>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) search.append(name, String(each));
  }
  return search.toString();
}

/** A day of the calendar as a date input writes it. */
function isDay(written: string | null): written is string {
  if (written === null || !/^\d{4}-\d{2}-\d{2}$/.test(written)) return false;
  const moment = new Date(`${written}T00:00:00Z`);
  return !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(written);
}
