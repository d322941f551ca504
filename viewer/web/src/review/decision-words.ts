/** What a line of the audit says, as a sentence without its subject: who did it is said before it. */
import type { Schemas } from "../api/client";
import { countOf, plain } from "../components/words";
import { type FalsePositiveType, falsePositive, type SmokeType, smoke, words } from "./labels";

type Decision = Schemas["Page_DecisionRead_"]["items"][number];
type Details = Decision["details"];

export function describeDecision({ action, sequence_id, details }: Decision): string {
  const sequence = `sequence ${sequence_id}`;
  switch (action) {
    case "validate":
      return `validated the group of ${countOf(numberOf(details, "member_count"), "member")}`;
    case "unvalidate":
      return "took the validation back";
    case "remove_member":
      return `took ${sequence} out`;
    case "re_include":
      return `put ${sequence} back`;
    case "annotate":
      return join(`annotated ${sequence}: ${labelIn(details)}`, conflictIn(details));
    case "propagate":
      return `${labelIn(details)} spread from ${sequence} to ${countOf(numberOf(details, "applied"), "other")}${leftOut(details)}`;
    case "bulk_annotate":
      return join(
        `labelled ${countOf(numberOf(details, "applied"), "sequence")}: ${labelIn(details)}`,
        skippedIn(details),
        replacedIn(details),
        conflictIn(details),
      );
    case "relabel":
      return join(`set the group's label: ${labelIn(details)}`, replacedIn(details), followedIn(details));
    case "inherit":
      return `${countOf(numberOf(details, "applied"), "newcomer")} took the group's label on joining`;
    default:
      return plain(action);
  }
}

function join(...parts: readonly (string | null)[]): string {
  return parts.filter((part) => part !== null).join("; ");
}

function numberOf(details: Details, name: string): number {
  const value = details[name];
  return typeof value === "number" ? value : 0;
}

function labelIn(details: Details): string {
  const { smoke_type, false_positive_type, is_unsure } = details;
  const label =
    typeof smoke_type === "string"
      ? words(smoke(smoke_type as SmokeType))
      : typeof false_positive_type === "string"
        ? words(falsePositive(false_positive_type as FalsePositiveType))
        : null;
  if (label === null) return is_unsure ? "unsure" : "no label";
  return is_unsure ? `${label}, unsure` : label;
}

function replacedIn({ replaced }: Details): string | null {
  return typeof replaced === "string" ? `it was ${plain(replaced)}` : null;
}

function conflictIn({ conflicts_with }: Details): string | null {
  return typeof conflicts_with === "string" ? `against the group's ${plain(conflicts_with)}` : null;
}

function skippedIn(details: Details): string | null {
  const n = numberOf(details, "skipped");
  return n > 0 ? `${n} left as they are` : null;
}

function followedIn(details: Details): string | null {
  const n = numberOf(details, "applied");
  return details.relabel_copies && n > 0 ? `${countOf(n, "label")} that came through it followed` : null;
}

function leftOut(details: Details): string {
  const locked = numberOf(details, "locked");
  const without = numberOf(details, "without_boxes");
  const parts = [locked > 0 && `${locked} were labelled already`, without > 0 && `${without} have no boxes`];
  const said = parts.filter(Boolean).join(", ");
  return said && ` (${said})`;
}
