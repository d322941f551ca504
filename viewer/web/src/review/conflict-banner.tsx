import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { Banner } from "../components/banner";
import { choiceOf } from "./choice";
import { labelOf, words } from "./labels";
import { askStanding } from "./questions";

/** Somebody else may reconcile the two. */
const REFRESH_MS = 5_000;

type Props = {
  sequenceId: number;
  onDismiss: () => void;
  /** What to do about it, where that can be done here. */
  children?: ReactNode;
};

/**
 * A sequence says something else than its validated group. It stays until it is dismissed or no longer so, whoever
 * reconciles the two and wherever.
 */
export function ConflictBanner({ sequenceId, onDismiss, children }: Props) {
  const { data } = useQuery({ ...askStanding(sequenceId), staleTime: 0, refetchInterval: REFRESH_MS });
  const annotation = data?.annotation;
  const conflict = annotation?.conflicts_with_group;
  if (!conflict) return null;
  const own = choiceOf(annotation).label;
  const groups = labelOf(conflict.label);
  return (
    <Banner kind="attention" onDismiss={onDismiss}>
      <strong>
        Sequence {sequenceId} is {own ? words(own) : "labelled otherwise"},{" "}
        <Link href={`/groups/${conflict.group_id}?sequence=${sequenceId}`}>group {conflict.group_id}</Link> is{" "}
        {groups ? words(groups) : "not"}.
      </strong>{" "}
      The sequence's own label is saved; nothing spread. Take the sequence out of the group, or give one of
      the two the other label.
      {children}
    </Banner>
  );
}
