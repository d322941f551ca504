import { describe, expect, it } from "vitest";
import { readAddress } from "./address";
import { asSearch, countFilters, rowsQuery, scoresQuery, triageFields } from "./triage";

function read(search: string) {
  return readAddress(triageFields, new URLSearchParams(search));
}

describe("the triage page's address", () => {
  it("without anything asks for every row in the usual order", () => {
    const state = read("");
    expect(rowsQuery(state)).toEqual({ sort: "priority", direction: "desc" });
    expect(scoresQuery(state)).toEqual({});
    expect(countFilters(state)).toBe(0);
  });

  it("with everything asks the rows for all of it, and the scores for what they do not have themselves", () => {
    const search =
      "organization=a-1&organization=b-2&camera=Brison+%3Cscript%3E&bucket=review&model=1.0&disagreements=1" +
      "&group_state=labeled&group_state=none&is_validated=false&started_from=2026-06-01&started_to=2026-06-02" +
      "&text=+tower+3+&threshold=0.350000000001&sort=model_score&sort_model=1.0&direction=asc&sequence=17";
    const state = read(search);
    const fixed = {
      camera: ["Brison <script>"],
      model: "1.0",
      disagreements: true,
      group_state: ["labeled", "none"],
      is_validated: false,
      started_from: "2026-06-01",
      started_to: "2026-06-02",
      text: "tower 3",
    };
    expect(scoresQuery(state)).toEqual(fixed);
    expect(rowsQuery(state)).toEqual({
      ...fixed,
      organization: ["a-1", "b-2"],
      bucket: ["review"],
      threshold: 0.350000000001,
      sort: "model_score",
      sort_model: "1.0",
      direction: "asc",
    });
    expect(countFilters(state)).toBe(10);
    expect(state.sequence).toBe(17);
  });

  it.each([
    ["started_from=2026-02-30", "started_from", ""], // no day of the calendar
    ["started_to=yesterday", "started_to", ""],
    ["bucket=elsewhere&bucket=review", "bucket", ["review"]],
    ["threshold=7", "threshold", null],
    ["sort=model_version", "sort", "priority"], // the API knows it, the table has no such column
  ] as const)("takes %s for what is usual", (search, name, usual) => {
    expect(read(search)[name]).toEqual(usual);
  });

  it("counts a question that is answered with no as a filter", () => {
    expect(countFilters(read("is_validated=false"))).toBe(1);
  });

  it("ordered by the scores of no model is in the usual order", () => {
    expect(rowsQuery(read("sort=model_score"))).toEqual({ sort: "priority", direction: "desc" });
  });

  it("writes each value of a list by itself", () => {
    expect(asSearch({ bucket: ["review", "labeled"], threshold: 0.5 })).toBe(
      "bucket=review&bucket=labeled&threshold=0.5",
    );
  });
});
