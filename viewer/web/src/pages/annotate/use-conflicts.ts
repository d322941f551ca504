import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { askStanding } from "../../review/questions";

/**
 * The sequences that are to be shown as contradicting their group: this one, and those that were met on the way here.
 * Each stays until it is dismissed; whether it still does is for its banner to say.
 */
export function useConflicts(sequenceId: number) {
  const [met, setMet] = useState<readonly number[]>([]);
  const [dismissed, setDismissed] = useState<readonly number[]>([]);
  const isHere = Boolean(useQuery(askStanding(sequenceId)).data?.annotation?.conflicts_with_group);
  const all = isHere && !met.includes(sequenceId) ? [...met, sequenceId] : met;
  return {
    shown: all.filter((id) => !dismissed.includes(id)),
    raise: (id: number) => {
      setMet((some) => (some.includes(id) ? some : [...some, id]));
      setDismissed((some) => some.filter((each) => each !== id));
    },
    dismiss: (id: number) => setDismissed((some) => [...some, id]),
  };
}
