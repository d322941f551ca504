import { useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { asProblem } from "../../api/problem";
import { useAnnounce } from "../../components/announcements";
import { type Place, type Queue, type Step, stepAddress } from "../../queue/queue";
import { useFindNext } from "../../queue/use-queue";

/** The end of a queue, and how many before it were passed because they have a label by now. */
export type End = { sequenceId: number; passed: number };

/** Along a queue and back; whoever went elsewhere meanwhile is not taken along. */
export function useAdvance(queue: Queue | null, here: Step, includesLabelled: boolean) {
  const [, navigate] = useLocation();
  const announce = useAnnounce();
  const findNext = useFindNext(queue, includesLabelled);
  const [end, setEnd] = useState<End | null>(null);
  const [isLooking, setIsLooking] = useState(false);
  const now = useRef<number | null>(null);
  useEffect(() => {
    now.current = here.sequenceId;
    return () => {
      now.current = null;
    };
  }, [here.sequenceId]);
  const go = (step: Step) => navigate(stepAddress(step, queue, { includesLabelled }));
  const goOn = async (place: Place): Promise<void> => {
    setIsLooking(true);
    try {
      const { step, passed } = await findNext(place);
      if (now.current !== here.sequenceId) return;
      if (step) go(step);
      else setEnd({ sequenceId: here.sequenceId, passed });
    } catch (error) {
      announce({ kind: "trouble", text: `The next one could not be read: ${asProblem(error).detail}` });
    } finally {
      setIsLooking(false);
    }
  };
  return {
    goOn,
    goBack: (place: Place | null) => place?.previous && go(place.previous),
    end: end?.sequenceId === here.sequenceId ? end : null,
    isLooking,
  };
}
