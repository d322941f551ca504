import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { Banner } from "../../components/banner";
import { countOf, plain } from "../../components/words";
import styles from "./bulk-result.module.css";

const NAMED = 20;

type Props = { result: Schemas["BulkRead"]; onDismiss: () => void };

/** What came of each sequence: how many took the label, and which did not and why. */
export function BulkResult({ result, onDismiss }: Props) {
  const { applied, skipped, group_label_updated: isGroupUpdated } = result;
  const reasons = byReason(skipped);
  return (
    <Banner kind={applied.length > 0 ? "calm" : "note"} onDismiss={onDismiss}>
      <p>
        {applied.length > 0 ? `${countOf(applied.length, "member")} labelled.` : "No member took the label."}{" "}
        {isGroupUpdated
          ? "The group carries it now."
          : applied.length === 0 && "So the group's label stays as it is."}
      </p>
      {[...reasons].map(([reason, some]) => (
        <p key={reason} className={styles.skipped}>
          {countOf(some.length, "member")} left as {some.length === 1 ? "it is" : "they are"}, {plain(reason)}
          :{" "}
          {some.slice(0, NAMED).map((id) => (
            <Link key={id} href={`/sequences/${id}`} className={`number ${styles.id}`}>
              {id}
            </Link>
          ))}
          {some.length > NAMED && `and ${some.length - NAMED} more`}
        </p>
      ))}
    </Banner>
  );
}

function byReason(skipped: Schemas["BulkRead"]["skipped"]): ReadonlyMap<string, readonly number[]> {
  const reasons = new Map<string, number[]>();
  for (const { sequence_id, reason } of skipped) {
    const said = reason ?? "no reason given";
    reasons.set(said, [...(reasons.get(said) ?? []), sequence_id]);
  }
  return reasons;
}
