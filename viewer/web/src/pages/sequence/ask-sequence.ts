import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "../../api/client";
import { keys } from "../../api/keys";
import type { Sequence } from "./selection";

/** All that the server knows of one sequence. */
export function askSequence(sequenceId: number) {
  return queryOptions({
    queryKey: keys.stored("sequence", sequenceId),
    queryFn: async ({ signal }) =>
      (await ask(
        api.GET("/api/v1/sequences/{sequence_id}", {
          params: { path: { sequence_id: sequenceId } },
          signal,
        }),
      )) as Sequence,
  });
}
