from dataclasses import replace

import pyarrow as pa
import pytest

from triage_assets.scoring.planning import plan_scoring

from .backlogs import BOX, Backlog, Frame, backlog_of, frames_of
from .pictures import picture

KEY = "sdis-07-1"


def plan(backlog, scored=(), detector="annotator"):
    return plan_scoring(backlog.key, *backlog.tables(), set(scored), detector=detector)


def fingerprints(planned):
    rows = planned.rows.to_pylist()
    return {row["sequence_id"]: row["frames_fingerprint"] for row in rows}


def fingerprint(*frames, detector="annotator"):
    return fingerprints(plan(Backlog(KEY, {1: frames}), detector=detector))[1]


A, B = frames_of(1)


@pytest.mark.parametrize(
    "frames",
    [
        # another image, detection, number or order of frames
        (A, B.changed(image=picture(99))),
        (A, B.changed(detection_id=999)),
        (A,),
        (A, B, Frame(103, picture(3), second=60)),
        (A.changed(second=60), B),
        # another box, confidence, class, number or order of boxes
        (A, B.changed(boxes=({**BOX, "x1": 0.41},))),
        (A, B.changed(boxes=({**BOX, "confidence": 0.61},))),
        (A, B.changed(boxes=({**BOX, "class_name": "cloud"},))),
        (A, B.changed(boxes=())),
        (A, B.changed(boxes=(BOX, BOX))),
        (A.changed(boxes=(BOX, BOX)), B.changed(boxes=())),
        # a frame that became unusable, or appeared as such
        (A, B.changed(reason="404")),
        (A, B, Frame(103, b"", second=60, reason="404")),
    ],
)
def test_changed_frames_have_another_fingerprint(frames):
    assert fingerprint(*frames) != fingerprint(A, B)


def test_the_order_of_rows_does_not_change_the_fingerprint():
    # The time of each frame orders them.
    assert fingerprint(B, A) == fingerprint(A, B)


def test_equal_frames_of_two_sequences_have_two_fingerprints():
    found = fingerprints(plan(Backlog(KEY, {1: (A, B), 2: (A, B)})))
    assert found[1] != found[2]


def test_the_place_in_a_shard_and_the_company_do_not_matter():
    alone = fingerprints(plan(backlog_of(3)))[3]
    moved = replace(backlog_of(1, 2, 3), shards={3: "000009-bbbbbbbb"})
    assert fingerprints(plan(moved))[3] == alone


def test_a_detector_of_our_own_does_not_look_at_the_boxes_that_are_served():
    other = B.changed(boxes=())
    assert fingerprint(A, B, detector="bundled") == fingerprint(A, other, detector="bundled")
    assert fingerprint(A, B, detector="bundled") != fingerprint(A, B)


def test_fingerprints_do_not_depend_on_how_a_table_is_chunked():
    backlog, frames = backlog_of(*range(1, 8)).tables()
    chunked = pa.concat_tables([backlog.slice(0, 3), backlog.slice(3, 1), backlog.slice(4)])
    split = pa.concat_tables([frames.slice(9), frames.slice(0, 9)])
    whole = plan_scoring(KEY, backlog, frames, set())
    assert plan_scoring(KEY, chunked, split, set()).rows.equals(whole.rows)


def test_a_large_backlog_is_hashed_in_batches_like_a_small_one(monkeypatch):
    whole = fingerprints(plan(backlog_of(*range(1, 8))))
    monkeypatch.setattr("triage_assets.scoring.planning._BATCH", 2)
    assert fingerprints(plan(backlog_of(*range(1, 8)))) == whole


GONE = Frame(150, b"", reason="404 from the image store")
NOISE = Frame(151, b"", reason="no image")
LATER = Frame(152, picture(1), missing=True)


@pytest.mark.parametrize(
    ("frames", "reason", "error"),
    [
        ((), "no_images", "the sequence has no detections"),
        ((GONE,), "no_images", "none of 1 frames is usable: 404 from the image store"),
        ((GONE, NOISE), "no_images", "none of 2 frames is usable: 404 from the image store; no image"),
        ((LATER,), "incomplete", "1 of 1 frames are in no shard yet"),
        ((GONE, LATER), "incomplete", "1 of 2 frames are in no shard yet"),
        ((A, LATER), "incomplete", "1 of 2 frames are in no shard yet"),
        ((A, GONE, LATER, LATER.changed(detection_id=153)), "incomplete", "2 of 4 frames are in no shard yet"),
    ],
)
def test_a_sequence_that_cannot_be_scored_is_dropped_with_its_reason(frames, reason, error):
    planned = plan(Backlog(KEY, {1: frames, 2: (A, B)}))
    dropped, kept = planned.rows.to_pylist()
    assert (dropped["dropped_reason"], dropped["frames_fingerprint"]) == (reason, None)
    assert error in dropped["dropped_error"]
    assert (kept["dropped_reason"], kept["dropped_error"]) == (None, None)
    assert [task.sequence_id for task in planned.tasks()] == [2]


