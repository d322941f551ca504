import { describe, expect, it } from "vitest";
import {
  choice,
  type Fields,
  flag,
  integer,
  list,
  listOf,
  misreadIn,
  number,
  oneOf,
  readAddress,
  text,
  writeAddress,
} from "./address";

type State = {
  threshold: number | null;
  sequence: number | null;
  organization: readonly string[];
  bucket: readonly ("review" | "unlabeled")[];
  sort: "priority" | "camera";
  words: string;
  disagreements: boolean;
  validated: boolean | null;
};

const FIELDS: Fields<State> = {
  threshold: number(0, 1),
  sequence: integer(1),
  organization: list,
  bucket: listOf(["review", "unlabeled"]),
  sort: oneOf(["priority", "camera"], "priority"),
  words: text(),
  disagreements: flag,
  validated: choice,
};

const NOTHING: State = {
  threshold: null,
  sequence: null,
  organization: [],
  bucket: [],
  sort: "priority",
  words: "",
  disagreements: false,
  validated: null,
};

describe("the address", () => {
  it("says nothing of what is as usual", () => {
    expect(writeAddress(FIELDS, new URLSearchParams(), NOTHING).toString()).toBe("");
    expect(readAddress(FIELDS, new URLSearchParams())).toEqual(NOTHING);
  });

  it("gives back whatever was written", () => {
    const state: State = {
      threshold: 0.35,
      sequence: 17,
      organization: ["a & b", "<script>", "‮x"],
      bucket: ["unlabeled"],
      sort: "camera",
      words: "tower 3 ",
      disagreements: true,
      validated: false,
    };
    const written = writeAddress(FIELDS, new URLSearchParams(), state).toString();
    expect(readAddress(FIELDS, new URLSearchParams(written))).toEqual(state);
  });

  it.each([
    ["threshold=2", "threshold"], // beyond the limits
    ["threshold=abc", "threshold"], // no number
    ["threshold=", "threshold"], // an empty text is not zero
    ["threshold=NaN", "threshold"],
    ["sequence=1.5", "sequence"], // no whole number
    ["sequence=0", "sequence"],
    ["bucket=elsewhere", "bucket"], // not one of the words
    ["sort=; drop table", "sort"],
  ] as const)("takes %s for what is usual", (search, name) => {
    expect(readAddress(FIELDS, new URLSearchParams(search))[name]).toEqual(NOTHING[name]);
  });

  it("leaves what it does not know as it is", () => {
    const written = writeAddress(FIELDS, new URLSearchParams("other=1&words=old"), { words: "new" });
    expect(written.toString()).toBe("other=1&words=new");
  });
});

describe("misreadIn", () => {
  const fields = {
    at: number(0, 1),
    sort: oneOf(["time", "score"], "time"),
    kinds: listOf(["a", "b"]),
    find: text(),
  };
  it.each([
    ["at=abc", ["at=abc"]],
    ["at=7&sort=nope", ["at=7", "sort=nope"]], // out of its limits, and no such order
    ["kinds=c&kinds=d", ["kinds=c", "kinds=d"]],
    ["at=0.50&sort=score&kinds=a", []],
    ["sort=time&at=&find=", []], // the defaults, written out
    ["other=1", []], // somebody else's
  ])("%s", (search, expected) => {
    expect(misreadIn(fields, new URLSearchParams(search))).toEqual(expected);
  });
});
