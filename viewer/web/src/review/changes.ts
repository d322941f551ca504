/** What people change about a group, as requests. What does not live here: what is asked (`questions`). */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, askWithTag, type Schemas } from "../api/client";
import { keys } from "../api/keys";
import { asProblem, Problem } from "../api/problem";
import { useAnnounce } from "../components/announcements";
import { useShown } from "../components/use-shown";
import { countOf } from "../components/words";
import type { Label } from "./labels";
import { type GroupAnswer, readMemberIds } from "./questions";

/** Everything that a decision may have changed is asked for again; nobody waits for it who has their answer. */
export function useRefresh(): () => void {
  const client = useQueryClient();
  return () => void client.invalidateQueries({ queryKey: keys.reviewed() });
}

export function isChangedMeanwhile(error: unknown): boolean {
  return error instanceof Problem && error.status === 412;
}

export function isOtherLabel(error: unknown): boolean {
  return error instanceof Problem && error.status === 409;
}

/** What is left out stays as it is. */
export type GroupChange = Omit<Schemas["GroupUpdate"], "relabel_copies"> & { relabel_copies?: boolean };

/** Change a group that is still what was looked at; where it is not, it is shown anew and nothing is changed. */
export function useGroupUpdate(groupId: number, tag: string | null) {
  const client = useQueryClient();
  const refresh = useRefresh();
  const queryKey = keys.reviewed("groups", groupId, "members");
  return useMutation({
    mutationFn: (body: GroupChange) =>
      askWithTag(
        api.PATCH("/api/v1/sequence_groups/{group_id}", {
          params: { path: { group_id: groupId }, header: { "if-match": tag } },
          body: { relabel_copies: false, ...body },
        }),
      ),
    onSuccess: ({ data, tag: newTag }) => {
      // The next change is made by this tag: by the former one it would be refused for this one's sake.
      client.setQueriesData<GroupAnswer>(
        { queryKey },
        (now) => now && { group: { ...now.group, ...(data as Schemas["GroupRead"]) }, tag: newTag },
      );
      refresh();
    },
    onError: () => client.invalidateQueries({ queryKey }),
  });
}

export function useReInclusion() {
  const refresh = useRefresh();
  const announce = useAnnounce();
  return useMutation({
    mutationFn: (sequenceId: number) =>
      ask(
        api.POST("/api/v1/sequence_groups/members/{sequence_id}/re-include", {
          params: { path: { sequence_id: sequenceId } },
        }),
      ),
    onSuccess: (_, sequenceId) => announce({ text: `Sequence ${sequenceId} is back in its group.` }),
    onError: (error, sequenceId) =>
      announce({ kind: "trouble", text: `Sequence ${sequenceId} is not back: ${asProblem(error).detail}` }),
    onSettled: refresh,
  });
}

/** Take a sequence out of its group, with the way back in the announcement of it. */
export function useRemoval(groupId: number) {
  const refresh = useRefresh();
  const announce = useAnnounce();
  const reInclude = useReInclusion();
  return useMutation({
    mutationFn: (sequenceId: number) =>
      ask(
        api.DELETE("/api/v1/sequence_groups/{group_id}/members/{sequence_id}", {
          params: { path: { group_id: groupId, sequence_id: sequenceId } },
        }),
      ),
    onSuccess: (_, sequenceId) =>
      announce({
        text: `Sequence ${sequenceId} is out of group ${groupId}.`,
        undo: { label: "Undo", run: () => reInclude.mutate(sequenceId) },
      }),
    onSettled: refresh,
  });
}

export type BulkOrder = { label: Label; isUnsure: boolean; force: boolean };

/**
 * One label for the group and every member that is not locked. It goes on when one leaves, and says what it did wherever
 * one is.
 */
export function useGroupLabelling(groupId: number) {
  const client = useQueryClient();
  const refresh = useRefresh();
  const announce = useAnnounce();
  const shown = useShown(groupId);
  const [progress, setProgress] = useState("");
  const labelling = useMutation({
    mutationFn: async ({ label, isUnsure, force }: BulkOrder) => {
      const sequence_ids = await readMemberIds(client, groupId, (read, total) =>
        setProgress(`Reading the members: ${read} of ${total}…`),
      );
      setProgress(`Labelling ${sequence_ids.length}…`);
      return ask(
        api.POST("/api/v1/annotations/sequences/bulk", {
          body: { ...label, sequence_ids, group_id: groupId, is_unsure: isUnsure, force },
        }),
      );
    },
    onSuccess: ({ applied, skipped }) => {
      if (shown.current === groupId) return;
      const left = skipped.length > 0 ? ` ${countOf(skipped.length, "other")} left alone.` : "";
      announce({ text: `Group ${groupId}: ${countOf(applied.length, "member")} labelled.${left}` });
    },
    onError: (error) => {
      if (shown.current === groupId) return;
      const text = `The members of group ${groupId} were not labelled: ${asProblem(error).detail}`;
      announce({ kind: "trouble", text });
    },
    onSettled: refresh,
  });
  return { labelling, progress };
}
