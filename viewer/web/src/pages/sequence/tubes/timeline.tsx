import { type CSSProperties, type KeyboardEvent, useRef } from "react";
import { Button } from "../../../components/button";
import { Score } from "../../../components/words";
import { signedLogit } from "../logit";
import { type Cell, describeCell, type Lane, type Slot } from "./lanes";
import styles from "./timeline.module.css";

type Props = {
  lanes: readonly Lane[];
  /** Null where nobody can tell any more which frame a slot showed. */
  slots: readonly Slot[] | null;
  /** The place of each frame in the player. */
  placeOf: (detectionId: number) => number;
  trigger: number | null;
  /** The slots that show the player's frame: its own and its copies. */
  current: readonly number[];
  chosen: number | null;
  onChoose: (tubeId: number) => void;
  /** A tube where it is at a slot. */
  onPick: (tubeId: number, slot: number) => void;
};

/** What a model followed through the slots of its input: a lane for each tube, a cell for each slot. */
export function Timeline({ lanes, slots, placeOf, trigger, current, chosen, onChoose, onPick }: Props) {
  const grid = useRef<HTMLTableSectionElement>(null);
  const count = lanes[0]?.cells.length ?? 0;
  const home = current.find((slot) => !slots?.[slot]?.is_padding) ?? current[0] ?? 0;
  const chosenLane = Math.max(
    lanes.findIndex((lane) => lane.tubeId === chosen),
    0,
  );

  const moveTo = (event: KeyboardEvent, lane: number, slot: number) => {
    const [toLane, toSlot] = target(event.key, lane, slot, lanes.length - 1, count - 1);
    if (toLane === null || toSlot === null) return;
    event.preventDefault();
    event.stopPropagation();
    const tube = lanes[toLane];
    if (tube) onPick(tube.tubeId, toSlot);
    grid.current?.querySelector<HTMLElement>(`[data-cell="${toLane} ${toSlot}"]`)?.focus();
  };

  const isCurrent = (slot: number) => (current.includes(slot) ? styles.current : "");
  return (
    <div className={styles.scroll}>
      <table className={styles.timeline} aria-label="Tubes over slots">
        <thead aria-hidden="true">
          <tr>
            <th className={styles.caption}>Slot</th>
            {lanes[0]?.cells.map(({ slot }) => (
              <td key={slot} className={`number ${styles.slot} ${isCurrent(slot)}`}>
                {slot === trigger ? (
                  <span className={styles.flag}>{slot}</span>
                ) : (
                  isNumbered(slot, trigger) && slot
                )}
              </td>
            ))}
          </tr>
          {slots && (
            <tr>
              <th className={styles.caption}>Frame</th>
              {slots.map(({ slot, detection_id, is_padding }) => (
                <td
                  key={slot}
                  className={`number ${styles.frame} ${is_padding ? styles.copy : ""} ${isCurrent(slot)}`}
                >
                  {!is_padding && placeOf(detection_id) + 1}
                </td>
              ))}
            </tr>
          )}
        </thead>
        <tbody ref={grid}>
          {lanes.map((lane, at) => (
            <tr key={lane.tubeId}>
              <LaneHead lane={lane} isChosen={lane.tubeId === chosen} onChoose={onChoose} />
              {lane.cells.map((cell) => (
                <td key={cell.slot}>
                  <button
                    type="button"
                    data-cell={`${at} ${cell.slot}`}
                    aria-label={wordsFor(cell, lane, slots, placeOf)}
                    title={wordsFor(cell, lane, slots, placeOf)}
                    aria-current={current.includes(cell.slot)}
                    // One stop for the tab key: arrows lead from cell to cell.
                    tabIndex={at === chosenLane && cell.slot === home ? 0 : -1}
                    className={cellStyles(cell, lane, current, lane.tubeId === chosen)}
                    onClick={() => onPick(lane.tubeId, cell.slot)}
                    onKeyDown={(event) => moveTo(event, at, cell.slot)}
                  >
                    {cell.kind === "observed" && (
                      <span
                        className={styles.confidence}
                        style={{ "--share": cell.confidence ?? 0 } as CSSProperties}
                      />
                    )}
                  </button>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type HeadProps = { lane: Lane; isChosen: boolean; onChoose: (tubeId: number) => void };

function LaneHead({ lane, isChosen, onChoose }: HeadProps) {
  return (
    <th scope="row" className={`${styles.head} ${isChosen ? styles.chosen : ""}`}>
      <Button
        kind="quiet"
        className={styles.choose ?? ""}
        aria-pressed={isChosen}
        title={`Draw this tube's window and show its crops. Probability ${lane.probability}, logit ${lane.logit}`}
        onClick={() => onChoose(lane.tubeId)}
      >
        <span>
          Tube <span className="number">{lane.tubeId}</span>
        </span>
        <Score value={lane.probability} />
        <span className={`number ${styles.logit}`}>{signedLogit(lane.logit)}</span>
      </Button>
    </th>
  );
}

/** Every fifth slot, unless its number would touch the trigger's. */
function isNumbered(slot: number, trigger: number | null): boolean {
  return slot % 5 === 0 && (trigger === null || Math.abs(slot - trigger) > 1);
}

function wordsFor(cell: Cell, lane: Lane, slots: readonly Slot[] | null, placeOf: Props["placeOf"]): string {
  const shown = slots?.[cell.slot];
  const frame = shown ? `, frame ${placeOf(shown.detection_id) + 1}` : "";
  return `Tube ${lane.tubeId}, ${describeCell(cell, lane)}${frame}`;
}

function cellStyles(cell: Cell, lane: Lane, current: readonly number[], isChosen: boolean): string {
  const kinds = [
    styles.cell,
    styles[cell.kind],
    cell.isPadding && styles.copy,
    isChosen && styles.chosen,
    current.includes(cell.slot) && styles.current,
    cell.slot === lane.firstCrossing && (lane.isTrigger ? styles.trigger : styles.crossing),
  ];
  return kinds.filter(Boolean).join(" ");
}

/** Where a key leads from a cell; nulls for a key that leads nowhere. */
function target(
  key: string,
  lane: number,
  slot: number,
  lastLane: number,
  lastSlot: number,
): readonly [number, number] | readonly [null, null] {
  switch (key) {
    case "ArrowLeft":
      return [lane, Math.max(slot - 1, 0)];
    case "ArrowRight":
      return [lane, Math.min(slot + 1, lastSlot)];
    case "ArrowUp":
      return [Math.max(lane - 1, 0), slot];
    case "ArrowDown":
      return [Math.min(lane + 1, lastLane), slot];
    case "Home":
      return [lane, 0];
    case "End":
      return [lane, lastSlot];
    default:
      return [null, null];
  }
}
