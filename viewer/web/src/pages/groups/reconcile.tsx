import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { Button } from "../../components/button";
import { stepAddress } from "../../queue/queue";
import { useGroupUpdate, useRemoval } from "../../review/changes";
import { choiceOf } from "../../review/choice";
import { words } from "../../review/labels";
import { askStanding, type Group } from "../../review/questions";
import { useMayDecide } from "../../session/session";
import styles from "./reconcile.module.css";
import { Refused } from "./refused";

type Props = { group: Group; tag: string | null; sequenceId: number };

/** The three ways to make a sequence and its group say the same again, or to part them. */
export function Reconcile({ group, tag, sequenceId }: Props) {
  const { may, whyNot } = useMayDecide();
  const annotation = useQuery(askStanding(sequenceId)).data?.annotation ?? null;
  const update = useGroupUpdate(group.id, tag);
  const removal = useRemoval(group.id);
  const { label, isUnsure } = choiceOf(annotation);
  const isBusy = update.isPending || removal.isPending;
  const error = update.error ?? removal.error;
  return (
    <div className={styles.ways}>
      <Button onClick={() => removal.mutate(sequenceId)} disabled={!may || isBusy} title={whyNot}>
        Take the sequence out
      </Button>
      {label && (
        <Button
          onClick={() => update.mutate({ ...label, is_unsure: isUnsure, relabel_copies: true })}
          disabled={!may || isBusy}
          title={whyNot ?? "The labels that came through the group follow"}
        >
          Make the group {words(label)}
        </Button>
      )}
      <Link href={stepAddress({ sequenceId, at: 0 }, null)}>Label the sequence anew</Link>
      {error && (
        <Refused
          error={error}
          onDismiss={() => {
            update.reset();
            removal.reset();
          }}
        />
      )}
    </div>
  );
}
