import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api, ask, type Schemas } from "../../api/client";
import { keys } from "../../api/keys";
import { Banner } from "../../components/banner";
import { Loading, Trouble } from "../../components/states";
import { count, countOf, Moment, Name, Score } from "../../components/words";
import { bytes } from "./bytes";
import { Dagster } from "./dagster";
import { doubtsOf } from "./doubts";
import { nextSteps } from "./next-steps";
import styles from "./run-page.module.css";
import { type Figure, StageCard } from "./stage-card";
import { Reasons, Table } from "./tables";

type Run = Schemas["RunRead"];

const EVERY_MS = 5_000;

/** What is made, how fresh it is, and what is still to be done. */
export default function RunPage() {
  const run = useQuery({
    queryKey: keys.run,
    queryFn: ({ signal }) => ask(api.GET("/api/v1/run", { signal })),
    refetchInterval: EVERY_MS,
  });
  if (run.isPending) return <Loading what="the state of the store" />;
  if (run.isError && !run.data) return <Trouble error={run.error} onRetry={() => void run.refetch()} />;
  return <RunState run={run.data} isOld={run.isError} />;
}

function RunState({ run, isOld }: { run: Run; isOld: boolean }) {
  const steps = nextSteps(run);
  const doubts = doubtsOf(run);
  const now = new Date(run.looked_at);
  const shared = { now, dagsterUrl: run.dagster.state === "reachable" ? run.dagster.url : null };
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <h1>Run</h1>
        <span className={styles.quiet}>
          as of <Moment iso={run.looked_at} /> UTC
        </span>
      </header>
      {isOld && <Banner kind="attention">The server does not answer: this is what it said last.</Banner>}
      {doubts.length > 0 && (
        <Banner kind="attention">
          Cannot tell whether everything is current: <Name of={doubts.join("; ")} />.
        </Banner>
      )}
      {steps.length === 0 && doubts.length === 0 && (
        <Banner kind="calm">Everything is made of what there is now.</Banner>
      )}
      {steps.length > 0 && (
        <Banner kind="note">
          <ul className={styles.steps}>
            {steps.map(({ what, command }) => (
              <li key={what}>
                {what}: <code>{command}</code>
              </li>
            ))}
          </ul>
        </Banner>
      )}
      <Dagster dagster={run.dagster} now={now} />
      <div className={styles.stages}>
        <StageCard asset="raw_sequences" stage={run.raw_sequences} {...shared} {...sequencesOf(run)} />
        <StageCard asset="frame_shards" stage={run.frame_shards} {...shared} {...shardsOf(run)} />
        <StageCard asset="predictions" stage={run.predictions} {...shared} {...predictionsOf(run)} />
        <StageCard asset="sequence_groups" stage={run.sequence_groups} {...shared} {...groupsOf(run)} />
        <StageCard asset="worklists" stage={run.worklists} {...shared} {...worklistsOf(run)} />
      </div>
    </div>
  );
}

type Shown = {
  changedAt: string | null;
  figures: readonly Figure[];
  troubles: readonly string[];
  caution?: string | null;
  details?: ReactNode;
};

const NOT_MADE: Shown = { changedAt: null, figures: [], troubles: [] };

function latest(moments: readonly (string | null)[]): string | null {
  return moments.reduce((a, b) => (a === null || (b !== null && b > a) ? b : a), null);
}

function troublesOf(parts: readonly { key: string; trouble: string | null }[]): string[] {
  return parts.flatMap(({ key, trouble }) => (trouble === null ? [] : [`${key}: ${trouble}`]));
}

function sequencesOf({ raw_sequences: { stored } }: Run): Shown {
  if (stored === null) return NOT_MADE;
  const { organizations } = stored;
  return {
    changedAt: latest(organizations.map((each) => each.changed_at)),
    figures: [
      ["sequences", stored.sequences],
      ["organizations", organizations.length],
    ],
    troubles: troublesOf(organizations),
    details: (
      <Table
        caption="Backlog by organization"
        columns={["Organization", "Stage", "Sequences", "Detections", "Changed"]}
        rows={organizations.map((each) => [
          <Name key="name" of={each.name ?? each.key} />,
          each.stage ?? "–",
          each.sequences,
          each.detections,
          <Moment key="at" iso={each.changed_at} />,
        ])}
      />
    ),
  };
}

