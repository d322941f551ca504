const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** 1234567 as "1.2 MB": powers of a thousand, as disks are sold. */
export function bytes(n: number): string {
  let step = 0;
  let value = n;
  while (value >= 999.5 && step < UNITS.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${step === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${UNITS[step]}`;
}
