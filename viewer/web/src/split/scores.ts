/** The scores that decide, as the server sends them: ascending numbers per organization, to count at any threshold. */

export type OrganizationScores = {
  readonly key: string;
  readonly name: string;
  /** To Review at any threshold, because somebody has begun to annotate them. */
  readonly begun: number;
  readonly labeled: number;
  readonly dropped: number;
  readonly scores: Float64Array;
  /** Of disagreements alone: the lowest score of each; where that reaches the threshold too, nobody disagrees. */
  readonly lowest: Float64Array;
};

export type SplitScores = {
  readonly version: string;
  /** What is not To Review is not in the selection at all. */
  readonly isReviewOnly: boolean;
  readonly organizations: readonly OrganizationScores[];
};

type Part = { first: number; count: number; lowest_first?: number; lowest_count?: number };
type Listed = Omit<OrganizationScores, "scores" | "lowest"> & Part;
type Head = { version: string; is_review_only: boolean; organizations: Listed[] };

const LENGTH_BYTES = 4;
const NUMBER_BYTES = 8;

/** Nothing is copied: the numbers are looked at where they arrived, 8 MB of them at a million sequences. */
export function decodeScores(content: ArrayBuffer): SplitScores {
  const headBytes = new DataView(content).getUint32(0, true);
  const begin = LENGTH_BYTES + headBytes;
  const text = new TextDecoder().decode(new Uint8Array(content, LENGTH_BYTES, headBytes));
  const head = JSON.parse(text) as Head;
  // Float64Array has the byte order of the machine: little-endian wherever a browser runs today.
  const numbers = new Float64Array(content, begin, (content.byteLength - begin) / NUMBER_BYTES);
  const part = (first = 0, count = 0) => numbers.subarray(first, first + count);
  return {
    version: head.version,
    isReviewOnly: head.is_review_only,
    organizations: head.organizations.map((each) => ({
      key: each.key,
      name: each.name,
      begun: each.begun,
      labeled: each.labeled,
      dropped: each.dropped,
      scores: part(each.first, each.count),
      lowest: part(each.lowest_first, each.lowest_count),
    })),
  };
}
