"""The promises of the worklist files: kept by what is written, and broken by whatever changes one file alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.worklists.review_tables import annotate, reviewed
from tests.worklists.test_export import BACKLOG, DECIDED, load, write
from triage_assets.folder_store import FolderStore
from triage_assets.review.records import Stage
from triage_assets.worklists.invariants import check_invariants
from triage_assets.worklists.records import INVARIANTS


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def broken(
    store: FolderStore,
    backlog: frozenset[int] = BACKLOG,
    decided: frozenset[int] | None = None,
    begun: frozenset[int] = frozenset(),
) -> set[str]:
    decided_ids = DECIDED.decided_ids() if decided is None else decided
    return {check.name for check in check_invariants(store, backlog, decided_ids, begun) if not check.holds}


def test_the_checks_hold_for_what_is_written(store: FolderStore) -> None:
    write(store, tables=DECIDED)
    assert [check.name for check in check_invariants(store, BACKLOG, DECIDED.decided_ids(), frozenset())] == list(
        INVARIANTS
    )
    assert broken(store) == set()


def test_the_checks_hold_before_anything_is_grouped_or_decided(store: FolderStore) -> None:
    write(store)
    assert broken(store, decided=frozenset()) == set()


@pytest.mark.parametrize(
    ("backlog", "expected"),
    [
        (BACKLOG | {max(BACKLOG) + 1}, {"worklists_cover_the_backlog_once"}),  # one sequence is in no list
        (BACKLOG - {1}, {"nothing_outside_the_backlog"}),  # one has left the backlog
        (BACKLOG - {2}, {"nothing_outside_the_backlog", "labeled_is_in_labels_alone"}),  # and it was labelled
    ],
)
def test_a_backlog_that_moved_on_fails_its_check(
    store: FolderStore, backlog: frozenset[int], expected: set[str]
) -> None:
    write(store, tables=DECIDED)
    assert broken(store, backlog) == expected


@pytest.mark.parametrize("decided", [DECIDED.decided_ids() | {3}, DECIDED.decided_ids() - {2}])
def test_a_decision_that_the_lists_do_not_follow_fails_its_check(store: FolderStore, decided: frozenset[int]) -> None:
    write(store, tables=DECIDED)
    assert broken(store, decided=decided) == {"labeled_is_in_labels_alone"}


@pytest.mark.parametrize(
    ("sequence_id", "expected"),
    [
        (15, set()),  # To Review
        (1, {"under_annotation_is_in_review"}),  # somebody is at what is to be unlabelled
        (20, {"under_annotation_is_in_review"}),  # no model could score it
        (2, {"under_annotation_is_in_review"}),  # its label was taken back
        (99, set()),  # it has left the backlog
    ],
)
def test_what_somebody_is_annotating_belongs_to_review(
    store: FolderStore, sequence_id: int, expected: set[str]
) -> None:
    write(store, tables=DECIDED)
    assert broken(store, begun=frozenset({sequence_id})) == expected


def test_the_lists_keep_it_where_somebody_is_annotating(store: FolderStore) -> None:
    tables = reviewed(*(annotate(number, stage=Stage.UNDER_ANNOTATION) for number in (1, 15, 20, 99)))
    write(store, tables=tables)
    assert tables.begun_ids() == {1, 15, 20, 99}
    assert broken(store, decided=tables.decided_ids(), begun=tables.begun_ids()) == set()
    review, unlabeled = load(store, "review.json"), load(store, "unlabeled.json")
    stages = {item["sequence_id"]: item["annotation_stage"] for item in review["items"]}
    assert {number for number, stage in stages.items() if stage == "under_annotation"} == {1, 15, 20}
    assert not {1, 15, 20} & {*unlabeled["sequence_ids"], *unlabeled["bulk_payload"]["sequence_ids"]}
    assert review["items"][-1]["sequence_id"] == 20
    assert review["items"][-1]["triage_score"] is None


def _repeat_entry(body: Any) -> None:
    body["entries"].append({"group_id": 8, "sequence_ids": []})


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        # the payload would label a sequence that is not in the list
        (
            "unlabeled.json",
            lambda body: body["bulk_payload"]["sequence_ids"].append(1),
            {"bulk_payload_is_the_unlabeled_list"},
        ),
        # a sequence is in both lists
        (
            "unlabeled.json",
            lambda body: (body["sequence_ids"].append(15), body["bulk_payload"]["sequence_ids"].append(15)),
            {"review_and_unlabeled_are_disjoint", "worklists_cover_the_backlog_once"},
        ),
        # a labelled one is to be labelled again
        (
            "unlabeled.json",
            lambda body: (body["sequence_ids"].append(2), body["bulk_payload"]["sequence_ids"].append(2)),
            {"worklists_cover_the_backlog_once", "labeled_is_in_labels_alone"},
        ),
        # a sequence to review would never be clicked
        ("review_groups.json", lambda body: body["entries"].pop(), {"review_groups_cover_review_once"}),
        # a group would be clicked twice
        ("review_groups.json", _repeat_entry, {"review_groups_cover_review_once"}),
        # a decision would not be sent
        ("labels.json", lambda body: body["individual"].clear(), {"label_payloads_are_the_labels_list"}),
        # a decision would be sent twice
        (
            "labels.json",
            lambda body: body["bulk_payloads"][0]["sequence_ids"].append(5),
            {"label_payloads_are_the_labels_list"},
        ),
    ],
)
def test_a_tampered_file_fails_its_check(
    store: FolderStore, name: str, change: Callable[[Any], object], expected: set[str]
) -> None:
    write(store, tables=DECIDED)
    body = load(store, name)
    change(body)
    store.write(f"worklists/{name}", json.dumps(body).encode())
    assert broken(store) == expected | {"files_are_of_one_run"}
