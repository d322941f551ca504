import { keepPreviousData, type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { Problem } from "../api/problem";
import { askStanding } from "../pages/groups/questions";
import { type Part, type Place, placeOf, type Queue, type Step } from "./queue";
import { askPart } from "./queue-parts";

/** Where one is in a queue; its order is asked for before anything is saved, so that saving cannot change what is next. */
export function usePlace(queue: Queue | null, step: Step) {
  const { data, error } = useQuery({
    ...askPart(queue ?? { source: "triage", search: "" }, step),
    enabled: queue !== null,
    placeholderData: keepPreviousData,
  });
  return { place: queue && data ? placeOf(data, step.sequenceId, step.at) : null, error };
}

/** Of what is in a row already labelled; beyond it one is told and may go on. */
const MOST_PASSED = 500;

/** The next step, or null at the end of the queue, and how many were passed because they have a label by now. */
export type Found = { step: Step | null; passed: number };

/** From a step onwards, the first that nobody has labelled. */
async function passLabelled(client: QueryClient, queue: Queue, from: Step | null): Promise<Found> {
  let step = from;
  let part: Part | null = null;
  for (let passed = 0; ; passed++) {
    if (step === null || passed === MOST_PASSED) return { step, passed };
    if (!(await isLabelled(client, step.sequenceId))) return { step, passed };
    if (part === null || isLast(part, step)) part = await client.fetchQuery(askPart(queue, step));
    step = placeOf(part, step.sequenceId, step.at).next;
  }
}

function isLast({ sequenceIds }: Part, { sequenceId }: Step): boolean {
  return sequenceIds.indexOf(sequenceId) === sequenceIds.length - 1;
}

async function isLabelled(client: QueryClient, sequenceId: number): Promise<boolean> {
  try {
    const { annotation } = await client.fetchQuery({ ...askStanding(sequenceId), staleTime: 0 });
    return annotation !== null && !WAITING.has(annotation.processing_stage);
  } catch (error) {
    // What the review database does not know yet is labelled by nobody; its own page says so.
    if (error instanceof Problem && error.status === 404) return false;
    throw error;
  }
}

/** Stages in which a sequence has been labelled by nobody. */
const WAITING: ReadonlySet<string> = new Set(["imported", "ready_to_annotate", "under_annotation"]);

/** How to find the next one after a place, as it was before saving. */
export function useFindNext(queue: Queue | null, includesLabelled: boolean) {
  const client = useQueryClient();
  return async ({ next }: Place): Promise<Found> => {
    return queue === null || includesLabelled ? { step: next, passed: 0 } : passLabelled(client, queue, next);
  };
}
