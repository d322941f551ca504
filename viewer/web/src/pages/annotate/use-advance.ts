import { useState } from "react";
import { useLocation } from "wouter";
import { asProblem } from "../../api/problem";
import { useAnnounce } from "../../components/announcements";
import { useShown } from "../../components/use-shown";
import { type Place, type Queue, type Step, stepAddress } from "../../queue/queue";
import { useFindNext } from "../../queue/use-queue";

/** The end of a queue, and how many before it were passed because they have a label by now. */
export type End = { sequenceId: number; passed: number };

/** While the next one is looked for: how many were passed so far, and the way to stay. */
export type Looking = { passed: number; stop: () => void };

/** Along a queue and back; whoever went elsewhere meanwhile is not taken along. */
export function useAdvance(queue: Queue | null, here: Step, includesLabelled: boolean) {
  const [, navigate] = useLocation();
  const announce = useAnnounce();
  const findNext = useFindNext(queue, includesLabelled);
  const [end, setEnd] = useState<End | null>(null);
  const [looking, setLooking] = useState<Looking | null>(null);
  const now = useShown(here.sequenceId);
  const go = (step: Step) =>
    navigate(stepAddress(step, queue, { includesLabelled, from: window.location.search }));
  const goOn = async (place: Place): Promise<void> => {
    let isStopped = false;
    const isWanted = () => !isStopped && now.current === here.sequenceId;
    const stop = () => {
      isStopped = true;
      setLooking(null);
    };
    setLooking({ passed: 0, stop });
    try {
      const { step, passed } = await findNext(place, {
        isWanted,
        onPassed: (passed) => isWanted() && setLooking({ passed, stop }),
      });
      if (!isWanted()) return;
      if (step) go(step);
      else setEnd({ sequenceId: here.sequenceId, passed });
    } catch (error) {
      announce({ kind: "trouble", text: `The next one could not be read: ${asProblem(error).detail}` });
    } finally {
      // Another search may have begun since this one was left.
      setLooking((latest) => (latest?.stop === stop ? null : latest));
    }
  };
  return {
    goOn,
    goBack: (place: Place | null) => place?.previous && go(place.previous),
    end: end?.sequenceId === here.sequenceId ? end : null,
    looking,
  };
}
