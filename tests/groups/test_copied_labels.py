"""A label that came through a group, once its sequence is out of it: the worklists and the next decision agree."""

from itertools import product
from pathlib import Path

import pytest

from tests.groups.review_rows import all_detections, fill_review
from tests.groups.test_decisions import annotations_of
from tests.review.rows import add_annotation, add_sequence
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import write_snapshot
from triage_assets.groups.bulk import BulkReport, BulkRequest
from triage_assets.groups.decisions import Decisions
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.records import LOCKED_STAGES, FalsePositiveType, Label, Origin, SmokeType, Stage
from triage_assets.store import Store

ANTENNA, WILDFIRE = Label(false_positive_type=FalsePositiveType.ANTENNA), Label(SmokeType.WILDFIRE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(tmp_path / "store")


def standing_in(store: Store, review: ReviewDatabase) -> dict[int, str]:
    """The stage of every annotation that speaks for its sequence, as the worklists see it."""
    write_snapshot(store, review)
    snapshot = load_snapshot(store)
    assert snapshot is not None
    standing = snapshot.standing_annotations()
    return dict(zip(standing["sequence_id"].to_pylist(), standing["stage"].to_pylist(), strict=True))


def test_what_counts_in_the_worklists_is_what_bulk_leaves_alone(store: Store, review: ReviewDatabase) -> None:
    cases = dict(enumerate(product(Stage, Origin, (False, True)), start=1))
    with review.write() as write:
        for sequence_id, (stage, origin, is_excluded) in cases.items():
            add_sequence(write.connection, sequence_id, is_group_excluded=is_excluded)
            add_annotation(write.connection, sequence_id, stage=stage, origin=origin)
    counted = {each for each, stage in standing_in(store, review).items() if stage in LOCKED_STAGES}
    with DecisionDatabase(review).read() as read:
        locked = {state.id for state in read.sequences(cases).values() if state.is_locked}
    assert counted == locked
    copies = product([Stage.SEQ_ANNOTATION_DONE], [Origin.PROPAGATED, Origin.INHERITED], [True])
    begun = {each for each, (stage, _, _) in cases.items() if stage in LOCKED_STAGES}
    assert {cases[each] for each in begun - locked} == set(copies)


def test_a_sequence_that_was_taken_out_with_a_copied_label_takes_another(store: Store, review: ReviewDatabase) -> None:
    fill_review(review)
    decisions = Decisions(DecisionDatabase(review), all_detections())
    decisions.annotate(21, ANTENNA, by="ada")  # and through group 2, 22
    request = BulkRequest((21, 22), WILDFIRE)
    locked = "locked stage: seq_annotation_done"
    report = decisions.annotate_many(request, by="bob")
    assert report == BulkReport((), {21: locked, 22: locked}, group_label_updated=False)
    for sequence_id in (21, 22):
        decisions.remove_member(2, sequence_id, by="ada")
    assert {21, 22} & set(standing_in(store, review)) == {21}

    report = decisions.annotate_many(request, by="bob")
    assert report == BulkReport((22,), {21: locked}, group_label_updated=False)
    assert annotations_of(review, 22)[22][1:4] == (Origin.BULK, False, ("wildfire",))
    assert {21, 22} & set(standing_in(store, review)) == {21, 22}
    assert decisions.annotate_many(request, by="bob").applied == (), "again"
