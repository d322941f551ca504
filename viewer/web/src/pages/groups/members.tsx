import { useState } from "react";
import { asProblem } from "../../api/problem";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { Empty } from "../../components/states";
import { countOf } from "../../components/words";
import { useRemoval } from "../../review/changes";
import { isCopied } from "../../review/labels";
import type { Group, Member } from "../../review/questions";
import { useMayDecide } from "../../session/session";
import { MemberCard } from "./member-card";
import styles from "./members.module.css";
import { Pager } from "./pager";

type Props = { group: Group; onPage: (page: number) => void };

/** One page of the members, oldest first, each with the group's region drawn at the same place. */
export function Members({ group, onPage }: Props) {
  const { members_page: page, members_size: size } = group;
  const [leaving, setLeaving] = useState<Member | null>(null);
  const disagreeing = group.members.filter((member) => disagrees(group, member)).length;
  const pages = { of: "members", page, size, total: group.members_total, onPage };
  return (
    <section className={styles.members} aria-label="Members">
      <div className={styles.bar}>
        <Pager {...pages} />
        <span className={styles.legend}>
          <span className={styles.box} /> found in the frame <span className={styles.region} /> the group's
          region
        </span>
      </div>
      {disagreeing > 0 && (
        <p className={styles.conflict}>
          {countOf(disagreeing, "member")} here labelled otherwise than the group.
        </p>
      )}
      {group.members_total === 0 && (
        <Empty title="Everybody was taken out">
          <p>The group stays as it was defined: whatever appears in its region joins it.</p>
        </Empty>
      )}
      <ul className={styles.grid}>
        {group.members.map((member, place) => (
          <li key={member.sequence_id}>
            <MemberCard
              member={member}
              group={group}
              at={(page - 1) * size + place}
              disagrees={disagrees(group, member)}
              onRemove={() => setLeaving(member)}
            />
          </li>
        ))}
      </ul>
      {group.members_total > size && <Pager {...pages} isRepeated />}
      {leaving !== null && (
        <RemovalDialog groupId={group.id} member={leaving} onClose={() => setLeaving(null)} />
      )}
    </section>
  );
}

/** Whether a member was labelled as something else than its validated group. */
function disagrees(group: Group, member: Group["members"][number]): boolean {
  const own = member.smoke_type ?? member.false_positive_type;
  if (!group.is_validated || group.label_state !== "labeled" || own === null) return false;
  return (
    member.annotation_processing_stage !== "under_annotation" &&
    (member.smoke_type !== group.smoke_type || member.false_positive_type !== group.false_positive_type)
  );
}

type RemovalProps = { groupId: number; member: Member; onClose: () => void };

function RemovalDialog({ groupId, member, onClose }: RemovalProps) {
  const { sequence_id: sequenceId, origin } = member;
  const removal = useRemoval(groupId);
  const { may, whyNot } = useMayDecide();
  return (
    <Dialog title={`Take sequence ${sequenceId} out of group ${groupId}?`} onClose={onClose}>
      <p>
        It stays out, also at the next assignment, until somebody puts it back.{" "}
        {isCopied(origin)
          ? "The label that came through the group no longer counts: the sequence is back in the worklists."
          : origin !== null && "Its own label stays."}
      </p>
      {removal.error && <p role="alert">{asProblem(removal.error).detail}</p>}
      <div className={styles.answers}>
        <Button onClick={onClose}>Keep it</Button>
        <Button
          kind="danger"
          disabled={!may || removal.isPending}
          title={whyNot}
          onClick={() => removal.mutate(sequenceId, { onSuccess: onClose })}
        >
          Take it out
        </Button>
      </div>
    </Dialog>
  );
}
