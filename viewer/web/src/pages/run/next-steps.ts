import type { Schemas } from "../../api/client";
import { count, countOf } from "../../components/words";

/** What waits to be done, and the command that does it. */
export type Step = { what: string; command: string };

/** In the order of the graph; empty where nothing waits. What cannot be told is not a step but a doubt. */
export function nextSteps(run: Schemas["RunRead"]): Step[] {
  const steps: Step[] = [];
  const sequences = run.raw_sequences.stored;
  if (sequences === null && run.raw_sequences.trouble === null) {
    return [{ what: "Nothing was pulled yet", command: "triage run" }];
  }
  for (const { name, version, coverage } of run.predictions.stored?.models ?? []) {
    if (coverage && coverage.waiting > 0) {
      steps.push({
        what: `${countOf(coverage.waiting, "sequence")} wait${coverage.waiting === 1 ? "s" : ""} to be scored by ${version ?? name}`,
        command: "dagster asset materialize --select predictions",
      });
    }
  }
  if (sequences && run.predictions.stored === null && run.predictions.trouble === null) {
    steps.push({ what: "Nothing was scored yet", command: "triage run" });
  }
  const groups = run.sequence_groups.stored;
  if (groups?.waiting) {
    steps.push({
      what: `${countOf(groups.waiting, "sequence")} not looked at for groups`,
      command: "triage worklists",
    });
  }
  const worklists = run.worklists.stored;
  if (worklists) {
    const behind = [
      worklists.missing ? `${count(worklists.missing)} new` : null,
      worklists.gone ? `${count(worklists.gone)} gone` : null,
      worklists.scored_since ? `${count(worklists.scored_since)} scored since` : null,
      worklists.decided_since ? countOf(worklists.decided_since, "decision") : null,
      worklists.groups_changed_since
        ? `${countOf(worklists.groups_changed_since, "group")} new or changed`
        : null,
    ].filter((part) => part !== null);
    if (behind.length > 0) {
      steps.push({ what: `The worklists are behind: ${behind.join(", ")}`, command: "triage worklists" });
    }
  } else if (run.predictions.stored !== null && run.worklists.trouble === null) {
    steps.push({ what: "There are no worklists yet", command: "triage worklists" });
  }
  return steps;
}
