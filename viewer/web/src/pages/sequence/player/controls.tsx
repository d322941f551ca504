import { Button } from "../../../components/button";
import type { Corners } from "../../../geometry/boxes";
import styles from "./controls.module.css";
import { Icon, type IconName } from "./icons";
import { type Move, type Playback, SPEEDS, type Speed } from "./playback";

type PlayProps = {
  state: Playback;
  count: number;
  dispatch: (step: Move) => void;
  speed: Speed;
  onSpeed: (speed: Speed) => void;
  loops: boolean;
  onLoops: (loops: boolean) => void;
};

/** Play, pause and step. The buttons say which key does the same. */
export function PlayControls({ state, count, dispatch, speed, onSpeed, loops, onLoops }: PlayProps) {
  const { place, isPlaying } = state;
  const isFirst = place === 0;
  const isLast = place >= count - 1;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms, and nothing here is sent
    <div className={styles.group} role="group" aria-label="Playing">
      <Sign
        name="first"
        label="First frame"
        keyName="Home"
        disabled={isFirst}
        onClick={() => dispatch({ kind: "go", to: 0 })}
      />
      <Sign
        name="previous"
        label="Previous frame"
        keyName="←"
        disabled={isFirst}
        onClick={() => dispatch({ kind: "step", by: -1 })}
      />
      <Sign
        name={isPlaying ? "pause" : "play"}
        label={isPlaying ? "Pause" : "Play"}
        keyName="Space"
        disabled={count < 2}
        onClick={() => dispatch({ kind: "toggle" })}
      />
      <Sign
        name="next"
        label="Next frame"
        keyName="→"
        disabled={isLast}
        onClick={() => dispatch({ kind: "step", by: 1 })}
      />
      <Sign
        name="last"
        label="Last frame"
        keyName="End"
        disabled={isLast}
        onClick={() => dispatch({ kind: "go", to: count - 1 })}
      />
      <select
        className="number"
        aria-label="Speed"
        title="Frames a second"
        value={speed}
        onChange={(event) =>
          onSpeed(SPEEDS.find((each) => String(each) === event.currentTarget.value) ?? speed)
        }
      >
        {SPEEDS.map((each) => (
          <option key={each} value={each}>
            {each} fps
          </option>
        ))}
      </select>
      <label className={styles.check}>
        <input type="checkbox" checked={loops} onChange={(event) => onLoops(event.currentTarget.checked)} />
        Loop
      </label>
    </div>
  );
}

type ZoomProps = {
  scale: number;
  onZoom: (factor: number) => void;
  onFit: () => void;
  /** What can be zoomed to. */
  tube: Corners | null;
  onShow: (box: Corners) => void;
};

export function ZoomControls({ scale, onZoom, onFit, tube, onShow }: ZoomProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms, and nothing here is sent
    <div className={styles.group} role="group" aria-label="Zoom">
      <Button
        className={styles.sign}
        aria-label="Zoom out"
        title="Zoom out (−)"
        disabled={scale === 1}
        onClick={() => onZoom(1 / 1.5)}
      >
        −
      </Button>
      <Button className={`number ${styles.scale}`} title="The whole frame (0)" onClick={onFit}>
        {scale.toFixed(1)}×<span className="unseen">, show the whole frame</span>
      </Button>
      <Button className={styles.sign} aria-label="Zoom in" title="Zoom in (+)" onClick={() => onZoom(1.5)}>
        +
      </Button>
      <Button
        disabled={tube === null}
        title={
          tube === null
            ? "No tube was followed here"
            : "Show what the model looked at, with as much around it"
        }
        onClick={() => tube && onShow(tube)}
      >
        To the tube
      </Button>
    </div>
  );
}

type SignProps = { name: IconName; label: string; keyName: string; disabled: boolean; onClick: () => void };

function Sign({ name, label, keyName, disabled, onClick }: SignProps) {
  return (
    <Button
      className={styles.sign}
      aria-label={label}
      title={`${label} (${keyName})`}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={name} />
    </Button>
  );
}
