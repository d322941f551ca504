import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { Badge } from "../../components/badge";
import { count, countOf, Moment, Name, plain } from "../../components/words";
import { age } from "./age";
import styles from "./run-page.module.css";
import { Table } from "./tables";

export type Figure = readonly [label: string, value: number | string | null];

type Check = Schemas["CheckRead"];

type Props = {
  asset: string;
  stage: { trouble: string | null; events: Schemas["EventsRead"] | null };
  now: Date;
  dagsterUrl: string | null;
  changedAt: string | null;
  figures: readonly Figure[];
  troubles: readonly string[];
  caution?: string | null;
  details?: ReactNode;
};

/** One asset: what of it is in the store, and what Dagster remembers of making it. */
export function StageCard({
  asset,
  stage,
  now,
  dagsterUrl,
  changedAt,
  figures,
  troubles,
  caution,
  details,
}: Props) {
  const { events } = stage;
  const said = [...(stage.trouble === null ? [] : [stage.trouble]), ...troubles];
  return (
    <section className={styles.card} aria-labelledby={asset}>
      <header className={styles.head}>
        <h2 id={asset}>{plain(asset)}</h2>
        <Freshness changedAt={changedAt} trouble={stage.trouble} now={now} />
        {events?.behind && events.behind.length > 0 && (
          <Badge tone="ember">behind {events.behind.map(plain).join(", ")}</Badge>
        )}
        {dagsterUrl && (
          <a className={styles.away} href={`${dagsterUrl}/assets/${asset}`} target="_blank" rel="noreferrer">
            in Dagster<span className="unseen"> (another window): {plain(asset)}</span>
          </a>
        )}
      </header>
      {said.map((each) => (
        <p key={each} className={styles.trouble}>
          <Name of={each} />
        </p>
      ))}
      {caution && (
        <p className={styles.quiet}>
          <Name of={caution} />
        </p>
      )}
      <dl className={styles.figures}>
        {figures.map(([label, value]) => (
          <div key={label}>
            <dt>
              <Name of={label} />
            </dt>
            <dd className="number">
              {value === null ? "–" : typeof value === "number" ? count(value) : value}
            </dd>
          </div>
        ))}
      </dl>
      {events && <Checks checks={events.checks} />}
      {(details || events?.last) && (
        <details className={styles.details}>
          <summary>Details</summary>
          {details}
          {events?.last && (
            <p>
              Last materialized <Moment iso={events.last.at} />
              {events.last.run_state && ` by a run that ended with ${plain(events.last.run_state)}`}
              {events.last.data_version && (
                <>
                  {" "}
                  as version <Version of={events.last.data_version} />
                </>
              )}
              {events.last.code_version && (
                <>
                  {" "}
                  with <Version of={events.last.code_version} />
                </>
              )}
              .
            </p>
          )}
          {events && events.organizations.length > 0 && (
            <Table
              caption={`Last materializations of ${plain(asset)}`}
              columns={["Organization", "Materialized", "Its run", "Version"]}
              rows={events.organizations.map((each) => [
                <Name key="name" of={each.key} />,
                <Moment key="at" iso={each.at} />,
                each.run_state && plain(each.run_state),
                each.data_version && <Version key="version" of={each.data_version} />,
              ])}
            />
          )}
          {events && <CheckList checks={events.checks} />}
        </details>
      )}
    </section>
  );
}

function Freshness({
  changedAt,
  trouble,
  now,
}: {
  changedAt: string | null;
  trouble: string | null;
  now: Date;
}) {
  if (trouble !== null) return <Badge tone="signal">trouble</Badge>;
  if (changedAt === null) return <Badge tone="muted">not made yet</Badge>;
  return (
    <span className={styles.quiet} title={`${changedAt} (UTC)`}>
      changed {age(changedAt, now)}
    </span>
  );
}

/** Digests are long, and their beginnings tell two apart. */
function Version({ of }: { of: string }) {
  return (
    <span className="number" title={of}>
      <Name of={of.length > 16 ? `${of.slice(0, 12)}…` : of} />
    </span>
  );
}

function Checks({ checks }: { checks: readonly Check[] }) {
  const failed = checks.filter((check) => check.is_passed === false);
  const passed = checks.filter((check) => check.is_passed);
  if (failed.length === 0 && passed.length === 0) return null;
  return (
    <ul className={styles.checks}>
      {passed.length > 0 && (
        <li>
          <Badge tone="pine">{countOf(passed.length, "check")} passed</Badge>
        </li>
      )}
      {failed.map((check) => (
        <li
          key={`${check.name} ${check.key}`}
          className={check.severity === "error" ? styles.trouble : undefined}
        >
          <Badge tone={check.severity === "error" ? "signal" : "ember"}>
            {check.severity === "error" ? "failed" : "warns"}
          </Badge>{" "}
          <Name
            of={`${plain(check.name)}${check.key === null ? "" : ` of ${check.key}`}: ${check.description ?? ""}`}
          />
        </li>
      ))}
    </ul>
  );
}

function CheckList({ checks }: { checks: readonly Check[] }) {
  if (checks.length === 0) return null;
  return (
    <ul className={styles.checkList}>
      {checks.map((check) => (
        <li key={`${check.name} ${check.key}`}>
          {check.is_passed === null ? "not evaluated" : check.is_passed ? "passed" : "failed"}:{" "}
          <Name of={`${plain(check.name)}${check.key === null ? "" : ` of ${check.key}`}`} />
        </li>
      ))}
    </ul>
  );
}
