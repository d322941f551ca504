import { Link } from "wouter";
import { Banner } from "../../components/banner";
import { Button } from "../../components/button";
import { countOf, Moment, Name } from "../../components/words";
import { annotateAddress } from "../../queue/queue";
import { useGroupUpdate } from "../../review/changes";
import { Angle, GroupBadges } from "../../review/group-words";
import type { Group } from "../../review/questions";
import { useMayDecide } from "../../session/session";
import styles from "./group-head.module.css";
import { Refused } from "./refused";
import { ScoreRange } from "./score-range";

/** Which group it is, and whether its members are one thing. */
export function GroupHead({ group, tag }: { group: Group; tag: string | null }) {
  const { may, whyNot } = useMayDecide();
  const update = useGroupUpdate(group.id, tag);
  const setValidated = (is_validated: boolean) => update.mutate({ is_validated });
  const first = group.members[0];
  return (
    <header className={styles.head}>
      <div className={styles.names}>
        <p className={styles.way}>
          <Link href="/groups">Groups</Link> › <Name of={group.organisation_name} /> ›{" "}
          <Link href={`/cameras/${group.camera_id}?azimuth=${group.azimuth}`}>
            <Name of={group.camera_name} />, <Angle azimuth={group.azimuth} />
          </Link>
        </p>
        <div className={styles.title}>
          <h1>Group {group.id}</h1>
          <span className="number">{countOf(group.member_count, "member")}</span>
          <GroupBadges group={group} />
        </div>
        {group.is_validated && (
          <p className={styles.minor}>
            Validated by <Name of={group.validated_by_username ?? "somebody"} />,{" "}
            <Moment iso={group.validated_at} />
          </p>
        )}
      </div>
      <ScoreRange lowest={group.lowest_score} highest={group.highest_score} />
      <div className={styles.actions}>
        {first && (
          <Link
            className={styles.action}
            href={annotateAddress(first.sequence_id, `group=${group.id}`, {
              source: "group",
              at: (group.members_page - 1) * group.members_size,
            })}
          >
            Annotate the members
          </Link>
        )}
        {group.is_validated ? (
          <Button onClick={() => setValidated(false)} disabled={!may || update.isPending} title={whyNot}>
            Take the validation back
          </Button>
        ) : (
          <Button
            kind="calm"
            onClick={() => setValidated(true)}
            disabled={!may || update.isPending}
            title={whyNot ?? "The members are one thing: the label of one goes to all"}
          >
            Validate
          </Button>
        )}
      </div>
      {update.error && (
        <Refused error={update.error} onDismiss={update.reset}>
          The validation is as it was.
        </Refused>
      )}
      {!group.is_validated && group.member_count > 1 && (
        <Banner kind="note">
          Are all of these one thing? Take out what is not and validate: then one member's label goes to all
          others.
        </Banner>
      )}
    </header>
  );
}
