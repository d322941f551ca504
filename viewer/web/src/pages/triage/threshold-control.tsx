import { type KeyboardEvent, memo, useId, useState } from "react";
import { Button } from "../../components/button";
import { Name } from "../../components/words";
import { moveByKey, parseThreshold, snap, writeThreshold } from "../../split/threshold";
import { Histogram } from "./histogram";
import styles from "./threshold-control.module.css";

type Props = {
  threshold: number;
  written: number;
  bins: readonly number[];
  /** What the bars are bars of. */
  title: string;
  onMove: (threshold: number) => void;
};

const TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1];

/** The threshold, to be moved by pointer, keys or number, on the scores that it divides. */
export const ThresholdControl = memo(function ThresholdControl(props: Props) {
  const { threshold, written, bins, title, onMove } = props;
  const id = useId();
  const [isLogarithmic, setLogarithmic] = useState(true);
  const moveOnKey = (event: KeyboardEvent<HTMLInputElement>) => {
    const moved = moveByKey(threshold, event.key, event.shiftKey);
    if (moved === null || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    onMove(moved);
  };
  return (
    <section className={styles.control} aria-label="Threshold">
      <div className={styles.head}>
        <label htmlFor={`${id}-number`}>Threshold</label>
        <NumberInput id={`${id}-number`} threshold={threshold} onMove={onMove} />
        {threshold !== written && (
          <Button kind="quiet" onClick={() => onMove(written)}>
            Back to {writeThreshold(written)}
          </Button>
        )}
        <span className={styles.title}>
          <Name of={title} />
        </span>
        <label className={styles.scale}>
          <input
            type="checkbox"
            checked={isLogarithmic}
            onChange={(event) => setLogarithmic(event.target.checked)}
          />
          log scale
        </label>
      </div>
      <div className={styles.plot}>
        <Histogram
          bins={bins}
          threshold={threshold}
          isLogarithmic={isLogarithmic}
          onMove={(value) => onMove(snap(value))}
        />
        <input
          className={styles.slider}
          type="range"
          min={0}
          max={1}
          step="any"
          value={threshold}
          aria-label="Threshold slider"
          aria-valuetext={writeThreshold(threshold)}
          onChange={(event) => onMove(snap(event.target.valueAsNumber))}
          onKeyDown={moveOnKey}
        />
        <div className={styles.ticks} aria-hidden="true">
          {TICKS.map((tick) => (
            <span key={tick} className="number" style={{ insetInlineStart: `${tick * 100}%` }}>
              {tick.toFixed(1)}
            </span>
          ))}
        </div>
      </div>
    </section>
  );
});

type NumberProps = { id: string; threshold: number; onMove: (threshold: number) => void };

/** What is being typed stays as it is until it is left, whatever it comes to meanwhile. */
function NumberInput({ id, threshold, onMove }: NumberProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const isUnusable = typed !== null && parseThreshold(typed) === null;
  return (
    <input
      id={id}
      className={`${styles.number} number`}
      inputMode="decimal"
      autoComplete="off"
      aria-invalid={isUnusable}
      title={isUnusable ? "A number from 0 to 1" : undefined}
      value={typed ?? writeThreshold(threshold)}
      onChange={(event) => {
        setTyped(event.target.value);
        const value = parseThreshold(event.target.value);
        if (value !== null) onMove(value);
      }}
      onKeyDown={(event) => {
        if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
        event.preventDefault();
        setTyped(null);
        onMove(moveByKey(threshold, event.key, event.shiftKey) ?? threshold);
      }}
      onBlur={() => setTyped(null)}
    />
  );
}
