import type { Schemas } from "../../api/client";
import { plain } from "../../components/words";

type Run = Schemas["RunRead"];

const ASSETS = ["raw_sequences", "frame_shards", "predictions", "sequence_groups", "worklists"] as const;

type Asset = (typeof ASSETS)[number];

/** Why nobody can say that everything is made of what there is now, whether or not there is a next step. */
export function doubtsOf(run: Run): string[] {
  return [
    ...ASSETS.flatMap((asset) => (run[asset].trouble === null ? [] : [`${plain(asset)} cannot be read`])),
    ...doubtsOfParts("raw_sequences", run.raw_sequences.stored?.organizations ?? []),
    ...doubtsOfParts("frame_shards", run.frame_shards.stored?.organizations ?? []),
    ...(run.predictions.stored?.models ?? [])
      .filter(({ coverage, trouble }) => coverage === null || trouble !== null)
      .map(({ name }) => `what ${name} has scored is not wholly known`),
    ...(run.sequence_groups.stored?.waiting === null ? ["what waits to be grouped is not known"] : []),
    ...doubtsOfWorklists(run.worklists.stored),
    ...ASSETS.flatMap((asset) => doubtsOfEvents(asset, run[asset].events)),
    ...doubtsOfDagster(run),
  ];
}

function doubtsOfParts(asset: Asset, parts: readonly { key: string; trouble: string | null }[]): string[] {
  return parts
    .filter(({ trouble }) => trouble !== null)
    .map(({ key }) => `${plain(asset)} of ${key} cannot be read`);
}

function doubtsOfWorklists(stored: Schemas["WorklistsStored"] | null): string[] {
  if (stored === null) return [];
  const { missing, gone, scored_since, decided_since, review_trouble } = stored;
  const isBacklogKnown = missing !== null && gone !== null && scored_since !== null;
  return [
    ...(isBacklogKnown ? [] : ["how far the worklists are behind is not known"]),
    ...(decided_since === null || review_trouble !== null ? ["what was decided since is not known"] : []),
  ];
}

function doubtsOfEvents(asset: Asset, events: Schemas["EventsRead"] | null): string[] {
  if (events === null) return [];
  const behind = (events.behind ?? []).map(plain).join(" and ");
  return [
    ...events.checks
      .filter(({ is_passed, severity }) => is_passed === false && severity === "error")
      .map(({ name, key }) => `the check ${plain(name)} of ${key ?? plain(asset)} failed`),
    ...(behind === "" ? [] : [`${plain(asset)} were made before the latest ${behind}`]),
  ];
}

function doubtsOfDagster(run: Run): string[] {
  const { state, last_failed_run: failed } = run.dagster;
  if (state === "asking") return ["Dagster has not answered yet"];
  if (state === "unreachable") return ["Dagster cannot be asked"];
  if (failed === null) return [];
  const asked = ASSETS.filter((asset) => failed.assets.length === 0 || failed.assets.includes(asset));
  const unmade = asked.filter((asset) => !isMadeSince(failed, run[asset].events));
  return unmade.length === 0 ? [] : [`the last run of ${unmade.map(plain).join(", ")} failed`];
}

/** Whether an asset was materialized by a failed run before it failed, or by a later one. */
function isMadeSince(failed: Schemas["FailedRun"], events: Schemas["EventsRead"] | null): boolean {
  const ofOrganization = events?.organizations.find(({ key }) => key === failed.key);
  const at = (ofOrganization ?? events?.last)?.at;
  return at !== undefined && new Date(at) >= new Date(failed.created_at);
}
