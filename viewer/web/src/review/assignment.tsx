import { useIsMutating, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, ask, type Schemas } from "../api/client";
import { keys } from "../api/keys";
import { asProblem } from "../api/problem";
import { useAnnounce } from "../components/announcements";
import { Button } from "../components/button";
import { count, countOf, plain } from "../components/words";
import { useMayDecide } from "../session/session";

const ASSIGN = ["assign"] as const;

/** Find a group for every sequence that has none. It goes on when one leaves, and says what it did wherever one is. */
export function AssignmentButton() {
  const client = useQueryClient();
  const announce = useAnnounce();
  const { may, whyNot } = useMayDecide();
  const isRunning = useIsMutating({ mutationKey: ASSIGN }) > 0;
  const assign = useMutation({
    mutationKey: ASSIGN,
    mutationFn: () => ask(api.POST("/api/v1/sequence_groups/assign")),
    onSuccess: (report) => {
      announce({ text: describe(report) });
      return client.invalidateQueries({ queryKey: keys.reviewed() });
    },
    onError: (error) => announce({ kind: "trouble", text: `No assignment: ${asProblem(error).detail}` }),
  });
  return (
    <Button onClick={() => assign.mutate()} disabled={!may || isRunning} title={whyNot}>
      {isRunning ? <span role="status">Assigning… this goes on if you leave</span> : "Run assignment"}
    </Button>
  );
}

function describe(report: Schemas["AssignmentRead"]): string {
  if (report.already_running) return "An assignment is running already: this one changed nothing.";
  const reasons = Object.entries(report.skipped)
    .filter(([, n]) => n > 0)
    .map(([reason, n]) => `${n} with ${plain(reason)}`);
  const leftOut = reasons.length > 0 ? ` Cannot be grouped: ${reasons.join(", ")}.` : "";
  const assigned = report.processed - report.skipped_no_bbox;
  if (assigned === 0) return `There was nothing new to assign.${leftOut}`;
  const inherited = report.inherited_annotations;
  const parts = [
    `${count(report.joined_existing)} joined a group`,
    countOf(report.new_groups, "new group"),
    ...(inherited > 0 ? [`${countOf(inherited, "label")} inherited`] : []),
  ];
  return `${countOf(assigned, "sequence")} assigned: ${parts.join(", ")}.${leftOut}`;
}
