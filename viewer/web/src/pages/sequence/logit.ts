/** A logit with its sign, which is half of what it says; none is a dash, never 0. */
export function signedLogit(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined) return "–";
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}
