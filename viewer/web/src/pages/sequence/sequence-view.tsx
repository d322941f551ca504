import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { useAddress } from "../../address/address";
import { asProblem } from "../../api/problem";
import { Banner } from "../../components/banner";
import { Empty } from "../../components/states";
import { askStanding } from "../../review/questions";
import { ModelsCard } from "./facts/models-card";
import { OriginCard } from "./facts/origin-card";
import { ReviewCard } from "./facts/review-card";
import { ScoreCard } from "./facts/score-card";
import { useGroup } from "./facts/use-review";
import { Player } from "./player/player";
import { type Keys, useCommands } from "./player/use-commands";
import { usePlayer } from "./player/use-player";
import { chooseLane, chooseModel, choosePlace, lanesOfModel, type Sequence, shownFields } from "./selection";
import { SequenceHead } from "./sequence-head";
import styles from "./sequence-view.module.css";
import { TubesCard } from "./tubes/tubes-card";
import { useFrameInAddress } from "./use-frame-in-address";

type Props = { sequence: Sequence; keysOn: Keys; trouble: unknown };

function whyNoRegion(groupId: number | null, isKnown: boolean): string {
  if (groupId !== null) return "The region of its group is not known";
  return isKnown ? "The sequence is in no group" : "Whether it is in a group is not known";
}

/** One sequence: its frames as a film, what models made of them, and what people made of that. */
export function SequenceView({ sequence, keysOn, trouble }: Props) {
  const { sequence_id, frames, models, notices } = sequence;
  const pane = useRef<HTMLElement>(null);
  const address = useAddress(shownFields);
  const [shown, change] = address;
  const model = chooseModel(sequence, shown);
  const lanes = useMemo(() => lanesOfModel(model), [model]);
  const lane = chooseLane(sequence, lanes, shown);
  const [initial] = useState(() => choosePlace(sequence, model, shown));
  const player = usePlayer(sequence_id, frames, initial);
  useFrameInAddress(frames, player, initial, address);
  useCommands(pane, keysOn, player.carryOut);
  const standing = useQuery(askStanding(sequence_id));
  const groupId = standing.data ? standing.data.group_id : sequence.group_id;
  const group = useGroup(groupId);
  const go = (to: number) => player.dispatch({ kind: "go", to });

  return (
    <article ref={pane} className={styles.pane} tabIndex={-1} aria-label={`Sequence ${sequence_id}`}>
      <SequenceHead sequence={sequence} lookedAt={shown.threshold} />
      {trouble !== null && (
        <Banner kind="attention">Not the latest state of the store. {asProblem(trouble).detail}</Banner>
      )}
      {notices.map((notice) => (
        <Banner key={notice} kind="attention">
          {notice}
        </Banner>
      ))}
      <div className={styles.columns}>
        <div className={styles.film}>
          {player.frame === undefined ? (
            <Empty title="This sequence has no frames">
              <p>Neither the backlog nor a shard has any of it. `triage pull` asks the annotator again.</p>
            </Empty>
          ) : (
            <Player
              sequence={sequence}
              player={player}
              triggerId={model?.trigger?.detection_id ?? null}
              window={lane?.window ?? null}
              region={group.data?.representative_bbox.xyxyn ?? whyNoRegion(groupId, standing.isSuccess)}
              hide={shown.hide}
              onHide={(hide) => change({ hide })}
            />
          )}
          {model && (
            <TubesCard
              sequence={sequence}
              model={model}
              lanes={lanes}
              lane={lane}
              place={player.state.place}
              onGo={go}
              onChoose={(tube, to = player.state.place) => {
                go(to);
                change({ tube, frame: frames[to]?.detection_id ?? null });
              }}
            />
          )}
        </div>
        <div className={styles.facts}>
          <ScoreCard sequence={sequence} model={model} lookedAt={shown.threshold} onGo={go} />
          <ModelsCard
            models={models}
            chosen={model}
            onChoose={(name) => change({ tubes_of: name, tube: null })}
          />
          <ReviewCard sequenceId={sequence_id} standing={standing} group={group} />
          <OriginCard sequence={sequence} />
        </div>
      </div>
    </article>
  );
}
