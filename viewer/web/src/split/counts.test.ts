import { describe, expect, it } from "vitest";
import {
  add,
  countBelow,
  countsAt,
  histogram,
  N_BINS,
  ofOrganizations,
  sumOf,
  sweep,
  sweepThresholds,
  totalAt,
} from "./counts";
import { decodeScores, type OrganizationScores, type SplitScores } from "./scores";

/** Numbers from 0 to 1 that are the same in every run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function organizationOf(
  numbers: readonly number[],
  more: Partial<OrganizationScores> = {},
): OrganizationScores {
  return {
    key: "a-1",
    name: "A",
    begun: 0,
    labeled: 0,
    dropped: 0,
    scores: Float64Array.from(numbers).sort(),
    lowest: new Float64Array(),
    ...more,
  };
}

function scoresOf(...organizations: OrganizationScores[]): SplitScores {
  return { version: "v", isReviewOnly: false, organizations };
}

describe("counting below a threshold", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])("is what looking at each number finds (%d)", (seed) => {
    const random = randomOf(seed);
    const n = Math.floor(random() * 400);
    // Of few digits, so that many are equal and many are the threshold itself.
    const numbers = Array.from({ length: n }, () => Math.round(random() * 100) / 100);
    const { scores } = organizationOf(numbers);
    const thresholds = [0, 1, -0.1, 1.1, ...numbers.slice(0, 20), ...Array.from({ length: 50 }, random)];
    for (const threshold of thresholds) {
      expect(countBelow(scores, threshold)).toBe(numbers.filter((each) => each < threshold).length);
    }
  });
});

describe("the split", () => {
  it.each([
    [0.35, 3], // the score that is the threshold itself goes To Review
    [0.35 + 1e-12, 2], // and does not where the threshold is the least bit above
    [0, 4], // a score of nothing reaches a threshold of nothing
    [1, 1],
  ])("at %d sends %d To Review", (threshold, review) => {
    const counts = countsAt(organizationOf([0, 0.35, 0.7, 1]), threshold, false);
    expect(counts).toMatchObject({ review, unlabeled: 4 - review });
  });

  it("keeps what somebody has begun To Review at any threshold", () => {
    const of = organizationOf([0.2], { begun: 3, labeled: 5, dropped: 2 });
    expect(countsAt(of, 1, false)).toEqual({ review: 3, unlabeled: 1, labeled: 5, dropped: 2 });
    expect(sumOf(countsAt(of, 0.1, false))).toBe(11);
  });

  it("counts as disagreements what only some models send To Review", () => {
    const of = organizationOf([0.2, 0.6, 0.9], { lowest: Float64Array.of(0.1, 0.5, 0.8) });
    const naive = (threshold: number) =>
      [
        [0.1, 0.2],
        [0.5, 0.6],
        [0.8, 0.9],
      ].filter(([low, high]) => (high as number) >= threshold && (low as number) < threshold).length;
    for (const threshold of [0, 0.1, 0.15, 0.2, 0.5, 0.55, 0.6, 0.85, 1]) {
      expect(countsAt(of, threshold, true)).toMatchObject({ review: naive(threshold), unlabeled: 0 });
    }
  });

  it("of several organizations is the sum of theirs", () => {
    const one = organizationOf([0.1, 0.9], { key: "a-1", labeled: 1 });
    const other = organizationOf([0.5], { key: "b-2", dropped: 4 });
    const scores = scoresOf(one, other);
    expect(totalAt(scores, 0.5)).toEqual({ review: 2, unlabeled: 1, labeled: 1, dropped: 4 });
    expect(totalAt(ofOrganizations(scores, ["b-2"]), 0.5)).toEqual(add([countsAt(other, 0.5, false)]));
    expect(ofOrganizations(scores, [])).toBe(scores);
    expect(sweep(scores, [0, 1])).toEqual([
      { threshold: 0, review: 3, unlabeled: 0 },
      { threshold: 1, review: 0, unlabeled: 3 },
    ]);
  });
});

describe("the sweep's thresholds", () => {
  it.each([
    [0.35, [0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1]],
    [0.42, [0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.42, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1]], // between the steps
    [0, [0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]], // at an end
  ])("are close around %d and wider at the ends", (operatingPoint, expected) => {
    expect(sweepThresholds(operatingPoint)).toEqual(expected);
  });
});

describe("the histogram", () => {
  it("has every score once, and 1 in its last bin", () => {
    const random = randomOf(11);
    const numbers = [0, 1, 1, 0.02, 0.04, ...Array.from({ length: 500 }, random)];
    const bins = histogram(scoresOf(organizationOf(numbers), organizationOf([0.5])));
    const naive = new Array<number>(N_BINS).fill(0);
    for (const each of [...numbers, 0.5]) {
      let bin = 0;
      while (bin < N_BINS - 1 && each >= (bin + 1) / N_BINS) bin++;
      naive[bin] = (naive[bin] as number) + 1;
    }
    expect(bins).toEqual(naive);
  });
});

describe("the server's scores", () => {
  it("are read where they arrived", () => {
    const organizations = [
      {
        key: "a-1",
        name: "Ardèche",
        begun: 1,
        labeled: 2,
        dropped: 3,
        first: 0,
        count: 2,
        lowest_first: 3,
        lowest_count: 1,
      },
      {
        key: "b-2",
        name: "<b>",
        begun: 0,
        labeled: 0,
        dropped: 0,
        first: 2,
        count: 1,
        lowest_first: 4,
        lowest_count: 0,
      },
    ];
    const head = new TextEncoder().encode(
      JSON.stringify({ version: "v1", is_review_only: true, organizations }),
    );
    const padded = Math.ceil((head.length + 4) / 8) * 8 - 4;
    const content = new ArrayBuffer(4 + padded + 4 * 8);
    new DataView(content).setUint32(0, padded, true);
    new Uint8Array(content).fill(0x20, 4, 4 + padded).set(head, 4);
    new Float64Array(content, 4 + padded).set([0.1, 0.35, 0.7, 0.05]);
    const decoded = decodeScores(content);
    expect(decoded.version).toBe("v1");
    expect(decoded.isReviewOnly).toBe(true);
    expect(decoded.organizations.map((each) => [each.name, [...each.scores], [...each.lowest]])).toEqual([
      ["Ardèche", [0.1, 0.35], [0.05]],
      ["<b>", [0.7], []],
    ]);
  });
});
