"""Boxes are read outside of write transactions, however often the database changes meanwhile."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.groups.readings import annotations_of
from tests.groups.review_rows import KnownDetections, add_sequence, all_detections, detections_of, fill_review
from triage_assets.annotator.records import TrackedBoxes
from triage_assets.groups import seeds
from triage_assets.groups.decisions import Decisions
from triage_assets.review.aggregates import refresh_aggregates
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase, DecisionWriter
from triage_assets.review.records import FalsePositiveType, Label, Origin

ANTENNA = Label(false_positive_type=FalsePositiveType.ANTENNA)


class WatchedDatabase(DecisionDatabase):
    """A database that knows whether a write is under way, and where somebody else is faster before each."""

    is_writing = False
    somebody_else: Callable[[], object] | None = None

    @contextmanager
    def write(self, by: str) -> Iterator[DecisionWriter]:
        somebody_else, self.somebody_else = self.somebody_else, None
        if somebody_else:
            somebody_else()
        with super().write(by) as writer:
            self.is_writing = True
            yield writer
            self.is_writing = False


class Watched(KnownDetections):
    """Detections that know of how many sequences each reading was, and whether a write was under way."""

    def __init__(self, detections: KnownDetections, database: WatchedDatabase) -> None:
        super().__init__(detections)
        self.database = database
        self.readings: list[tuple[int, bool]] = []

    def load(self, organization_keys: Mapping[int, str]) -> dict[int, TrackedBoxes]:
        self.readings.append((len(organization_keys), self.database.is_writing))
        return super().load(organization_keys)


@pytest.fixture
def database(review: ReviewDatabase) -> WatchedDatabase:
    fill_review(review)
    return WatchedDatabase(review)


@pytest.fixture
def detections(database: WatchedDatabase) -> Watched:
    return Watched(all_detections(), database)


def add_members(review: ReviewDatabase, detections: Watched, first: int, count: int) -> None:
    with review.write() as write:
        for sequence_id in range(first, first + count):
            add_sequence(write.connection, sequence_id, write.revision, group_id=1)
        refresh_aggregates(write, [1])
    detections.update({each: detections_of(each, [(0.1, 0.1, 0.3, 0.3)]) for each in range(first, first + count)})


@pytest.mark.parametrize(("n_members", "in_one_go"), [(3, True), (300, False)])
def test_a_group_that_was_validated_meanwhile_is_read_in_one_go(
    review: ReviewDatabase, database: WatchedDatabase, detections: Watched, n_members: int, in_one_go: bool
) -> None:
    """A few boxes are read inside the write; for many everybody else would wait, so it begins anew."""
    add_members(review, detections, 1000, n_members - 2)
    database.somebody_else = lambda: Decisions(database, detections).set_validated(1, True, by="carl")
    Decisions(database, detections).annotate(11, ANTENNA, by="bob")
    assert detections.readings == [(1, False), (n_members, in_one_go)]
    assert annotations_of(review, 1000)[1000][1] == Origin.PROPAGATED


def test_what_changes_again_and_again_is_decided_all_the_same(
    review: ReviewDatabase, database: WatchedDatabase, detections: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeds, "_FEW", 0)
    decisions = Decisions(database, detections)
    decisions.set_validated(1, True, by="ada")
    newcomers = iter(range(1000, 2000))

    def add_another() -> None:
        add_members(review, detections, next(newcomers), 1)
        database.somebody_else = add_another

    database.somebody_else = add_another
    decisions.annotate(11, ANTENNA, by="bob")
    assert [is_writing for _, is_writing in detections.readings] == [False, False, False, False, True]
    last = next(newcomers) - 1
    assert annotations_of(review, last)[last][1] == Origin.PROPAGATED
