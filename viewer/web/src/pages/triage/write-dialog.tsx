import { useRef, useState } from "react";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { Loading, Trouble } from "../../components/states";
import { Count } from "../../components/words";
import { totalAt } from "../../split/counts";
import { writeThreshold } from "../../split/threshold";
import { isOutdated, useCommand, useScores } from "./use-split";
import styles from "./write-dialog.module.css";

type Props = { version: string; threshold: number; onClose: () => void };

const WHOLE_BACKLOG = {};

/** How the worklists are written at this threshold. The page itself writes none: that is for whoever runs the graph. */
export function WriteDialog({ version, threshold, onClose }: Props) {
  const command = useCommand(version, threshold);
  const scores = useScores(version, WHOLE_BACKLOG);
  // The answer before this one is of another version.
  const counts = scores.data && !scores.isPlaceholderData ? totalAt(scores.data, threshold) : null;
  return (
    <Dialog title={`Write the worklists at ${writeThreshold(threshold)}`} onClose={onClose}>
      {counts && (
        <p>
          Of the whole backlog, whatever is filtered here, <Count n={counts.review} /> go To Review and{" "}
          <Count n={counts.unlabeled} /> to Unlabel.
        </p>
      )}
      {counts === null && (scores.error === null || isOutdated(scores.error)) && (
        <Loading what="the counts of the whole backlog" />
      )}
      {scores.error !== null && !isOutdated(scores.error) && (
        <Trouble error={scores.error} onRetry={() => void scores.refetch()} />
      )}
      <p>
        Nothing is written from here: run one of these
        {command.data && (
          <>
            , with <code>TRIAGE_STORE={command.data.store}</code>
          </>
        )}{" "}
        (in a checkout, <code>.venv/bin/triage</code>).
      </p>
      {command.isPending && <Loading what="the command" />}
      {command.isError && <Trouble error={command.error} onRetry={() => void command.refetch()} />}
      {command.data && (
        <>
          <Copied title="Command" text={command.data.command} />
          <Copied title="Dagster's configuration of the asset" text={command.data.config_yaml.trimEnd()} />
          <Copied title="To keep this threshold in every later run" text={command.data.setting} />
        </>
      )}
      <div className={styles.end}>
        <Button kind="primary" onClick={onClose}>
          Done
        </Button>
      </div>
    </Dialog>
  );
}

/** A text to take along, with a button that copies it; where a browser forbids that, it selects it. */
function Copied({ title, text }: { title: string; text: string }) {
  const [said, setSaid] = useState("");
  const shown = useRef<HTMLElement>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      // Over plain HTTP from elsewhere there is no clipboard.
      if (shown.current) getSelection()?.selectAllChildren(shown.current);
      setSaid("Selected: copy it with the keyboard");
    }
  };
  return (
    <section className={styles.copied} aria-label={title}>
      <h3>{title}</h3>
      <span className={styles.said} role="status">
        {said}
      </span>
      <Button onClick={() => void copy()}>
        Copy<span className="unseen"> {title}</span>
      </Button>
      <pre className={styles.text}>
        <code ref={shown}>{text}</code>
      </pre>
    </section>
  );
}
