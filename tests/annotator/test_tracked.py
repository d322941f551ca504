"""Tracked boxes are those of the detections, in order of time, however they are stored."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from triage_assets.annotator.records import Box, Detection, SequenceRow, TrackedBoxes
from triage_assets.annotator.snapshot import ROWS_PER_GROUP, SnapshotWriter, StoredSnapshot, detections_array
from triage_assets.annotator.tracked import list_tracked_boxes
from triage_assets.store import Store, open_store

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
LEFT, RIGHT = (0.1, 0.1, 0.2, 0.2), (0.5, -0.1, 0.6, 1.2)


def frame(number: int, *boxes: tuple[float, float, float, float], second: int = 0) -> Detection:
    moment = NOON + timedelta(seconds=second)
    tracked = tuple(Box(*corners, 0.5) for corners in boxes)
    return Detection(number, 7, moment, f"{number}.jpg", tracked, other_boxes=(Box(0.7, 0.7, 0.8, 0.8, 0.9),))


def test_frames_are_in_order_of_time_and_id_and_keep_their_boxes() -> None:
    late, early, same_time, empty = (
        frame(1, LEFT, RIGHT, second=9),
        frame(2, RIGHT),
        frame(3, LEFT),
        frame(4, second=5),
    )
    stored = [[late, early], [], [same_time, early, empty], [empty]]
    assert list(list_tracked_boxes(detections_array(stored))) == [
        TrackedBoxes((2, 1), ((2, RIGHT), (1, LEFT), (1, RIGHT))),
        TrackedBoxes((), ()),
        TrackedBoxes((2, 3, 4), ((2, RIGHT), (3, LEFT))),
        TrackedBoxes((4,), ()),
    ]
    assert list(list_tracked_boxes(detections_array([]))) == []


def test_sequences_are_found_in_whichever_row_group_they_are(tmp_path) -> None:
    store: Store = open_store(str(tmp_path))
    ids = range(10, 10 + 2 * (ROWS_PER_GROUP + 3), 2)
    row = SequenceRow(1, 1, "Valley", 5, "cam", 90, NOON, NOON, *[None] * 7)
    writer = SnapshotWriter("valley-1", "Valley", "ready_to_annotate")
    for some in (ids[:ROWS_PER_GROUP], ids[ROWS_PER_GROUP:]):
        detections = detections_array([[frame(each * 10, LEFT)] for each in some])
        writer.write([replace(row, id=each) for each in some], detections)
    store.write("sequences/organization=valley-1/sequences.parquet", writer.finish())
    stored = StoredSnapshot.open(store, "valley-1")
    assert stored is not None
    wanted = [ids[-1], ids[0], ids[ROWS_PER_GROUP - 1], ids[ROWS_PER_GROUP]]
    found = stored.boxes_of([*wanted, ids[0], 9, 11, ids[-1] + 2])
    assert found == {each: TrackedBoxes((each * 10,), ((each * 10, LEFT),)) for each in wanted}
    assert stored.boxes_of([]) == {}
