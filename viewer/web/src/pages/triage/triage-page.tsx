import { useEffect, useRef } from "react";
import { asProblem } from "../../api/problem";
import { useAnnounce } from "../../components/announcements";
import { Empty, Loading, Trouble } from "../../components/states";
import { SplitView } from "./split-view";
import { type Facets, useFacets } from "./use-split";

/** The split: which sequences people are to look at, at which threshold, and every one of them. */
export default function TriagePage() {
  const facets = useFacets();
  if (facets.data) return <Opened facets={facets.data} />;
  if (facets.isPending) return <Loading what="the split" />;
  if (asProblem(facets.error).status === 404) {
    return (
      <Empty title="No worklists yet">
        <p>{asProblem(facets.error).detail}</p>
        <p>This page looks again every few seconds.</p>
      </Empty>
    );
  }
  return <Trouble error={facets.error} onRetry={() => void facets.refetch()} />;
}

function Opened({ facets }: { facets: Facets }) {
  const announce = useAnnounce();
  const version = useRef(facets.version);
  useEffect(() => {
    if (version.current === facets.version) return;
    version.current = facets.version;
    announce({ text: "Newer worklists: showing them now." });
  }, [facets.version, announce]);
  if (facets.sequences === 0) {
    return (
      <Empty title="The backlog is empty">
        <p>
          No sequence waits for annotation: there is nothing to split. What the next run pulls appears here.
        </p>
      </Empty>
    );
  }
  return <SplitView facets={facets} />;
}
