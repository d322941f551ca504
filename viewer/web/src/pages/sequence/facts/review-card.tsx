import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "wouter";
import type { Schemas } from "../../../api/client";
import { asProblem } from "../../../api/problem";
import { Badge } from "../../../components/badge";
import { count, countOf, Moment, Name, plain } from "../../../components/words";
import { GroupBadges } from "../../../review/group-words";
import { isCopied, labelOf, words } from "../../../review/labels";
import { Card, Fact, Facts } from "./card";
import { type Decision, describeDecision } from "./decision-words";
import styles from "./review-card.module.css";
import { useDecisions } from "./use-review";

type Group = Schemas["GroupReadWithMembers"];
type Standing = Schemas["StandingRead"];

type Props = {
  sequenceId: number;
  standing: UseQueryResult<Standing>;
  group: UseQueryResult<Group>;
};

const SKIPPED: Readonly<Record<Schemas["SkippedReason"], string>> = {
  no_camera: "It cannot be grouped: nobody knows its camera.",
  no_azimuth: "It cannot be grouped: nobody knows in which direction its camera looked.",
  no_valid_box: "It cannot be grouped: none of its first frames has a valid box.",
};

/** What recurs with it, and what people have said and done. */
export function ReviewCard({ sequenceId, standing, group }: Props) {
  return (
    <Card title="Group and annotation">
      {standing.isError && <NotThere error={standing.error} />}
      {standing.data && (
        <Facts>
          <Fact name="Group">
            <GroupWords standing={standing.data} group={group} />
          </Fact>
          <Fact name="Annotation">
            <AnnotationWords annotation={standing.data.annotation} isOut={standing.data.is_group_excluded} />
          </Fact>
        </Facts>
      )}
      {standing.data && <Decisions sequenceId={sequenceId} />}
    </Card>
  );
}

/** That it waits for the next assignment is no trouble; that nobody can tell is. */
function NotThere({ error }: { error: unknown }) {
  const { status, detail } = asProblem(error);
  return <p className={status === 404 ? styles.muted : styles.trouble}>{detail}</p>;
}

function GroupWords({ standing, group }: { standing: Standing; group: UseQueryResult<Group> }) {
  if (standing.group_id !== null) {
    return (
      <span className={styles.words}>
        <Link href={`/groups/${standing.group_id}`}>
          Group <span className="number">{standing.group_id}</span>
        </Link>
        {group.data && (
          <>
            <span>{countOf(group.data.member_count, "member")}</span>
            <GroupBadges group={group.data} />
          </>
        )}
        {group.isError && <span className={styles.trouble}>{asProblem(group.error).detail}</span>}
      </span>
    );
  }
  if (standing.is_group_excluded) {
    return (
      <>
        Taken out
        {standing.excluded_from === null ? (
          " of a group that is gone since"
        ) : (
          <>
            {" of "}
            <Link href={`/groups/${standing.excluded_from}`}>
              group <span className="number">{standing.excluded_from}</span>
            </Link>
            , where it can be let in again
          </>
        )}
        .
      </>
    );
  }
  if (standing.skipped_reason !== null) return SKIPPED[standing.skipped_reason];
  return "None yet: it waits for the next assignment.";
}

type AnnotationProps = { annotation: Schemas["SequenceAnnotationRead"] | null; isOut: boolean };

function AnnotationWords({ annotation, isOut }: AnnotationProps) {
  if (annotation === null) return "None yet.";
  const { smoke_types, false_positive_types, is_unsure, processing_stage, origin } = annotation;
  const conflict = annotation.conflicts_with_group;
  const label = conflict && labelOf(conflict.label);
  return (
    <>
      <span className={styles.words}>
        {smoke_types.map((type) => (
          <Badge key={type} tone="ember">
            {words({ smoke_type: type, false_positive_type: null })}
          </Badge>
        ))}
        {false_positive_types.map((type) => (
          <Badge key={type}>{words({ smoke_type: null, false_positive_type: type })}</Badge>
        ))}
        {is_unsure && <Badge tone="ember">unsure</Badge>}
        <span>{plain(processing_stage)}</span>
      </span>
      <span className={styles.muted}>
        {ORIGINS[origin] && `${ORIGINS[origin]}, `}
        {annotation.contributors.map(({ username }, place) => (
          <span key={username}>
            {place === 0 && "by "}
            <Name of={username} />
            {", "}
          </span>
        ))}
        <Moment iso={annotation.updated_at} />
      </span>
      {isOut && isCopied(origin) && (
        <span>It came through the group that the sequence was taken out of, and does not count.</span>
      )}
      {conflict && (
        <span className={styles.trouble}>
          Its{" "}
          <Link href={`/groups/${conflict.group_id}`}>
            group <span className="number">{conflict.group_id}</span>
          </Link>{" "}
          is labelled otherwise{label && `: ${words(label)}`}.
        </span>
      )}
    </>
  );
}

/** Beside the names of who contributed, which an assignment and a copy of the store's groups have none of. */
const ORIGINS: Readonly<Record<Schemas["Origin"], string>> = {
  person: "",
  propagated: "through its group",
  bulk: "with others",
  inherited: "taken over from its group",
};

function Decisions({ sequenceId }: { sequenceId: number }) {
  const { data, error } = useDecisions(sequenceId);
  if (error) return <p className={styles.trouble}>{asProblem(error).detail}</p>;
  if (!data || data.total === 0) return null;
  return (
    <div>
      <h4 className={styles.title}>Decisions</h4>
      <ol className={styles.decisions}>
        {data.items.map((decision) => (
          <DecisionLine key={decision.id} decision={decision} />
        ))}
      </ol>
      {data.total > data.items.length && (
        <p className={styles.muted}>
          The latest <span className="number">{count(data.items.length)}</span> of{" "}
          <span className="number">{count(data.total)}</span>.
        </p>
      )}
    </div>
  );
}

function DecisionLine({ decision }: { decision: Decision }) {
  return (
    <li>
      <Moment iso={decision.at} /> {decision.by === null ? "The assignment" : <Name of={decision.by} />}{" "}
      {describeDecision(decision)}
    </li>
  );
}
