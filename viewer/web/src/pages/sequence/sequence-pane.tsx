import { useQuery } from "@tanstack/react-query";
import { Loading, Trouble } from "../../components/states";
import { askSequence } from "./ask-sequence";
import type { Keys } from "./player/use-commands";
import { SequenceView } from "./sequence-view";

type Props = {
  sequenceId: number;
  /** Where the player's keys count: within the pane, or on the whole page where nothing else has a use for them. */
  keysOn?: Keys;
};

// A run may bring frames and scores while somebody looks.
const REFRESH_MS = 60_000;

/** All that is known of one sequence, as wide as its parent; which frame and tube are shown is in the address. */
export function SequencePane({ sequenceId, keysOn = "pane" }: Props) {
  const question = { ...askSequence(sequenceId), refetchInterval: REFRESH_MS };
  const { data, error, refetch } = useQuery(question);
  if (data) {
    // Other frames make another film: it begins at the frame that the address has.
    const film = data.frames.map((frame) => frame.detection_id).join();
    return <SequenceView key={`${sequenceId} ${film}`} sequence={data} keysOn={keysOn} trouble={error} />;
  }
  if (error) return <Trouble error={error} onRetry={() => void refetch()} />;
  return <Loading what={`sequence ${sequenceId}`} />;
}
