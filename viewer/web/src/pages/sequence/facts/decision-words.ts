/** Lines of the audit as sentences about one sequence. */

import type { Schemas } from "../../../api/client";
import { plain } from "../../../components/words";

export type Decision = Schemas["DecisionRead"];

const WORDS: Readonly<Record<Schemas["Action"], string>> = {
  annotate: "annotated it",
  bulk_annotate: "labelled it with others",
  propagate: "gave its label to its group",
  relabel: "corrected its group's label",
  inherit: "took the label of its group",
  remove_member: "took it out of its group",
  re_include: "let it be grouped again",
  validate: "validated its group",
  unvalidate: "took back that its group is validated",
  assign: "ran the assignment",
};

/** What was done, without who did it. */
export function describeDecision({ action, details }: Decision): string {
  const label = [details.smoke_type, details.false_positive_type].filter(isWord).map(plain);
  const unsure = details.is_unsure === true ? ["unsure"] : [];
  const applied = typeof details.applied === "number" ? [`${details.applied} others took it`] : [];
  const notes = [...label, ...unsure, ...(action === "propagate" ? applied : [])];
  return notes.length > 0 ? `${WORDS[action]}: ${notes.join(", ")}` : WORDS[action];
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
