/** What a sequence or a group can be said to show: the words, their keys, and what an annotation says in them. */
import type { Schemas } from "../api/client";
import { plain } from "../components/words";

export type SmokeType = Schemas["SmokeType"];
export type FalsePositiveType = Schemas["FalsePositiveType"];

/** Exactly one of the two. */
export type Label =
  | { smoke_type: SmokeType; false_positive_type: null }
  | { smoke_type: null; false_positive_type: FalsePositiveType };

/** A key each, which is the name's own first letter or a later one that is still free. */
export const SMOKE_KEYS: Readonly<Record<SmokeType, string>> = {
  wildfire: "1",
  industrial: "2",
  other: "3",
};

export const FALSE_POSITIVE_KEYS: Readonly<Record<FalsePositiveType, string>> = {
  antenna: "a",
  building: "b",
  cliff: "c",
  combine_harvester: "v",
  dark: "d",
  dust: "u",
  high_cloud: "h",
  low_cloud: "l",
  lens_flare: "f",
  lens_droplet: "p",
  light: "g",
  rain: "r",
  trail: "t",
  road: "o",
  sky: "k",
  tree: "e",
  water_body: "w",
  other: "x",
  unlabeled: "n",
};

/** Whether a label came through a group: it counts only while its sequence is in that group. */
export function isCopied(origin: Schemas["Origin"] | null): boolean {
  return origin === "propagated" || origin === "inherited";
}

export const UNSURE_KEY = "q";

export const SMOKE_TYPES = Object.keys(SMOKE_KEYS) as readonly SmokeType[];
export const FALSE_POSITIVE_TYPES = Object.keys(FALSE_POSITIVE_KEYS) as readonly FalsePositiveType[];

export function smoke(smoke_type: SmokeType): Label {
  return { smoke_type, false_positive_type: null };
}

export function falsePositive(false_positive_type: FalsePositiveType): Label {
  return { smoke_type: null, false_positive_type };
}

/** The label that the two fields of an answer are, null where they are none. */
export function labelOf(fields: Schemas["LabelRead"]): Label | null {
  if (fields.smoke_type) return smoke(fields.smoke_type);
  return fields.false_positive_type ? falsePositive(fields.false_positive_type) : null;
}

export function isSame(one: Label | null, other: Label | null): boolean {
  return one?.smoke_type === other?.smoke_type && one?.false_positive_type === other?.false_positive_type;
}

/** As it is said within a sentence: both kinds have an "other", and "unlabeled" is a kind of false positive. */
export function words(label: Label): string {
  if (label.smoke_type === "wildfire") return "wildfire";
  if (label.smoke_type) return `${plain(label.smoke_type)} smoke`;
  if (label.false_positive_type === "other") return "other false positive";
  if (label.false_positive_type === "unlabeled") return "false positive of no named type";
  return plain(label.false_positive_type);
}
