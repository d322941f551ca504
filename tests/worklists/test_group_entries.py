"""The backlog by group: what an entry lists and counts, the order of entries, and groups whose scores are far apart."""

import pandas as pd
import pytest

from tests.worklists.review_tables import annotate, reviewed
from tests.worklists.test_build import backlog_of, scores_of
from triage_assets.worklists.build import build_results
from triage_assets.worklists.group_entries import list_conflicts, list_entries, summarize_groups
from triage_assets.worklists.records import NOT_GROUPED, ReviewTables

SCORES: dict[int, float | str] = {1: 0.5, 2: 0.8, 3: 0.1, 4: 0.7, 5: "no_images", 6: 0.9}


def entries_of(
    scores: dict[int, float | str], tables: ReviewTables, other_scores: dict[int, float | str] | None = None
) -> pd.DataFrame:
    models = [scores_of(scores), *([scores_of(other_scores, "2.0-bbbbbbbb")] if other_scores else [])]
    results = build_results(backlog_of(*scores), models, 0.35, tables)
    return list_entries(results, summarize_groups(results, tables.groups, 0.35))


def test_a_group_is_one_entry_with_its_best_scored_member_first() -> None:
    entries = entries_of(SCORES, reviewed(members={1: 7, 2: 7, 4: 9}))
    assert entries["group_id"].tolist() == [pd.NA, 7, 9]
    assert entries["sequence_ids"].tolist() == [[6], [2, 1], [4]]
    assert entries["triage_score"].tolist() == [0.9, 0.8, 0.7]


def test_other_members_are_counted_and_not_listed() -> None:
    tables = reviewed(annotate(6), members=dict.fromkeys((1, 2, 3, 5, 6, 99), 7))
    entry = entries_of(SCORES, tables).query("group_id == 7").iloc[0]
    assert entry["sequence_ids"] == [2, 1]
    counts = entry[["n_review", "n_unlabeled", "n_labeled", "n_dropped", "n_members"]].tolist()
    assert counts == [2, 1, 1, 1, 6]  # 99 has left the backlog


def test_scores_are_those_of_every_member_in_the_backlog() -> None:
    tables = reviewed(annotate(6), members=dict.fromkeys((1, 3, 6), 7))
    entry = entries_of(SCORES, tables).query("group_id == 7").iloc[0]
    assert (entry["triage_score"], entry["score_lowest"], entry["score_highest"]) == (0.5, 0.1, 0.9)


def test_an_entry_of_a_sequence_by_itself_is_a_group_of_one_without_a_number() -> None:
    entry = entries_of({1: 0.5}, NOT_GROUPED).iloc[0].to_dict()
    assert pd.isna(entry["group_id"])
    assert {name: entry[name] for name in ("n_review", "n_members", "n_unlabeled", "n_labeled", "n_dropped")} == {
        "n_review": 1,
        "n_members": 1,
        "n_unlabeled": 0,
        "n_labeled": 0,
        "n_dropped": 0,
    }
    assert (entry["score_lowest"], entry["score_highest"], entry["is_conflicted"]) == (0.5, 0.5, False)


def test_an_entry_carries_its_groups_label() -> None:
    labels = {7: {"false_positive_type": "antenna", "is_unsure": True, "is_validated": True}}
    entries = entries_of(SCORES, reviewed(members={2: 7, 4: 9}, labels=labels)).set_index("group_id")
    assert entries["smoke_type"].isna().all()
    columns = ["false_positive_type", "is_unsure", "is_validated"]
    assert entries.loc[7, columns].tolist() == ["antenna", True, True]
    assert entries.loc[9, columns].fillna("none").tolist() == ["none", False, False]


def test_entries_where_models_disagree_come_first_even_if_that_is_not_the_best_member() -> None:
    both = {1: 0.95, 2: 0.9, 3: 0.5}
    entries = entries_of(both, reviewed(members={2: 7, 3: 7}), other_scores={1: 0.95, 2: 0.9, 3: 0.1})
    assert entries["sequence_ids"].tolist() == [[2, 3], [1]]
    assert entries["models_disagree"].tolist() == [True, False]


def test_entries_of_one_score_are_in_order_of_their_sequences() -> None:
    entries = entries_of({4: 0.5, 3: 0.5, 2: 0.5, 1: 0.5}, reviewed(members={1: 7, 4: 7}))
    assert entries["sequence_ids"].tolist() == [[1, 4], [2], [3]]


def test_a_group_without_anything_to_review_has_no_entry() -> None:
    assert entries_of({1: 0.1, 2: 0.2}, reviewed(members={1: 7, 2: 7})).empty
    assert entries_of({1: 0.9, 2: 0.2}, reviewed(annotate(1), members={1: 7, 2: 7})).empty


@pytest.mark.parametrize(
    ("scores", "is_conflicted"),
    [
        ({1: 0.9, 2: 0.1}, True),
        ({1: 0.6, 2: 0.1}, True),  # exactly 0.5 apart
        ({1: 0.59, 2: 0.1}, False),  # not far apart
        ({1: 0.99, 2: 0.4}, False),  # far apart, and all To Review
        ({1: 0.9, 2: "no_images"}, False),  # one opinion is no conflict
        ({1: 0.35, 2: 0.86}, False),  # the boundary is To Review
    ],
)
def test_a_group_is_conflicted_when_scores_are_far_apart_on_both_sides(
    scores: dict[int, float | str], is_conflicted: bool
) -> None:
    assert entries_of(scores, reviewed(members={1: 7, 2: 7}))["is_conflicted"].tolist() == [is_conflicted]


def test_the_table_of_conflicts_begins_with_the_furthest_apart_and_stops_where_told() -> None:
    scores: dict[int, float | str] = {1: 0.8, 2: 0.1, 3: 0.95, 4: 0.05, 5: 0.9, 6: 0.8}
    tables = reviewed(
        annotate(3), members={1: 7, 2: 7, 3: 8, 4: 8, 5: 9, 6: 9}, labels={8: {"false_positive_type": "antenna"}}
    )
    results = build_results(backlog_of(*scores), [scores_of(scores)], 0.35, tables)
    summary = summarize_groups(results, tables.groups, 0.35)
    found = list(list_conflicts(results, summary, most=20))
    assert [row["group"] for row in found] == [8, 7]
    assert found[0] == {
        "group": 8,
        "camera": "brison-00",
        "sequences": 2,
        "lowest": 0.05,
        "highest": 0.95,
        "lowest sequence": 4,
        "highest sequence": 3,
        "label": "antenna",
    }
    assert list(list_conflicts(results, summary, most=1)) == found[:1]


def test_an_empty_backlog_has_no_entries() -> None:
    assert entries_of({}, NOT_GROUPED).empty
