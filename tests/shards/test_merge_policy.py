"""Which small shards are merged: a function of sizes, held against three years of runs."""

import pytest

from benchmarks.compaction import SCENARIOS, Scenario, simulate
from triage_assets.shards.merge_policy import choose_merge, plan_merges

KB, MB, GB = 1_000, 1_000_000, 1_000_000_000


@pytest.mark.parametrize(
    ("sizes", "most_small", "merged"),
    [
        ([], 3, ()),
        ([MB, MB, MB], 3, ()),  # as many as there may be
        ([MB, MB, MB, MB], 3, (0, 1, 2, 3)),  # four of one size: the three outweigh the fourth
        ([MB, 600 * MB, 600 * MB, 600 * MB, 600 * MB], 3, ()),  # from half of the largest on, none is small
        ([9 * MB, MB, MB, 100 * MB], 3, (1, 2)),  # the two smallest at least; 2 MB do not outweigh 9, nor 11 100
        ([100 * MB, MB, MB, 3 * MB], 3, (1, 2, 3)),  # two shards of 2 MB outweigh one of 3, by 2 to 4
        ([100 * MB, MB, MB, 5 * MB], 3, (1, 2)),  # and not one of 5
        ([100 * MB, 30 * MB, 30 * MB, 30 * MB], 3, (1, 2, 3, 0)),  # three of 90 outweigh one of 100, by 3 to 4
        ([400 * MB] * 4, 3, (0, 1)),  # what is merged is no larger than a sealed shard
        ([499 * MB] * 2, 1, (0, 1)),
    ],
)
def test_the_smallest_are_merged_with_those_that_they_outweigh(
    sizes: list[int], most_small: int, merged: tuple[int, ...]
) -> None:
    assert choose_merge(sizes, GB, most_small) == merged


@pytest.mark.parametrize("most_small", [1, 2, 10])
def test_merging_as_chosen_ends_with_few_small_shards_and_none_too_large(most_small: int) -> None:
    sizes = [((7 * number) % 97 + 1) * 3 * MB for number in range(300)]
    total = sum(sizes)
    while chosen := choose_merge(sizes, GB, most_small):
        assert len(set(chosen)) >= 2
        merged = sum(sizes[position] for position in chosen)
        assert merged <= GB
        sizes = [size for position, size in enumerate(sizes) if position not in chosen] + [merged]
    assert sum(2 * size < GB for size in sizes) <= most_small
    assert sum(sizes) == total


@pytest.mark.parametrize("most_small", [1, 2, 10])
def test_a_plan_ends_where_one_merge_after_the_other_does_and_writes_each_byte_once(most_small: int) -> None:
    sizes = [((7 * number) % 97 + 1) * 3 * MB for number in range(300)]
    one_by_one = sizes
    while chosen := choose_merge(one_by_one, GB, most_small):
        merged = sum(one_by_one[position] for position in chosen)
        one_by_one = [size for position, size in enumerate(one_by_one) if position not in chosen] + [merged]
    plan = plan_merges(sizes, GB, most_small)
    merged_once = [position for positions in plan for position in positions]
    assert len(merged_once) == len(set(merged_once))
    left = [size for position, size in enumerate(sizes) if position not in merged_once]
    at_once = left + [sum(sizes[position] for position in positions) for positions in plan]
    assert sorted(at_once) == sorted(one_by_one)
    assert plan_merges(at_once, GB, most_small) == ()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_three_years_of_daily_runs_of_thirty_organizations_leave_few_shards(scenario: Scenario) -> None:
    result = simulate(scenario)
    assert result.runs == 3 * 365
    assert result.most_shards <= 400
    # Equal shards from every run of everybody are more than any policy can merge into so few with 4 times the writing.
    assert result.bytes_written <= (4.25 if scenario.name == "worst" else 4) * result.bytes_kept
