"""The backlog is the same for the same seed, grows without moving, and changes as told."""

import itertools
import statistics
from datetime import timedelta

import pytest

from triage_assets.demo.backlog import READY, DemoBacklog
from triage_assets.demo.server import DemoAnnotator

from .conftest import Caller


def everything(backlog: DemoBacklog, ids: tuple[int, ...]) -> list[object]:
    return [(backlog.sequence(one), backlog.scene(one), backlog.detections(one)) for one in ids]


def test_the_same_seed_gives_the_same_backlog() -> None:
    ids = tuple(range(1, 61))
    assert everything(DemoBacklog(60), ids) == everything(DemoBacklog(60), ids)
    assert everything(DemoBacklog(60, seed=1), ids) != everything(DemoBacklog(60), ids)


def test_growing_adds_sequences_and_changes_none() -> None:
    small, large = DemoBacklog(40), DemoBacklog(90)
    ids = tuple(row.id for row in small.sequences)
    assert everything(large, ids) == everything(small, ids)
    added = small.add_sequences(50)
    assert len(added) == 50
    assert small.sequences == large.sequences


@pytest.mark.parametrize("n", [0, 1, 5, 6, 60])
def test_the_size_counts_ready_sequences(n: int) -> None:
    assert len(DemoBacklog(n).ready_ids()) == n


def test_a_fifth_more_sequences_are_in_other_stages() -> None:
    stages = [row.stage for row in DemoBacklog(500).sequences]
    assert stages.count(READY) == 500
    assert len(stages) == 599
    assert set(stages) == {READY, "annotated", "seq_annotation_done", "imported", "no_annotation"}


def test_the_mix_resembles_an_operational_backlog() -> None:
    backlog = DemoBacklog(1000)
    ids = backlog.ready_ids()
    assert 0.12 < sum(map(backlog.is_smoke, ids)) / 1000 < 0.18
    frames = [row.n_frames for row in backlog.sequences]
    assert (min(frames), max(frames)) == (1, 30)
    assert 7.5 < statistics.mean(frames) < 8.8
    subjects = [backlog.subject(one).id for one in ids]
    # Recurring things raise most alarms: far fewer things than alarms.
    assert len(set(subjects)) < 500
    assert {row.view.azimuth for row in backlog.sequences} >= {None, 725, -1}


def test_one_thing_is_seen_in_one_view_only() -> None:
    backlog = DemoBacklog(400)
    views: dict[str, set[str]] = {}
    for one in backlog.ready_ids():
        views.setdefault(backlog.subject(one).id, set()).add(backlog.scene(one).view.name)
    assert {len(names) for names in views.values()} == {1}


@pytest.mark.parametrize("frames", [1, 7])
def test_a_fixed_number_of_frames_holds_for_all(frames: int) -> None:
    backlog = DemoBacklog(60, frames=frames)
    assert {len(backlog.detections(row.id)) for row in backlog.sequences} == {frames}


@pytest.mark.parametrize("frames", [0, 1001])
def test_a_number_of_frames_that_cannot_be_is_refused(frames: int) -> None:
    with pytest.raises(ValueError, match="frames must be 1 to 1000"):
        DemoBacklog(1, frames=frames)


def test_detection_ids_are_unique_and_do_not_always_follow_time() -> None:
    backlog = DemoBacklog(100)
    detections = [detection for row in backlog.sequences for detection in backlog.detections(row.id)]
    assert len({detection.id for detection in detections}) == len(detections)
    disordered = [
        row.id
        for row in backlog.sequences
        if [one.id for one in backlog.detections(row.id)] != sorted(one.id for one in backlog.detections(row.id))
    ]
    assert len(disordered) > 10


def test_exact_duplicates_and_shared_pictures_exist() -> None:
    backlog = DemoBacklog(100)
    detections = [detection for row in backlog.sequences for detection in backlog.detections(row.id)]
    twice = [
        (one.id, other.id)
        for one, other in itertools.pairwise(detections)
        if (one.sequence_id, one.recorded_at, one.boxes) == (other.sequence_id, other.recorded_at, other.boxes)
    ]
    assert twice
    owners: dict[object, set[int]] = {}
    for detection in detections:
        owners.setdefault(detection.picture, set()).add(detection.sequence_id)
    assert max(len(sequences) for sequences in owners.values()) == 2


def test_last_seen_is_the_time_of_the_last_frame() -> None:
    backlog = DemoBacklog(200)
    for row in backlog.sequences:
        assert row.last_seen_at == max(detection.recorded_at for detection in backlog.detections(row.id))


def test_added_frames_move_last_seen_and_keep_the_earlier_ones(caller: Caller, backlog: DemoBacklog) -> None:
    for sequence_id in (1, 4, 25):  # plain, with swapped ids, with a duplicate
        before = backlog.detections(sequence_id)
        row = backlog.sequence(sequence_id)
        added = backlog.add_frames(sequence_id, 5)
        after = backlog.detections(sequence_id)
        assert after[: len(before)] == before
        assert {one.id for one in after} - {one.id for one in before} == set(added)
        assert len(added) == 5
        changed = backlog.sequence(sequence_id)
        assert row is not None
        assert changed is not None
        assert changed.last_seen_at > row.last_seen_at
        assert changed.last_seen_at - row.last_seen_at <= timedelta(seconds=150)
        assert caller.json("detections/", sequence_id=sequence_id)["total"] == len(after)


def test_a_removed_sequence_leaves_the_listing_but_not_the_annotator(caller: Caller, backlog: DemoBacklog) -> None:
    gone = backlog.ready_ids()[7]
    assert caller.json("sequences/", processing_stage=READY)["total"] == 60
    backlog.remove_sequence(gone)
    assert caller.json("sequences/", processing_stage=READY)["total"] == 59
    assert caller.json(f"sequences/{gone}")["id"] == gone
    assert gone not in backlog.ready_ids()


def test_added_sequences_are_listed(caller: Caller, backlog: DemoBacklog, server: DemoAnnotator) -> None:
    added = backlog.add_sequences(10)
    newest = caller.json("sequences/", size=10, processing_stage=READY)
    assert newest["total"] == 70
    assert {item["id"] for item in newest["items"]} <= set(added)
    assert server.backlog is backlog