function shardsOf({ frame_shards: { stored } }: Run): Shown {
  if (stored === null) return NOT_MADE;
  const { organizations } = stored;
  return {
    changedAt: latest(organizations.map((each) => each.changed_at)),
    figures: [
      ["frames", stored.frames],
      ["shards", stored.shards],
      ["stored", stored.bytes === null ? null : bytes(stored.bytes)],
      ["unusable", stored.frames_unusable],
    ],
    troubles: troublesOf(organizations),
    details: (
      <Table
        caption="Shards by organization"
        columns={["Organization", "Shards", "Stored", "Sequences", "Frames", "Unusable"]}
        rows={organizations.map((each) => [
          <Name key="name" of={each.key} />,
          each.shards,
          each.bytes === null ? null : bytes(each.bytes),
          each.sequences,
          each.frames,
          each.frames_unusable,
        ])}
      />
    ),
  };
}

function predictionsOf({ predictions: { stored } }: Run): Shown {
  if (stored === null) return NOT_MADE;
  const { models } = stored;
  return {
    changedAt: latest(models.map((each) => each.changed_at)),
    figures: models.map((each) => [
      `by ${each.version ?? each.name}`,
      each.coverage ? `${count(each.coverage.scored)} of ${count(each.coverage.backlog)}` : null,
    ]),
    troubles: models.flatMap(({ name, trouble }) => (trouble === null ? [] : [`${name}: ${trouble}`])),
    details: (
      <>
        <Table
          caption="Backlog by model"
          columns={[
            "Model",
            "Scored",
            "Dropped",
            "Waiting",
            "In the split",
            "Detector",
            "Precision",
            "Stored",
          ]}
          rows={models.map((each) => [
            <Name key="name" of={each.name} />,
            each.coverage?.scored,
            each.coverage?.dropped,
            each.coverage?.waiting,
            each.is_listed ? "yes" : "no",
            each.detector ?? "–",
            each.precision ?? "–",
            bytes(each.bytes),
          ])}
        />
        {models.map((each) => (
          <Reasons key={each.name} title={`Dropped by ${each.name}`} reasons={each.dropped_reasons} />
        ))}
      </>
    ),
  };
}

function groupsOf({ sequence_groups: { stored } }: Run): Shown {
  if (stored === null) return NOT_MADE;
  return {
    changedAt: stored.changed_at,
    figures: [
      ["groups", stored.groups],
      ["seen twice or more", stored.recurring],
      ["validated", stored.validated],
      ["clicks saved", stored.clicks_saved],
    ],
    troubles: [],
    details: (
      <>
        <p>
          {countOf(stored.groups, "group")} of {countOf(stored.members, "sequence")}, {count(stored.excluded)}{" "}
          taken out; {count(stored.unlabeled)} unlabeled, {count(stored.labeled)} labeled,{" "}
          {count(stored.unsure)} unsure; revision {count(stored.revision)} of the review database.
        </p>
        <Reasons title="In no group" reasons={stored.skipped} />
      </>
    ),
  };
}

function worklistsOf({ worklists: { stored } }: Run): Shown {
  if (stored === null) return NOT_MADE;
  const { counts } = stored;
  return {
    changedAt: stored.changed_at,
    figures: [
      ["To Review", counts.review],
      ["Unlabel", counts.unlabeled],
      ["labeled", counts.labeled],
      ["dropped", counts.dropped],
    ],
    troubles: stored.review_trouble === null ? [] : [stored.review_trouble],
    caution: stored.caution,
    details: (
      <>
        <p>
          Split at <Score value={stored.threshold} /> by{" "}
          {stored.models.map((each) => each.version).join(", ") || "no model"}
          {stored.split_without.length > 0 && `; without ${stored.split_without.join(", ")}`}.
        </p>
        <Reasons title="Dropped" reasons={stored.dropped_reasons} />
      </>
    ),
  };
}
