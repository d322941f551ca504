/** Thresholds as people set them: steps of a slider, numbers that are typed. */

export const STEP = 0.01;
export const LONG_STEP = 0.05;

const DIGITS = 6;

/** A number from 0 to 1 without what floating point adds to it: 0.1 + 0.2 is 0.3. */
export function tidy(value: number): number {
  return Number(Math.min(1, Math.max(0, value)).toFixed(DIGITS));
}

/** On the slider's nearest step: where a pointer is, nobody means more digits. */
export function snap(value: number): number {
  return tidy(Math.round(value / STEP) * STEP);
}

/** Where a key moves the threshold, null for any other key. */
export function moveByKey(threshold: number, key: string, isLong: boolean): number | null {
  const step = isLong ? LONG_STEP : STEP;
  switch (key) {
    case "ArrowRight":
    case "ArrowUp":
      return tidy(threshold + step);
    case "ArrowLeft":
    case "ArrowDown":
      return tidy(threshold - step);
    case "PageUp":
      return tidy(threshold + LONG_STEP);
    case "PageDown":
      return tidy(threshold - LONG_STEP);
    case "Home":
      return 0;
    case "End":
      return 1;
    default:
      return null;
  }
}

/** What was typed, kept to its last digit: a threshold may be a score itself. Null: no number from 0 to 1. */
export function parseThreshold(typed: string): number | null {
  const value = typed.trim() === "" ? Number.NaN : Number(typed.trim().replace(",", "."));
  return value >= 0 && value <= 1 ? value : null;
}

/** At least two decimals, and as many as the number has. */
export function writeThreshold(threshold: number): string {
  const short = threshold.toFixed(2);
  return Number(short) === threshold ? short : String(threshold);
}
