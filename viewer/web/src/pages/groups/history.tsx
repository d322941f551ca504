import { useQuery } from "@tanstack/react-query";
import { Trouble } from "../../components/states";
import { Moment, Name } from "../../components/words";
import { describeDecision } from "../../review/decision-words";
import { askDecisions } from "../../review/questions";
import { useSession } from "../../session/session";
import styles from "./history.module.css";
import { Pager } from "./pager";
import { Panel } from "./panel";

const SHOWN = 20;

type Props = { groupId: number; page: number; onPage: (page: number) => void };

/** Who decided what about the group, the latest first. */
export function History({ groupId, page, onPage }: Props) {
  const { data, error } = useQuery(askDecisions(groupId, page, SHOWN));
  const isCopy = useSession().data?.copied_groups != null;
  return (
    <Panel title="Decisions">
      {error && <Trouble error={error} />}
      {data?.total === 0 && (
        <p className={styles.minor}>
          {isCopy
            ? "Each decision, and who annotated which member, is in the review database alone, not in the store."
            : "Nobody has decided anything about this group yet."}
        </p>
      )}
      {data && data.total > 0 && (
        <>
          <ol className={styles.lines}>
            {data.items.map((decision) => (
              <li key={decision.id}>
                <span className={styles.minor}>
                  <Moment iso={decision.at} />
                </span>{" "}
                <strong>{decision.by === null ? "The assignment" : <Name of={decision.by} />}</strong>{" "}
                {describeDecision(decision)}
              </li>
            ))}
          </ol>
          {data.total > SHOWN && (
            <Pager of="decisions" page={data.page} size={SHOWN} total={data.total} onPage={onPage} />
          )}
        </>
      )}
    </Panel>
  );
}
