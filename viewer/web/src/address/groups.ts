/** What the list of groups shows, as its address has it. */

import type { paths } from "../api/schema";
import { choice, type Fields, integer, oneOf, readAddress, text } from "./address";

export const LABEL_STATES = ["unlabeled", "unsure", "labeled", "all"] as const;
export const ORDERS = ["member_count", "created_at", "camera_name", "azimuth", "score"] as const;
export const SIZES = ["10", "25", "50", "100"] as const;

export type LabelState = (typeof LABEL_STATES)[number];
export type Order = (typeof ORDERS)[number];

export type GroupsState = {
  label_state: LabelState;
  is_validated: boolean | null;
  organization: string;
  camera_id: number | null;
  azimuth: number | null;
  min_members: number | null;
  sort: Order;
  direction: "asc" | "desc";
  page: number | null;
  size: (typeof SIZES)[number];
};

export const groupsFields: Fields<GroupsState> = {
  label_state: oneOf(LABEL_STATES, "unlabeled"),
  is_validated: choice,
  organization: text(),
  camera_id: integer(Number.MIN_SAFE_INTEGER),
  azimuth: integer(Number.MIN_SAFE_INTEGER),
  min_members: integer(1, 2 ** 31 - 1),
  sort: oneOf(ORDERS, "member_count"),
  direction: oneOf(["desc", "asc"], "desc"),
  page: integer(1, 2 ** 31),
  size: oneOf(SIZES, "50"),
};

/** A thing that was seen once has nothing to repeat. */
export const LEAST_MEMBERS = 2;

export type GroupsQuery = NonNullable<paths["/api/v1/sequence_groups/"]["get"]["parameters"]["query"]>;

/** Which groups the list is of. */
export function groupsFilter(state: GroupsState): GroupsQuery {
  return {
    label_state: state.label_state,
    ...(state.is_validated !== null && { is_validated: state.is_validated }),
    ...(state.organization && { organization: state.organization }),
    ...(state.camera_id !== null && { camera_id: state.camera_id }),
    ...(state.azimuth !== null && { azimuth: state.azimuth }),
    ...(state.min_members !== null && { min_members: state.min_members }),
  };
}

/** One page of the list, in its order. */
export function groupsQuery(state: GroupsState, page: number, size: number): GroupsQuery {
  return {
    ...groupsFilter(state),
    order_by: state.sort,
    order_direction: state.direction,
    page,
    size,
  };
}

/** How many things narrow the list beyond its default. */
export function isNarrowed(state: GroupsState): boolean {
  const { label_state: _, ...others } = groupsFilter(state);
  return Object.keys(others).length > 0;
}

export const EVERY_GROUP: Partial<GroupsState> = {
  is_validated: null,
  organization: "",
  camera_id: null,
  azimuth: null,
  min_members: null,
  page: null,
};

export function readGroups(search: string): GroupsState {
  return readAddress(groupsFields, new URLSearchParams(search));
}
