from dataclasses import replace
from pathlib import Path

import pytest

from tests.shards.shard_backlogs import KEY, make_backlog, make_sequence
from triage_assets.annotator.merging import add_sequences
from triage_assets.annotator.records import Box, Sequence
from triage_assets.annotator.snapshot import StoredSnapshot, iter_sequences, read_snapshot, snapshot_path
from triage_assets.folder_store import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def add(store: FolderStore, sequences: list[Sequence], stage: str = "imported") -> int:
    return add_sequences(store, KEY, "SDIS Ardèche", stage, sequences)


def test_what_is_there_stays_and_what_is_not_is_added_in_order(store: FolderStore) -> None:
    there = [make_sequence(2, (20, 21)), make_sequence(1200, (7,))]
    assert add(store, there, "ready_to_annotate") == 2
    others = [replace(sequence, row=replace(sequence.row, camera_name="other")) for sequence in make_backlog(1200, 1)]
    assert add(store, others) == 1198
    assert list(iter_sequences(store, KEY)) == [others[0], there[0], *others[2:1199], there[1]]
    stored = StoredSnapshot.open(store, KEY)
    assert stored is not None
    assert (stored.stage, stored.organization.name) == ("ready_to_annotate", "SDIS Ardèche")


def test_nothing_new_writes_nothing(store: FolderStore) -> None:
    add(store, make_backlog(3))
    before = (store.root / snapshot_path(KEY)).stat()
    assert add(store, make_backlog(2)) == 0
    assert (store.root / snapshot_path(KEY)).stat() == before
    assert add(FolderStore(store.root / "none"), []) == 0


def test_boxes_that_nobody_knows_are_not_boxes_that_are_not_there(store: FolderStore) -> None:
    sequence = make_sequence(5, (50, 51, 52))
    box = Box(0.1, 0.2, 0.3, 0.4, 0.5)
    detections = (
        replace(sequence.detections[0], has_known_boxes=False),
        sequence.detections[1],
        replace(sequence.detections[2], boxes=(box,)),
    )
    add(store, [Sequence(sequence.row, detections)])
    assert [each.detections for each in iter_sequences(store, KEY)] == [detections]
    [row] = read_snapshot(store, KEY)["detections"].to_pylist()
    assert [frame["boxes"] if frame["boxes"] is None else len(frame["boxes"]) for frame in row] == [None, 0, 1]
    stored = StoredSnapshot.open(store, KEY)
    assert stored is not None
    assert stored.boxes_of([5])[5].boxes == ((52, (0.1, 0.2, 0.3, 0.4)),)
