import { expect, it } from "vitest";
import { signedLogit } from "./logit";

it.each([
  [5.627, 3, "+5.627"],
  [-8.784, 2, "−8.78"],
  [0, 2, "+0.00"],
  [null, 2, "–"], // there was no tube
] as const)("a logit of %s with %i decimals is written %s", (value, digits, words) => {
  expect(signedLogit(value, digits)).toBe(words);
});
