import { useQuery } from "@tanstack/react-query";
import { type Fields, integer, useAddress } from "../../address/address";
import { Loading, Trouble } from "../../components/states";
import { ConflictBanner } from "../../review/conflict-banner";
import { askGroup } from "../../review/questions";
import { CopiedGroups } from "../../session/copied-groups";
import { Excluded } from "./excluded";
import { GroupHead } from "./group-head";
import { GroupLabel } from "./group-label";
import styles from "./group-page.module.css";
import { History } from "./history";
import { Members } from "./members";
import { Reconcile } from "./reconcile";

type GroupState = {
  page: number | null;
  /** A member that says something else than the group. */
  sequence: number | null;
  excluded: number | null;
  history: number | null;
};

const groupFields: Fields<GroupState> = {
  page: integer(1, 2 ** 31),
  sequence: integer(1),
  excluded: integer(1, 2 ** 31),
  history: integer(1, 2 ** 31),
};

const MEMBERS_SHOWN = 50;

export default function GroupPage({ groupId }: { groupId: number }) {
  const [state, change] = useAddress(groupFields);
  const page = state.page ?? 1;
  const { data, error, refetch } = useQuery(askGroup(groupId, page, MEMBERS_SHOWN));
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="the group" />;
  const { group, tag } = data;
  return (
    <div className={styles.page}>
      <CopiedGroups />
      {error && <Trouble error={error} onRetry={() => void refetch()} />}
      {state.sequence !== null && (
        <ConflictBanner sequenceId={state.sequence} onDismiss={() => change({ sequence: null })}>
          <Reconcile group={group} tag={tag} sequenceId={state.sequence} />
        </ConflictBanner>
      )}
      <GroupHead group={group} tag={tag} />
      <div className={styles.columns}>
        <Members
          group={group}
          onPage={(next) => change({ page: next === 1 ? null : next }, { keepHistory: true })}
        />
        <aside className={styles.aside} aria-label="What is said of the group">
          <GroupLabel group={group} tag={tag} />
          <Excluded
            groupId={groupId}
            page={state.excluded ?? 1}
            onPage={(excluded) => change({ excluded })}
          />
          <History groupId={groupId} page={state.history ?? 1} onPage={(history) => change({ history })} />
        </aside>
      </div>
    </div>
  );
}
