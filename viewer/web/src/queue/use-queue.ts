import { keepPreviousData, type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { Problem } from "../api/problem";
import { isLabelled } from "../review/choice";
import { askStanding } from "../review/questions";
import { type Part, type Place, placeOf, type Queue, type Step } from "./queue";
import { askPart } from "./queue-parts";

/** Where one is in a queue; its order is asked for before anything is saved, so that saving cannot change what is next. */
export function usePlace(queue: Queue | null, step: Step) {
  const { data, error, isPlaceholderData } = useQuery({
    ...askPart(queue ?? { source: "triage", search: "" }, step),
    enabled: queue !== null,
    placeholderData: keepPreviousData,
  });
  // The part around the step before tells nothing of a step that is not in it.
  const isKnown = data && (!isPlaceholderData || data.sequenceIds.includes(step.sequenceId));
  return { place: queue && isKnown ? placeOf(data, step.sequenceId, step.at) : null, error };
}

/** Of what is in a row already labelled; beyond it one is told and may go on. */
const MOST_PASSED = 500;

/** The next step, or null at the end of the queue, and how many were passed because they have a label by now. */
export type Found = { step: Step | null; passed: number };

/** Told of each one that is passed, and asked before each whether the next one is still wanted. */
export type Watch = { isWanted: () => boolean; onPassed: (passed: number) => void };

/** From a step onwards, the first that nobody has labelled, or how far it was looked for. */
async function passLabelled(
  client: QueryClient,
  queue: Queue,
  from: Step | null,
  { isWanted, onPassed }: Watch,
): Promise<Found> {
  let step = from;
  let part: Part | null = null;
  for (let passed = 0; ; passed++) {
    if (step === null || passed === MOST_PASSED || !isWanted()) return { step, passed };
    if (!(await isLabelledByNow(client, step.sequenceId))) return { step, passed };
    if (part === null || isLast(part, step)) part = await client.fetchQuery(askPart(queue, step));
    step = placeOf(part, step.sequenceId, step.at).next;
    onPassed(passed + 1);
  }
}

function isLast({ sequenceIds }: Part, { sequenceId }: Step): boolean {
  return sequenceIds.slice(sequenceIds.indexOf(sequenceId) + 1).every((id) => id === null);
}

async function isLabelledByNow(client: QueryClient, sequenceId: number): Promise<boolean> {
  try {
    const { annotation } = await client.fetchQuery({ ...askStanding(sequenceId), staleTime: 0 });
    return isLabelled(annotation);
  } catch (error) {
    // What the review database does not know yet is labelled by nobody; its own page says so.
    if (error instanceof Problem && error.status === 404) return false;
    throw error;
  }
}

/** How to find the next one after a place, as it was before saving. */
export function useFindNext(queue: Queue | null, includesLabelled: boolean) {
  const client = useQueryClient();
  return async ({ next }: Place, watch: Watch): Promise<Found> => {
    if (queue === null || includesLabelled) return { step: next, passed: 0 };
    return passLabelled(client, queue, next, watch);
  };
}
