import { useQuery } from "@tanstack/react-query";
import { api, ask, type Schemas } from "../../../api/client";
import { keys } from "../../../api/keys";

const DECISIONS_SHOWN = 20;

/** Who did what to a sequence, the latest first: so many as are shown, and how many there are. */
export function useDecisions(sequenceId: number) {
  return useQuery({
    queryKey: keys.reviewed("sequence decisions", sequenceId),
    queryFn: ({ signal }) =>
      ask(
        api.GET("/api/v1/sequences/{sequence_id}/decisions", {
          params: { path: { sequence_id: sequenceId }, query: { size: DECISIONS_SHOWN } },
          signal,
        }),
      ),
  });
}

/** A sequence's group without its members; nothing for none. */
export function useGroup(groupId: number | null) {
  return useQuery({
    queryKey: keys.reviewed("group of a sequence", groupId),
    enabled: groupId !== null,
    queryFn: async ({ signal }) =>
      (await ask(
        api.GET("/api/v1/sequence_groups/{group_id}", {
          params: { path: { group_id: groupId ?? 0 }, query: { members_size: 1 } },
          signal,
        }),
      )) as Schemas["GroupReadWithMembers"],
  });
}
