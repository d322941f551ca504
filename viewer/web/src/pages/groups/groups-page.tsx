import { useQuery } from "@tanstack/react-query";
import { useLayoutEffect } from "react";
import { Link, useSearch } from "wouter";
import { misreadIn, useAddress } from "../../address/address";
import {
  EVERY_GROUP,
  type GroupsState,
  groupsFields,
  groupsQuery,
  isNarrowed,
  LEAST_MEMBERS,
} from "../../address/groups";
import type { Schemas } from "../../api/client";
import { Button } from "../../components/button";
import { Misread } from "../../components/misread";
import { Empty, Loading, Trouble } from "../../components/states";
import { Count } from "../../components/words";
import { annotateAddress } from "../../queue/queue";
import { AssignmentButton } from "../../review/assignment";
import { askGroups } from "../../review/questions";
import { CopiedGroups } from "../../session/copied-groups";
import { GroupsFilters } from "./groups-filters";
import styles from "./groups-page.module.css";
import { GroupsTable } from "./groups-table";
import { Pager } from "./pager";

export default function GroupsPage() {
  const [state, change] = useAddress(groupsFields);
  const misread = misreadIn(groupsFields, new URLSearchParams(useSearch()));
  const page = state.page ?? 1;
  const size = Number(state.size);
  const query = groupsQuery(state, page, size);
  const { data, error, isPlaceholderData, refetch } = useQuery(askGroups(query));
  const toPage = (next: number) => change({ page: next === 1 ? null : next }, { keepHistory: true });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page is read from its beginning
  useLayoutEffect(() => {
    window.scrollTo(0, 0);
  }, [page]);
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <h1>Groups</h1>
        <p className={styles.lead}>
          What one camera keeps raising alarms about at one angle. Validate a group, and one label goes to all
          of it.
        </p>
        {data && data.items.length > 0 && <AnnotateThese items={data.items} at={(page - 1) * size} />}
        <AssignmentButton />
      </header>
      <CopiedGroups />
      <Misread parameters={misread} />
      <GroupsFilters state={state} change={change} stats={data?.stats} />
      {error && <Trouble error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Loading what="the groups" />}
      {data && (
        <section aria-label="Groups" className={isPlaceholderData ? styles.stale : undefined}>
          {data.total > 0 ? (
            <>
              <Pager of="groups" page={data.page} size={size} total={data.total} onPage={toPage} />
              <GroupsTable items={data.items} state={state} change={change} />
              {data.total > size && (
                <Pager
                  of="groups"
                  page={data.page}
                  size={size}
                  total={data.total}
                  onPage={toPage}
                  isRepeated
                />
              )}
            </>
          ) : (
            <NoGroups state={state} stats={data.stats} change={change} />
          )}
        </section>
      )}
    </div>
  );
}

/** The first member of each group of the list, one after the other. */
function AnnotateThese({ items, at }: { items: readonly Schemas["GroupListItemRead"][]; at: number }) {
  const first = items[0]?.thumbnails[0];
  if (!first) return null;
  return (
    <Link
      className={styles.action}
      href={annotateAddress(first.sequence_id, window.location.search, { source: "groups", at })}
    >
      Annotate one of each
    </Link>
  );
}

type NoGroupsProps = {
  state: GroupsState;
  stats: Schemas["GroupStatsRead"];
  change: (part: Partial<GroupsState>) => void;
};

/** Why there is none, and what there is instead. */
function NoGroups({ state, stats, change }: NoGroupsProps) {
  const others = stats.labeled + stats.unsure + stats.unlabeled;
  const singletons = (
    <p>
      Things that were seen once are not listed: one sequence has nothing to repeat. Groups begin at{" "}
      {LEAST_MEMBERS} members.
    </p>
  );
  if (others > 0 && state.label_state !== "all") {
    const isDone = state.label_state === "unlabeled" && !isNarrowed(state);
    return (
      <Empty title={isDone ? "Every group has a label" : `No group here is ${state.label_state}`}>
        <p>
          <Count n={others} /> with another label state {others === 1 ? "is" : "are"} in this list.
        </p>
        <Button onClick={() => change({ label_state: "all", page: null })}>Show all of them</Button>
        {singletons}
      </Empty>
    );
  }
  if (isNarrowed(state)) {
    return (
      <Empty title="No group matches these filters">
        <Button onClick={() => change(EVERY_GROUP)}>Clear the filters</Button>
        {singletons}
      </Empty>
    );
  }
  return (
    <Empty title="Nothing is grouped yet">
      <p>
        Groups come from an assignment: of two sequences whose boxes meet, at one camera and angle. The run
        makes one after each pull; <q>Run assignment</q> above makes one now.
      </p>
      {singletons}
    </Empty>
  );
}
