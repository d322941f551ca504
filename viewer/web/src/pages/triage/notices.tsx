import { Banner } from "../../components/banner";
import { countOf, Name } from "../../components/words";
import type { Facets } from "./use-split";

/** What everybody must be told before they trust what is below. */
export function Notices({ facets }: { facets: Facets }) {
  const cautions = facets.models.flatMap(({ caution }) => caution ?? []);
  const news = [
    facets.decided_since ? countOf(facets.decided_since, "decision") : [],
    facets.groups_changed_since ? `${countOf(facets.groups_changed_since, "group")} new or changed` : [],
  ].flat();
  return (
    <>
      {facets.trouble !== null && (
        <Banner kind="attention">Not the latest state of the store. {facets.trouble}</Banner>
      )}
      {facets.split_without.map((left) => (
        <Banner key={left} kind="attention">
          Split without a model: <Name of={left} />
        </Banner>
      ))}
      {cautions.map((caution) => (
        <Banner key={caution} kind="note">
          <Name of={caution} />
        </Banner>
      ))}
      {news.length > 0 && (
        <Banner kind="note">
          {news.join(" and ")} since these worklists were written. They follow by themselves while Dagster's
          daemon runs, else with <code>triage worklists</code>.
        </Banner>
      )}
      {facets.review_trouble !== null && <Banner kind="note">{facets.review_trouble}</Banner>}
    </>
  );
}
