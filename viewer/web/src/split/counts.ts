/** Counting at a threshold by binary search: exact, and quick enough to do at every step of a slider. */

import type { OrganizationScores, SplitScores } from "./scores";

export type BucketCounts = {
  readonly review: number;
  readonly unlabeled: number;
  readonly labeled: number;
  readonly dropped: number;
};

export type SweepStep = { readonly threshold: number; readonly review: number; readonly unlabeled: number };

export const NONE: BucketCounts = { review: 0, unlabeled: 0, labeled: 0, dropped: 0 };
export const N_BINS = 50;

const NEAR = 0.2;

/** How many of the ascending numbers are below the threshold. */
export function countBelow(ascending: Float64Array, threshold: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) < threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function sumOf(counts: BucketCounts): number {
  return counts.review + counts.unlabeled + counts.labeled + counts.dropped;
}

/** One organization's counts: a score that is the threshold itself goes To Review. */
export function countsAt(of: OrganizationScores, threshold: number, isReviewOnly: boolean): BucketCounts {
  const reaching = of.scores.length - countBelow(of.scores, threshold);
  const agreeing = of.lowest.length - countBelow(of.lowest, threshold);
  const sent = reaching - agreeing;
  return {
    review: sent + of.begun,
    unlabeled: isReviewOnly ? 0 : of.scores.length - sent,
    labeled: of.labeled,
    dropped: of.dropped,
  };
}

export function add(all: Iterable<BucketCounts>): BucketCounts {
  let { review, unlabeled, labeled, dropped } = NONE;
  for (const each of all) {
    review += each.review;
    unlabeled += each.unlabeled;
    labeled += each.labeled;
    dropped += each.dropped;
  }
  return { review, unlabeled, labeled, dropped };
}

/** The scores of these organizations, all where none is named. */
export function ofOrganizations(scores: SplitScores, keys: readonly string[]): SplitScores {
  if (keys.length === 0) return scores;
  return { ...scores, organizations: scores.organizations.filter((each) => keys.includes(each.key)) };
}

export function totalAt(scores: SplitScores, threshold: number): BucketCounts {
  return add(scores.organizations.map((each) => countsAt(each, threshold, scores.isReviewOnly)));
}

/** Every 0.05 near the operating point, every 0.1 beyond, both ends, and the operating point itself. */
export function sweepThresholds(operatingPoint: number): number[] {
  const steps = Array.from({ length: 21 }, (_, step) => step / 20).filter(
    (value, step) => step % 2 === 0 || Math.abs(value - operatingPoint) <= NEAR + 1e-9,
  );
  return [...new Set([...steps, operatingPoint])].sort((a, b) => a - b);
}

export function sweep(scores: SplitScores, thresholds: readonly number[]): SweepStep[] {
  return thresholds.map((threshold) => {
    const { review, unlabeled } = totalAt(scores, threshold);
    return { threshold, review, unlabeled };
  });
}

/** How many scores are in each of equal bins from 0 to 1; 1 itself is in the last. */
export function histogram(scores: SplitScores, nBins = N_BINS): number[] {
  const bins = new Array<number>(nBins).fill(0);
  for (const { scores: ascending } of scores.organizations) {
    let before = 0;
    for (let bin = 0; bin < nBins; bin++) {
      const upTo = bin === nBins - 1 ? ascending.length : countBelow(ascending, (bin + 1) / nBins);
      bins[bin] = (bins[bin] as number) + upTo - before;
      before = upTo;
    }
  }
  return bins;
}
