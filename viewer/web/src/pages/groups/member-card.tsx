import { Link } from "wouter";
import { Badge } from "../../components/badge";
import { Button } from "../../components/button";
import { Moment, Name, plain, Score } from "../../components/words";
import { FramePicture } from "../../frames/frame-picture";
import { annotateAddress } from "../../queue/queue";
import { labelOf, words } from "../../review/labels";
import type { Group, Member } from "../../review/questions";
import { useMayDecide } from "../../session/session";
import styles from "./member-card.module.css";

/** How a member came by its label. */
const ORIGINS: Readonly<Record<NonNullable<Member["origin"]>, string>> = {
  person: "looked at",
  propagated: "through the group",
  bulk: "with the group",
  inherited: "on joining",
};

type Props = {
  member: Member;
  group: Group;
  /** Its place among the members, from 0. */
  at: number;
  disagrees: boolean;
  onRemove: () => void;
};

export function MemberCard({ member, group, at, disagrees, onRemove }: Props) {
  const { may, whyNot } = useMayDecide();
  const { sequence_id: id } = member;
  return (
    <article className={`${styles.card} ${disagrees ? styles.disagrees : ""}`} aria-label={`Sequence ${id}`}>
      <MemberPicture member={member} region={group.representative_bbox.xyxyn} />
      <div className={styles.facts}>
        <Link href={`/sequences/${id}`}>
          Sequence <span className="number">{id}</span>
        </Link>
        <span title="Score">
          <span className="unseen">Score </span>
          <Score value={member.score} />
        </span>
      </div>
      <p className={styles.time}>
        <Moment iso={member.recorded_at} />
      </p>
      <MemberStanding member={member} disagrees={disagrees} />
      <div className={styles.actions}>
        <Link href={annotateAddress(id, `group=${group.id}`, { source: "group", at })}>
          Annotate<span className="unseen"> sequence {id}</span>
        </Link>
        <Button kind="quiet" onClick={onRemove} disabled={!may} title={whyNot}>
          Take out<span className="unseen"> sequence {id}</span>
        </Button>
      </div>
    </article>
  );
}

export function MemberPicture({
  member,
  region,
}: {
  member: Member;
  region?: Group["representative_bbox"]["xyxyn"];
}) {
  if (member.first_detection_id === null) {
    return <p className={styles.none}>Sequence {member.sequence_id} has no frame in the backlog.</p>;
  }
  return (
    <FramePicture
      detectionId={member.first_detection_id}
      sequenceId={member.sequence_id}
      width={region ? 640 : 160}
      boxes={member.first_detection_boxes.map((box) => box.xyxyn)}
      region={region}
      alt={`First frame of sequence ${member.sequence_id}`}
    />
  );
}

function MemberStanding({ member, disagrees }: { member: Member; disagrees: boolean }) {
  const stage = member.annotation_processing_stage;
  const label = labelOf(member);
  if (stage === null)
    return (
      <p className={styles.standing}>
        <Badge tone="muted">no annotation</Badge>
      </p>
    );
  return (
    <p className={styles.standing}>
      {label && (
        <Badge tone={disagrees ? "signal" : label.smoke_type ? "ember" : "plain"}>{words(label)}</Badge>
      )}
      {!label && member.origin && stage !== "ready_to_annotate" && (
        <Badge>{member.is_unsure ? "nothing named" : "several things"}</Badge>
      )}
      {member.is_unsure && <Badge tone="ember">unsure</Badge>}
      <Badge tone="muted">{plain(stage)}</Badge>
      <span className={styles.minor}>
        {label && member.origin && ORIGINS[member.origin]}
        {member.contributors.map(({ username }) => (
          <span key={username}>
            {" · "}
            <Name of={username} />
          </span>
        ))}
      </span>
    </p>
  );
}
