import { Link } from "wouter";
import { Banner } from "../../components/banner";
import { Button } from "../../components/button";
import { Count } from "../../components/words";
import { type Queue, sourceAddress } from "../../queue/queue";

type Props = {
  queue: Queue;
  total: number;
  savedHere: number;
  passed: number;
  onIncludeLabelled: () => void;
};

/** Nothing comes after this one, and what there is to do next. */
export function EndOfQueue({ queue, total, savedHere, passed, onIncludeLabelled }: Props) {
  return (
    <Banner kind="calm">
      <strong>This is the end of the queue.</strong> <Count n={savedHere} /> saved; <Count n={total} /> in the
      queue now.{" "}
      {passed > 0 && (
        <>
          The last <Count n={passed} /> have a label by now and were passed.{" "}
          <Button kind="quiet" onClick={onIncludeLabelled}>
            Stop at those too
          </Button>{" "}
        </>
      )}
      <Link href={sourceAddress(queue)}>Back to where the queue came from</Link>
      {queue.source !== "groups" && (
        <>
          {" · "}
          <Link href="/groups">Groups without a label</Link>
        </>
      )}
    </Banner>
  );
}
