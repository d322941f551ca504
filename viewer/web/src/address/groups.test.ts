import { describe, expect, it } from "vitest";
import { groupsFilter, groupsQuery, isNarrowed, readGroups } from "./groups";

describe("the list of groups", () => {
  it("is of unlabeled groups, the largest first, unless the address says otherwise", () => {
    expect(groupsQuery(readGroups(""), 1, 50)).toEqual({
      label_state: "unlabeled",
      order_by: "member_count",
      order_direction: "desc",
      page: 1,
      size: 50,
    });
    expect(isNarrowed(readGroups(""))).toBe(false);
  });

  it.each([
    ["label_state=all", { label_state: "all" }, false], // another list, and no part of one
    ["is_validated=false", { is_validated: false }, true],
    ["organization=a+%26+b", { organization: "a & b" }, true],
    ["camera_id=0&azimuth=-1", { camera_id: 0, azimuth: -1 }, true], // zero is a number, and so is less
    ["min_members=1", { min_members: 1 }, true],
    ["label_state=elsewhere&azimuth=north&min_members=0", {}, false], // unusable
  ] as const)("%s", (search, expected, narrowed) => {
    const state = readGroups(search);
    expect(groupsFilter(state)).toEqual({ label_state: "unlabeled", ...expected });
    expect(isNarrowed(state)).toBe(narrowed);
  });
});
