import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "../../api/client";
import { keys } from "../../api/keys";

/** What the split's page begins with; by itself, so that it can be asked for before the page's script is there. */
export const askFacets = queryOptions({
  queryKey: keys.stored("triage", "facets"),
  queryFn: ({ signal }) => ask(api.GET("/api/v1/triage/facets", { signal })),
});
