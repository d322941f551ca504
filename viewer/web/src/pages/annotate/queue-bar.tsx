import { Link } from "wouter";
import { Button } from "../../components/button";
import { Key } from "../../components/key";
import { Count } from "../../components/words";
import { type Place, type Queue, sourceAddress } from "../../queue/queue";
import styles from "./queue-bar.module.css";
import { BACK_KEY, SKIP_KEY } from "./shortcuts";
import type { Looking } from "./use-advance";

const SOURCES: Readonly<Record<Queue["source"], string>> = {
  triage: "the split",
  groups: "groups, one of each",
  group: "members of a group",
};

type Props = {
  queue: Queue | null;
  place: Place | null;
  /** Where the address says that it is, from 0. */
  at: number;
  savedHere: number;
  includesLabelled: boolean;
  onIncludeLabelled: (includesLabelled: boolean) => void;
  looking: Looking | null;
  onBack: () => void;
  onSkip: () => void;
  onHelp: () => void;
};

/** Where one is in the queue, and the ways along it. */
export function QueueBar(props: Props) {
  const { queue, place, includesLabelled, onIncludeLabelled, looking, onBack, onSkip, onHelp } = props;
  return (
    <nav className={styles.bar} aria-label="Queue">
      {queue && (
        <>
          <span className={styles.source}>
            From <Link href={sourceAddress(queue)}>{SOURCES[queue.source]}</Link>
          </span>
          <Progress place={place} at={props.at} savedHere={props.savedHere} />
          <Button onClick={onBack} disabled={!place?.previous} aria-keyshortcuts={BACK_KEY}>
            Back <Key>{BACK_KEY}</Key>
          </Button>
          <Button onClick={onSkip} disabled={!place || looking !== null} aria-keyshortcuts={SKIP_KEY}>
            {looking ? "Looking for the next…" : "Skip"} <Key>{SKIP_KEY}</Key>
          </Button>
          {looking !== null && looking.passed > 0 && (
            <span className={styles.source}>
              Passed <Count n={looking.passed} />{" "}
              <Button kind="quiet" onClick={looking.stop}>
                Stay here
              </Button>
            </span>
          )}
          <label className={styles.source}>
            <input
              type="checkbox"
              checked={!includesLabelled}
              onChange={(event) => onIncludeLabelled(!event.target.checked)}
            />{" "}
            Pass what has a label by now
          </label>
        </>
      )}
      <Button kind="quiet" onClick={onHelp} aria-keyshortcuts="?">
        Keys <Key>?</Key>
      </Button>
    </nav>
  );
}

function Progress({ place, at, savedHere }: Pick<Props, "place" | "at" | "savedHere">) {
  if (!place) return <span className={styles.source}>Looking for its place…</span>;
  const done = place.at ?? Math.min(at, place.total);
  return (
    <span className={styles.progress}>
      {place.at === null ? (
        <span>
          left the queue, <Count n={place.total} /> remain
        </span>
      ) : (
        <span>
          <Count n={place.at + 1} /> of <Count n={place.total} />
        </span>
      )}
      <progress max={Math.max(place.total, 1)} value={done} aria-label="Through the queue" />
      {savedHere > 0 && (
        <span className={styles.source}>
          <Count n={savedHere} /> saved
        </span>
      )}
    </span>
  );
}
