/**
 * One sequence's annotation while somebody changes it: what is stored, what they are about to say, and saving that
 * without writing over anybody. What does not live here: where to go then (`use-advance`).
 */
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, type Schemas } from "../../api/client";
import { asProblem } from "../../api/problem";
import { useAnnounce } from "../../components/announcements";
import { useShown } from "../../components/use-shown";
import { useRefresh } from "../../review/changes";
import {
  bodyOf,
  type Choice,
  choiceOf,
  hasBoxes,
  isLabelled,
  isSameChoice,
  thingsToKeep,
  whatIsMissing,
} from "../../review/choice";
import { askStanding } from "../../review/questions";
import { askSequence } from "../sequence/ask-sequence";

const RETRY_MS = 3_000;

type Annotation = Schemas["SequenceAnnotationRead"];

/** What somebody is about to say, and of what they looked at: revision null, where nothing was stored. */
type Draft = { sequenceId: number; choice: Choice; base: number | null };

/** A draft as it is saved, with what of the annotation it was made of stays as it is. */
export type Order = Draft & { kept: ReturnType<typeof thingsToKeep> };

/** `spread`: how many other members took the label; null where that could not be read. */
export type Saved = { annotation: Annotation; spread: number | null };

/** Whether its group says otherwise: then the label did not spread. */
export function isConflict({ group_propagation_warning, conflicts_with_group }: Annotation): boolean {
  return group_propagation_warning !== null || conflicts_with_group !== null;
}

export function useAnnotation(sequenceId: number) {
  const client = useQueryClient();
  const refresh = useRefresh();
  const announce = useAnnounce();
  const shown = useShown(sequenceId);
  const standing = useQuery({
    ...askStanding(sequenceId),
    // A server that restarts will be back, and whoever waits on this page goes on then.
    refetchInterval: ({ state }) => state.status === "error" && asProblem(state.error).isPassing && RETRY_MS,
  });
  const [drafts, setDrafts] = useState<ReadonlyMap<number, Draft>>(new Map());
  // Of others as well: who skips one and comes back finds what was begun.
  const keep = (draft: Draft) => setDrafts((all) => new Map(all).set(draft.sequenceId, draft));
  const drop = (id: number) => setDrafts((all) => new Map([...all].filter(([each]) => each !== id)));
  const draft = drafts.get(sequenceId) ?? null;
  const stored = standing.data?.annotation ?? null;
  const revision = stored?.revision ?? null;
  const choice = draft?.choice ?? choiceOf(stored);
  const kept = thingsToKeep(stored);
  const saving = useMutation({
    mutationFn: async (order: Order): Promise<Saved> => {
      const annotation = await put(client, order);
      return { annotation, spread: await readSpread(annotation) };
    },
    onSuccess: ({ annotation }, order) => {
      client.setQueryData(askStanding(order.sequenceId).queryKey, (now) => now && { ...now, annotation });
      drop(order.sequenceId);
      refresh();
      if (shown.current !== null) return;
      const saved = `Sequence ${order.sequenceId} is saved`;
      if (isConflict(annotation)) {
        announce({ kind: "trouble", text: `${saved}. Its group has another label, so it did not spread.` });
      } else announce({ text: `${saved}.` });
    },
    // Where another was faster the draft stays, and beside it is shown what they wrote.
    onError: (error, { kept: _kept, ...order }) => {
      keep(order);
      if (shown.current !== order.sequenceId) {
        const text = `Sequence ${order.sequenceId} was not saved: ${asProblem(error).detail}`;
        announce({ kind: "trouble", text });
      }
      return client.invalidateQueries({ queryKey: askStanding(order.sequenceId).queryKey });
    },
  });
  return {
    standing,
    stored,
    choice,
    missing: whatIsMissing(choice, { kept, isBegun: draft !== null }),
    choose: (next: Choice) => keep({ sequenceId, choice: next, base: draft ? draft.base : revision }),
    /** A person has said just that, and finished. */
    isSaid: stored?.origin === "person" && isLabelled(stored) && isSameChoice(choice, choiceOf(stored)),
    /** Somebody wrote another annotation since this one was begun. */
    isOvertaken:
      draft !== null && standing.data !== undefined && !saving.isPending && draft.base !== revision,
    takeTheirs: () => {
      saving.reset();
      drop(sequenceId);
    },
    /** What to save: it is refused where somebody wrote another annotation meanwhile. */
    order: { ...(draft ?? { sequenceId, choice, base: revision }), kept } satisfies Order,
    /** What to save over the annotation that is shown as stored. */
    orderOverTheirs: { sequenceId, choice, base: revision, kept } satisfies Order,
    saving,
  };
}

async function put(client: QueryClient, { sequenceId, choice, base, kept }: Order): Promise<Annotation> {
  const path = { sequence_id: sequenceId };
  // Where it cannot be read, whether it has boxes is for the server to say.
  const sequence = await client.ensureQueryData(askSequence(sequenceId)).catch(() => null);
  const header = base === null ? { "if-none-match": "*" } : { "if-match": `"${base}"` };
  return (await ask(
    api.PUT("/api/v1/annotations/sequences/{sequence_id}", {
      params: { path, header },
      body: bodyOf(choice, { hasBoxes: sequence === null || hasBoxes(sequence.frames), kept }),
    }),
  )) as Annotation;
}

/** To how many others the label was copied: the line of the audit that the same write left. */
async function readSpread({ sequence_id, updated_at, group_id }: Annotation): Promise<number | null> {
  if (group_id === null) return 0;
  try {
    const { items } = await ask(
      api.GET("/api/v1/sequences/{sequence_id}/decisions", {
        params: { path: { sequence_id }, query: { size: 5 } },
      }),
    );
    const line = items.find((each) => each.action === "propagate" && each.at === updated_at);
    const applied = line?.details.applied;
    return line === undefined ? 0 : typeof applied === "number" ? applied : null;
  } catch {
    return null;
  }
}
