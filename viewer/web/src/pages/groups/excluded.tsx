import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { Button } from "../../components/button";
import { Trouble } from "../../components/states";
import { Moment } from "../../components/words";
import { useReInclusion } from "../../review/changes";
import { askExcluded } from "../../review/questions";
import { useMayDecide } from "../../session/session";
import styles from "./excluded.module.css";
import { MemberPicture } from "./member-card";
import { Pager } from "./pager";
import { Panel } from "./panel";

const SHOWN = 10;

type Props = { groupId: number; page: number; onPage: (page: number) => void };

/** What was taken out of the group, and the way back. */
export function Excluded({ groupId, page, onPage }: Props) {
  const { data, error } = useQuery(askExcluded(groupId, page, SHOWN));
  const { may, whyNot } = useMayDecide();
  const reInclude = useReInclusion();
  return (
    <Panel title="Taken out">
      {error && <Trouble error={error} />}
      {data?.total === 0 && <p className={styles.none}>Nothing was taken out of this group.</p>}
      {data && data.total > 0 && (
        <>
          <ul className={styles.list}>
            {data.items.map((member) => (
              <li key={member.sequence_id} className={styles.item}>
                <span className={styles.picture}>
                  <MemberPicture member={member} />
                </span>
                <span>
                  <Link href={`/sequences/${member.sequence_id}`}>
                    Sequence <span className="number">{member.sequence_id}</span>
                  </Link>
                  <br />
                  <span className={styles.none}>
                    <Moment iso={member.recorded_at} />
                  </span>
                </span>
                <Button
                  onClick={() => reInclude.mutate(member.sequence_id)}
                  disabled={!may || reInclude.isPending}
                  title={whyNot}
                >
                  Put back<span className="unseen"> sequence {member.sequence_id}</span>
                </Button>
              </li>
            ))}
          </ul>
          {data.total > SHOWN && (
            <Pager of="taken out" page={data.page} size={SHOWN} total={data.total} onPage={onPage} />
          )}
        </>
      )}
    </Panel>
  );
}
