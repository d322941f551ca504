import { describe, expect, it } from "vitest";
import {
  choice,
  type Fields,
  flag,
  integer,
  list,
  listOf,
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
