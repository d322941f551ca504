import type { Schemas } from "../../api/client";
import { Badge } from "../../components/badge";
import { Banner } from "../../components/banner";
import { Moment, Name, plain } from "../../components/words";
import { age } from "./age";
import styles from "./run-page.module.css";

type DagsterRead = Schemas["DagsterRead"];
type ActiveRun = Schemas["ActiveRun"];

/** What runs, what failed, and whether anything runs by itself. */
export function Dagster({ dagster, now }: { dagster: DagsterRead; now: Date }) {
  const failed = dagster.last_failed_run;
  return (
    <section className={styles.card} aria-labelledby="dagster">
      <header className={styles.head}>
        <h2 id="dagster">Dagster</h2>
        {dagster.state === "reachable" ? (
          <span className={styles.quiet}>
            {dagster.daemon_seen_at === null
              ? "nothing runs by itself here yet"
              : `its daemon was seen ${age(dagster.daemon_seen_at, now)}`}
          </span>
        ) : (
          <Badge tone={dagster.state === "unreachable" ? "signal" : "muted"}>{plain(dagster.state)}</Badge>
        )}
        <a className={styles.away} href={dagster.url} target="_blank" rel="noreferrer">
          Open its page<span className="unseen"> (another window)</span>
        </a>
      </header>
      {dagster.note !== null && <p>{dagster.note}</p>}
      {dagster.is_usual_url && (
        <p className={styles.quiet}>
          Its page is there while <code>make dev</code> or <code>dagster dev</code> runs; TRIAGE_DAGSTER_URL
          names another.
        </p>
      )}
      {dagster.active_runs.length > 0 && (
        <ul className={styles.runs}>
          {dagster.active_runs.map((run) => (
            <li key={run.run_id}>
              <Badge tone="ember">{plain(run.state)}</Badge> <RunName run={run} url={dagster.url} />, since{" "}
              {age(run.started_at ?? run.created_at, now)}
            </li>
          ))}
        </ul>
      )}
      {failed && (
        <Banner kind="note">
          The last run that failed, <Moment iso={failed.ended_at ?? failed.created_at} />:{" "}
          <RunName run={failed} url={dagster.url} />
          {failed.error !== null && (
            <>
              . <Name of={failed.error} />
            </>
          )}
        </Banner>
      )}
    </section>
  );
}

function RunName({ run, url }: { run: ActiveRun; url: string }) {
  const what = run.assets.map(plain).join(", ") || "everything";
  return (
    <a href={`${url}/runs/${run.run_id}`} target="_blank" rel="noreferrer">
      <Name of={run.key === null ? what : `${what} of ${run.key}`} />
      <span className="unseen"> (another window)</span>
    </a>
  );
}