def test_a_sequence_is_scored_without_its_unusable_frames():
    planned = plan(Backlog(KEY, {1: (A, GONE)}))
    (row,) = planned.rows.to_pylist()
    assert (row["n_frames"], row["n_frames_unusable"]) == (1, 1)
    (task,) = planned.tasks()
    assert ([frame.detection_id for frame in task.frames], task.n_frames_unusable) == ([A.detection_id], 1)


def test_a_sequence_of_which_a_frame_is_not_stored_yet_waits_for_it():
    known = fingerprint(A, B)
    late = Backlog(KEY, {1: (A, B, Frame(103, picture(3), second=60, missing=True))})
    assert fingerprints(plan(late, [known])) == {1: None}
    assert plan(late).n_tasks == 0
    arrived = Backlog(KEY, {1: (A, B, Frame(103, picture(3), second=60))})
    assert [task.sequence_id for task in plan(arrived, [known]).tasks()] == [1]


def test_rows_say_how_far_the_backlog_had_come():
    backlog, _ = tables = Backlog(KEY, {1: (A, B), 2: (A, LATER), 3: ()}).tables()
    rows = plan_scoring(KEY, *tables, set()).rows
    for column in ("sequence_id", "last_seen_at", "n_detections"):
        assert rows[column].to_pylist() == backlog[column].to_pylist()


def test_another_engine_version_scores_everything_again(monkeypatch):
    before = plan(backlog_of(1, 2))
    known = fingerprints(before).values()
    assert plan(backlog_of(1, 2), known).n_tasks == 0
    monkeypatch.setattr("triage_assets.scoring.planning.ENGINE_VERSION", 2)
    assert plan(backlog_of(1, 2), known).n_tasks == 2


def test_what_is_scored_already_is_no_work():
    known = fingerprints(plan(backlog_of(1, 2, 3)))
    assert [task.sequence_id for task in plan(backlog_of(1, 2, 3), [known[1], known[3]]).tasks()] == [2]
    assert plan(backlog_of(1, 2, 3), known.values()).n_tasks == 0


def test_work_is_ordered_by_shard():
    shards = {1: "000002-b", 2: "000001-a", 3: "000002-b", 4: "000001-a"}
    planned = plan(replace(backlog_of(1, 2, 3, 4), shards=shards))
    assert [task.sequence_id for task in planned.tasks()] == [2, 4, 1, 3]


def test_a_task_has_its_frames_in_time_order_with_their_usable_boxes():
    flat = {**BOX, "x2": BOX["x1"]}
    (task,) = plan(Backlog(KEY, {1: (B.changed(boxes=(flat, BOX)), A)})).tasks()
    assert [frame.detection_id for frame in task.frames] == [A.detection_id, B.detection_id]
    assert [len(frame.boxes) for frame in task.frames] == [1, 1]
    assert task.n_boxes_skipped == 1
    box = task.frames[0].boxes[0]
    assert (box.cx, box.cy, box.w, box.h) == pytest.approx((0.5, 0.5, 0.2, 0.2))


def test_stored_frames_that_left_the_sequence_are_not_scored():
    backlog, frames = Backlog(KEY, {1: (A, B)}).tables()
    (shorter, _) = Backlog(KEY, {1: (A,)}).tables()
    (task,) = plan_scoring(KEY, shorter, frames, set()).tasks()
    assert [frame.detection_id for frame in task.frames] == [A.detection_id]
    assert len(backlog) == len(shorter) == 1


def test_detection_ids_are_told_apart_by_sequence():
    # A detection id means something within its sequence only.
    twin = replace(backlog_of(1, 2), sequences={1: (A,), 2: (A.changed(image=picture(5)),)})
    first, second = plan(twin).tasks()
    assert first.frames[0].sha256 != second.frames[0].sha256


@pytest.mark.parametrize("backlog", [Backlog(KEY, {}), Backlog(KEY, {1: ()})])
def test_an_empty_backlog_is_no_work(backlog):
    assert plan(backlog).n_tasks == 0
