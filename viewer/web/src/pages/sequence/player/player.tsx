import type { Corners } from "../../../geometry/boxes";
import type { Frame, Layer, Sequence } from "../selection";
import { clock, elapsed } from "../times";
import { PlayControls, ZoomControls } from "./controls";
import { Layers } from "./layers";
import styles from "./player.module.css";
import { ScrubBar } from "./scrub-bar";
import { Stage } from "./stage";
import type { Player as State } from "./use-player";

type Props = {
  sequence: Sequence;
  player: State;
  triggerId: number | null;
  window: Corners | null;
  /** Of its group; a sentence where there is none to draw. */
  region: Corners | string;
  hide: readonly Layer[];
  onHide: (hide: readonly Layer[]) => void;
};

/** The frames of a sequence one after the other, with what was found in each. */
export function Player({ sequence, player, triggerId, window, region, hide, onHide }: Props) {
  const { frames } = sequence;
  const { state, dispatch, frame } = player;
  if (frame === undefined) return null;
  const label = `Frame ${state.place + 1} of ${frames.length}, recorded at ${clock(frame.recorded_at)} UTC`;
  return (
    <section className={styles.player} aria-label="Player">
      <Stage
        stage={player.stage}
        frame={frame}
        settled={player.settled}
        view={player.view}
        hide={hide}
        window={window}
        region={typeof region === "string" ? null : region}
        label={label}
      />
      <ScrubBar
        frames={frames}
        place={state.place}
        triggerId={triggerId}
        onGo={(to) => dispatch({ kind: "go", to })}
      />
      <div className={styles.row}>
        <PlayControls
          state={state}
          count={frames.length}
          dispatch={dispatch}
          speed={player.speed}
          onSpeed={player.setSpeed}
          loops={player.loops}
          onLoops={player.setLoops}
        />
        <ZoomControls
          scale={player.view.scale}
          onZoom={player.zoom}
          onFit={player.fit}
          tube={window}
          onShow={player.show}
        />
      </div>
      <div className={styles.row}>
        <FrameWords
          frame={frame}
          first={frames[0] ?? frame}
          place={state.place}
          count={frames.length}
          isPlaying={state.isPlaying}
        />
        <Layers counts={countLayers(frame, window, region)} hide={hide} onHide={onHide} />
      </div>
    </section>
  );
}

type FrameProps = { frame: Frame; first: Frame; place: number; count: number; isPlaying: boolean };

function FrameWords({ frame, first, place, count, isPlaying }: FrameProps) {
  return (
    // Whoever steps is told where; nobody can follow a film by ear.
    <p className={styles.words} aria-live={isPlaying ? "off" : "polite"}>
      Frame{" "}
      <span className="number">
        {place + 1} / {count}
      </span>
      <time className="number" dateTime={frame.recorded_at} title="When it was recorded, in UTC">
        {clock(frame.recorded_at)}
      </time>
      <span className="number" title="After the first frame">
        +{elapsed(first.recorded_at, frame.recorded_at)}
      </span>
    </p>
  );
}

function countLayers(frame: Frame, window: Corners | null, region: Corners | string) {
  const unknown = "Its boxes are not known: the backlog lost this frame, or an import came without";
  return {
    boxes: frame.boxes?.length ?? unknown,
    others: frame.other_boxes?.length ?? unknown,
    window: window === null ? "No model followed a tube here" : 1,
    region: typeof region === "string" ? region : 1,
  };
}
