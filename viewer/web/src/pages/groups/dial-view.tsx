import type { Schemas } from "../../api/client";
import { countOf } from "../../components/words";
import { type AtAngle, dotRadius, isDirection, spotAt } from "./dial";
import styles from "./dial-view.module.css";

const RIM = 0.36;
const NAMED = [
  [0, "N"],
  [90, "E"],
  [180, "S"],
  [270, "W"],
] as const;
const TICKS = Array.from({ length: 36 }, (_, place) => place * 10);
const DOT = [0.022, 0.05] as const;

type Props = {
  angles: readonly AtAngle<Schemas["GroupRead"]>[];
  chosen: number | null;
  onChoose: (azimuth: number | null) => void;
};

/** The camera in the middle, and a dot at each angle: its size tells the groups there, its colour whether one is open. */
export function Dial({ angles, chosen, onChoose }: Props) {
  const directions = angles.filter(({ azimuth }) => isDirection(azimuth));
  const largest = Math.max(1, ...directions.map(({ groups }) => groups.length));
  return (
    // biome-ignore lint/a11y/useSemanticElements: the angles are drawn, and no form
    <svg className={styles.dial} viewBox="0 0 1 1" role="group" aria-label="Angles of the camera">
      <circle className={styles.rim} cx="0.5" cy="0.5" r={RIM} />
      {TICKS.map((azimuth) => (
        <Tick key={azimuth} azimuth={azimuth} isLong={azimuth % 30 === 0} />
      ))}
      {NAMED.map(([azimuth, name]) => {
        const { x, y } = spotAt(azimuth, RIM - 0.075);
        return (
          <text key={name} className={styles.name} x={x} y={y}>
            {name}
          </text>
        );
      })}
      <circle className={styles.camera} cx="0.5" cy="0.5" r="0.014" />
      {directions.map(({ azimuth, groups }) => (
        <Dot
          key={azimuth}
          azimuth={azimuth}
          groups={groups}
          radius={dotRadius(groups.length, largest, DOT)}
          isChosen={azimuth === chosen}
          onChoose={() => onChoose(azimuth === chosen ? null : azimuth)}
        />
      ))}
    </svg>
  );
}

function Tick({ azimuth, isLong }: { azimuth: number; isLong: boolean }) {
  const inner = spotAt(azimuth, RIM - (isLong ? 0.025 : 0.012));
  const outer = spotAt(azimuth, RIM);
  return <line className={styles.tick} x1={inner.x} y1={inner.y} x2={outer.x} y2={outer.y} />;
}

type DotProps = {
  azimuth: number;
  groups: readonly Schemas["GroupRead"][];
  radius: number;
  isChosen: boolean;
  onChoose: () => void;
};

function Dot({ azimuth, groups, radius, isChosen, onChoose }: DotProps) {
  const spot = spotAt(azimuth, RIM);
  const word = spotAt(azimuth, RIM + 0.09);
  const isOpen = groups.some((group) => group.label_state === "unlabeled");
  return (
    // biome-ignore lint/a11y/useSemanticElements: a drawing has no button element
    <g
      className={`${styles.angle} ${isOpen ? styles.open : styles.done} ${isChosen ? styles.chosen : ""}`}
      role="button"
      tabIndex={0}
      aria-pressed={isChosen}
      aria-label={`${azimuth}° ${countOf(groups.length, "group")}${isOpen ? ", unlabeled among them" : ""}`}
      onClick={onChoose}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onChoose();
      }}
    >
      <line x1="0.5" y1="0.5" x2={spot.x} y2={spot.y} />
      <circle cx={spot.x} cy={spot.y} r={radius} />
      <text className={styles.azimuth} x={word.x} y={word.y}>
        {azimuth}°
      </text>
      <text className={styles.count} x={spot.x} y={spot.y}>
        {groups.length}
      </text>
    </g>
  );
}
