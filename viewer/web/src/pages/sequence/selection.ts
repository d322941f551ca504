/** What of a sequence is looked at, as the address has it: which frame, whose tubes, and what is drawn. */

import { type Fields, integer, listOf, number, text } from "../../address/address";
import type { Schemas } from "../../api/client";
import { type Lane, lanesOf } from "./tubes/lanes";

export type Sequence = Schemas["SequenceRead"];
export type Frame = Schemas["FrameRead"];
export type Model = Schemas["ModelRead"];

export const LAYERS = ["boxes", "others", "window", "region"] as const;

export type Layer = (typeof LAYERS)[number];

export type Shown = {
  /** The detection's number: unlike its place it means the same frame when others are added. */
  frame: number | null;
  tube: number | null;
  /** Not `model`: the sequence may be shown beside the triage table, whose filter has that name. */
  tubes_of: string;
  hide: readonly Layer[];
  /** The triage table's, beside which the sequence may be shown. */
  threshold: number | null;
};

export const shownFields: Fields<Shown> = {
  frame: integer(1),
  tube: integer(0),
  tubes_of: text(),
  hide: listOf(LAYERS),
  threshold: number(0, 1),
};

/** The model that is asked for, else the first: that by which the worklists were split. */
export function chooseModel({ models }: Sequence, { tubes_of }: Shown): Model | null {
  return models.find((model) => model.name === tubes_of) ?? models[0] ?? null;
}

/**
 * The tube that is asked for, else the one that set the trigger, else the most probable one. The address may still
 * have the tube of the sequence before: it counts only beside a frame of this one.
 */
export function chooseLane({ frames }: Sequence, lanes: readonly Lane[], shown: Shown): Lane | null {
  const isOfThis = frames.some((frame) => frame.detection_id === shown.frame);
  const asked = isOfThis ? lanes.find((lane) => lane.tubeId === shown.tube) : undefined;
  return asked ?? lanes.find((lane) => lane.isTrigger) ?? lanes[0] ?? null;
}

/** The place of the frame that is asked for, else of the trigger, else of the first frame that has a picture. */
export function choosePlace({ frames }: Sequence, model: Model | null, shown: Shown): number {
  const placeOf = (detectionId: number | null | undefined) =>
    frames.findIndex((frame) => frame.detection_id === detectionId);
  const places = [
    placeOf(shown.frame),
    placeOf(model?.trigger?.detection_id),
    frames.findIndex((frame) => frame.is_stored),
  ];
  return places.find((place) => place >= 0) ?? 0;
}

export function lanesOfModel(model: Model | null): readonly Lane[] {
  return model?.details ? lanesOf(model.details) : [];
}
