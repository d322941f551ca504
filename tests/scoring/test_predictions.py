import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triage_assets.errors import NewerFormat, PackageError, StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.predictions import (
    CURRENT_SCHEMA,
    load_current,
    load_model_record,
    read_details,
    score_backlog,
)
from triage_assets.scoring.tables import PART_SCHEMA

from .backlogs import BOX, Backlog, Frame, backlog_of, frames_of
from .fakes import RecordingBackend
from .packages import edited_config, edited_manifest, write_edited
from .reference import EXPECTED, MODEL, SAMPLE, differences, load_sequence


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def run(store, *backlogs, model=MODEL, backend=None, **options):
    loaders = {backlog.key: backlog.tables for backlog in backlogs}
    return score_backlog(store, model, loaders, backend=backend, **options)


def by_id(report):
    return {row["sequence_id"]: row for row in report.current.to_pylist()}


def files(store):
    """Every file of the store with its bytes and time of change."""
    paths = [path for path in store.root.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def reference_backlog(*names):
    """Sequences of the reference data as a backlog; boxes as corners, like the annotator's."""
    sequences = {}
    for number, name in enumerate(names, start=1):
        frames = []
        for index, frame in enumerate(load_sequence(name).frames):
            boxes = tuple(
                {
                    "x1": box.cx - box.w / 2,
                    "y1": box.cy - box.h / 2,
                    "x2": box.cx + box.w / 2,
                    "y2": box.cy + box.h / 2,
                    "confidence": box.confidence,
                    "class_name": "smoke",
                }
                for box in frame.boxes
            )
            frames.append(Frame(number * 100 + index, frame.image, 30 * index, boxes))
        sequences[number] = tuple(frames)
    return Backlog("reference-1", sequences)


# What is scored


def test_scores_read_from_shards_are_those_of_the_reference(store):
    names = sorted(path.name for path in (SAMPLE / "sequences").iterdir())
    backlog = reference_backlog(*names)
    backlog.pack(store)
    report = run(store, backlog)
    assert (report.n_backlog, report.n_scored, report.n_reused, report.n_dropped) == (len(names), len(names), 0, {})
    for number, name in enumerate(names, start=1):
        row, expected = by_id(report)[number], EXPECTED[name]
        assert row["triage_score"] == pytest.approx(expected["max_probability"], abs=1e-4)
        assert row["trigger_frame_index"] == expected["trigger_frame_index"]
        details = read_details(store, report.name, number)
        faults = differences(details, expected["details"])
        # Corners and back again cost a box its last digits; everything else is exact.
        assert [fault for fault in faults if ".bbox" not in fault and "stabilized_window" not in fault] == []


def test_a_second_run_does_nothing_and_writes_nothing(store):
    backlog = backlog_of(1, 2, 3)
    first = run(store, backlog, backend=RecordingBackend())
    before = files(store)
    backend = RecordingBackend()
    second = run(store, backlog, backend=backend)
    assert (second.n_scored, second.n_reused, second.parts_written, second.changed) == (0, 3, (), False)
    assert backend.asked == []
    assert files(store) == before
    assert second.data_version == first.data_version
    assert second.current.equals(first.current)


def test_a_run_without_work_does_not_load_torch(store):
    backlog = backlog_of(1, 2)
    run(store, backlog, backend=RecordingBackend())
    code = f"""
import sys
from pathlib import Path
from scoring.backlogs import backlog_of
from triage_assets.scoring.predictions import score_backlog
from triage_assets.folder_store import FolderStore
store = FolderStore(Path({str(store.root)!r}))
report = score_backlog(store, Path({str(MODEL)!r}), {{"sdis-07-1": backlog_of(1, 2).tables}})
assert (report.n_scored, report.n_reused) == (0, 2), report
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], env=with_tests_on_path()).returncode == 0


def test_only_new_and_changed_sequences_are_scored(store):
    run(store, backlog_of(1, 2, 3, 4), backend=RecordingBackend())
    grown = (*frames_of(2), Frame(299, frames_of(9)[0].image, second=90))
    moved = (frames_of(3)[0].changed(boxes=({**BOX, "x1": 0.3},)), frames_of(3)[1])
    changed = Backlog("sdis-07-1", {1: frames_of(1), 2: grown, 3: moved, 5: frames_of(5)})
    backend = RecordingBackend()
    report = run(store, changed, backend=backend)
    assert backend.asked == [2, 3, 5]
    assert (report.n_backlog, report.n_scored, report.n_reused) == (4, 3, 1)
    assert sorted(by_id(report)) == [1, 2, 3, 5]


def test_a_sequence_that_comes_back_is_not_scored_again(store):
    run(store, backlog_of(1, 2), backend=RecordingBackend())
    assert sorted(by_id(run(store, backlog_of(1), backend=RecordingBackend()))) == [1]
    backend = RecordingBackend()
    assert sorted(by_id(run(store, backlog_of(1, 2), backend=backend))) == [1, 2]
    assert backend.asked == []


def test_another_model_has_its_own_predictions(store, tmp_path):
    other = write_edited(MODEL, tmp_path / "o.zip", {"manifest.yaml": edited_manifest(MODEL, {"model_version": "9"})})
    first = run(store, backlog_of(1), backend=RecordingBackend())
    before = files(store)
    backend = RecordingBackend()
    second = run(store, backlog_of(1), model=other, backend=backend)
    assert backend.asked == [1]
    assert second.name != first.name
    assert before.items() <= files(store).items()


def test_another_detector_has_its_own_predictions(store):
    first = run(store, backlog_of(1), backend=RecordingBackend())
    second = run(store, backlog_of(1), detector="bundled", backend=RecordingBackend())
    assert second.name == f"{first.name}-bundled"
    assert set(load_current(store, second.name)["detector"].to_pylist()) == {"bundled"}


def test_a_refused_model_is_refused_before_anything_is_written(store, tmp_path):
    backlog = backlog_of(1)
    backlog.pack(store)
    changes = {"config.yaml": edited_config(MODEL, {"classifier.backbone": "resnet50"})}
    with pytest.raises(PackageError, match="resnet50"):
        run(store, backlog, model=write_edited(MODEL, tmp_path / "m.zip", changes))
    assert not (store.root / "predictions").exists()


# What is dropped


def test_every_sequence_is_scored_or_dropped_with_a_reason(store):
    gone = Frame(400, b"", reason="404")
    sequences = {
        1: frames_of(1),
        2: (),
        3: (replace(frames_of(3)[0], missing=True),),
        4: (gone,),
        5: tuple(replace(frame, image=b"noise") for frame in frames_of(5)),
    }
    backlog = Backlog("sdis-07-1", sequences)
    backlog.pack(store)
    report = run(store, backlog)
    rows = by_id(report)
    reasons = {number: row["dropped_reason"] for number, row in rows.items()}
    assert reasons == {1: None, 2: "no_images", 3: "incomplete", 4: "no_images", 5: "predict_failed"}
    assert report.n_dropped == {"incomplete": 1, "no_images": 2, "predict_failed": 1}
    for row in rows.values():
        assert (
            (row["triage_score"] is None) == (row["dropped_reason"] is not None) == (row["dropped_error"] is not None)
        )
        assert row["key"] == f"pyro-annotator_{row['sequence_id']}"
    assert "no frame that can be decoded" in rows[5]["dropped_error"]
    assert read_details(store, report.name, 5) is None
    assert read_details(store, report.name, 77) is None


def test_unusable_frames_of_both_kinds_are_counted(store):
    good, undecodable = frames_of(1)
    frames = (good, undecodable.changed(image=b"noise"), Frame(103, b"", second=60, reason="404"))
    backlog = Backlog("sdis-07-1", {1: frames})
    backlog.pack(store)
    row = by_id(run(store, backlog))[1]
    assert (row["n_frames"], row["n_frames_unusable"], row["dropped_reason"]) == (1, 2, None)


def test_what_failed_is_tried_again_only_when_asked(store):
    run(store, backlog_of(1, 2), backend=RecordingBackend({2: "predict_failed"}))
    backend = RecordingBackend()
    report = run(store, backlog_of(1, 2), backend=backend)
    assert (backend.asked, report.n_dropped, report.n_scored) == ([], {"predict_failed": 1}, 0)
    report = run(store, backlog_of(1, 2), backend=backend, retry_failed=True)
    assert (backend.asked, report.n_dropped, report.n_scored, report.n_reused) == ([2], {}, 1, 1)


def test_frames_that_cannot_be_read_are_tried_again_and_block_nobody(store):
    backlog = replace(backlog_of(1, 2), shards={2: "000002-bbbbbbbb"})
    backlog.pack(store)
    (store.root / "shards/organization=sdis-07-1/000001-aaaaaaaa.tar").rename(store.root / "kept")
    report = run(store, backlog)
    assert report.n_dropped == {"incomplete": 1}
    assert "000001-aaaaaaaa.tar" in by_id(report)[1]["dropped_error"]
    (store.root / "kept").rename(store.root / "shards/organization=sdis-07-1/000001-aaaaaaaa.tar")
    report = run(store, backlog)
    assert (report.n_scored, report.n_reused, report.n_dropped) == (1, 1, {})


def test_bytes_that_are_not_those_of_the_index_are_never_scored(store):
    backlog = backlog_of(1)
    backlog.pack(store)
    path = store.root / "shards/organization=sdis-07-1/000001-aaaaaaaa.tar"
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    report = run(store, backlog)
    assert report.n_dropped == {"incomplete": 1}
    assert "triage shards verify" in by_id(report)[1]["dropped_error"]


# How it is kept


def test_parts_hold_a_limited_number_of_sequences_of_any_organization(store):
    first, second = backlog_of(*range(1, 8)), backlog_of(11, 12, key="other-2")
    report = run(store, first, second, backend=RecordingBackend(), part_sequences=4)
    tables = [
        pq.read_table(store.root / "predictions" / f"model={report.name}" / part) for part in report.parts_written
    ]
    assert [len(table) for table in tables] == [4, 4, 1]
    assert {row.organization_key: row.n_scored for row in report.organizations} == {"other-2": 2, "sdis-07-1": 7}


def test_a_part_says_what_made_it(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    part = store.root / "predictions" / f"model={report.name}" / report.parts_written[0]
    schema = pq.read_schema(part)
    assert schema.remove_metadata().equals(PART_SCHEMA)
    assert schema.metadata[b"format_version"] == b"1"
    assert schema.metadata[b"model_sha256"].decode() == report.identity.sha256
    assert schema.metadata[b"detector"] == b"annotator"


def test_the_same_backlog_makes_the_same_files(tmp_path):
    def made(name):
        store = FolderStore(tmp_path / name)
        backlog = backlog_of(1, 2)
        backlog.pack(store)
        run(store, backlog)
        return {path.relative_to(store.root): path.read_bytes() for path in store.root.rglob("*.*") if path.is_file()}

    assert made("one") == made("two")


def test_the_current_table_is_read_back_as_it_was_laid_out(store):
    report = run(store, backlog_of(2, 1), backlog_of(11, key="another-2"), backend=RecordingBackend())
    current = load_current(store, report.name)
    assert current.schema.remove_metadata().equals(CURRENT_SCHEMA)
    assert current["sequence_id"].to_pylist() == [11, 1, 2]
    assert current.schema.metadata[b"model_sha256"].decode() == report.identity.sha256
    assert load_current(store, "nothing-00000000") is None


def test_the_model_is_recorded_beside_its_predictions(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    record = load_model_record(store, report.name)
    assert record["model_version"] == "0.0.0-random-tiny"
    assert record["config"]["decision"]["logistic_threshold"] == 0.42
    assert record["provenance"]["backbone"] == "test_vit"
    assert load_model_record(store, "nothing-00000000") is None


def test_an_empty_backlog_has_an_empty_table(store):
    report = run(store)
    assert (report.n_backlog, len(load_current(store, report.name))) == (0, 0)


# What goes wrong with files


def part_path(store, report):
    return store.root / "predictions" / f"model={report.name}" / report.parts_written[0]


def test_a_damaged_part_is_named_with_what_to_do(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    path = part_path(store, report)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match=rf"{path.name} is damaged.*Delete it and run again"):
        run(store, backlog_of(1), backend=RecordingBackend())


def test_after_a_part_is_deleted_its_sequences_are_scored_again(store):
    report = run(store, backlog_of(1, 2), backend=RecordingBackend())
    part_path(store, report).unlink()
    backend = RecordingBackend()
    again = run(store, backlog_of(1, 2), backend=backend)
    assert backend.asked == [1, 2]
    assert again.data_version == report.data_version


def test_a_part_of_a_newer_version_is_refused(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    path = part_path(store, report)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"format_version": b"2"}), path)
    (path.parent / "index.arrow").unlink()
    with pytest.raises(NewerFormat, match=path.name):
        run(store, backlog_of(1), backend=RecordingBackend())


@pytest.mark.parametrize("file", ["index.arrow", "current.arrow", "model.json"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-30], lambda data: b"noise", None])
def test_files_that_follow_from_the_parts_are_made_again(store, file, damage):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    path = part_path(store, report).with_name(file)
    whole = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(whole))
    backend = RecordingBackend()
    run(store, backlog_of(1), backend=backend)
    assert (backend.asked, path.read_bytes()) == ([], whole)


def test_a_damaged_current_table_is_an_error_and_not_an_empty_one(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    part_path(store, report).with_name("current.arrow").write_bytes(b"noise")
    with pytest.raises(StoreError, match=r"current\.arrow is damaged"):
        load_current(store, report.name)


# Killed in the middle

KILLED = """
import sys, time
from pathlib import Path
from scoring.backlogs import backlog_of
from scoring.fakes import RecordingBackend
from triage_assets.scoring.predictions import score_backlog
from triage_assets.folder_store import FolderStore

class Slow(RecordingBackend):
    def score(self, tasks):
        for outcome in super().score(tasks):
            time.sleep(0.002)
            yield outcome

backlog = backlog_of(*range(1, 61))
print("ready", flush=True)
store, loaders = FolderStore(Path(sys.argv[1])), {backlog.key: backlog.tables}
score_backlog(store, Path(sys.argv[2]), loaders, backend=Slow(), part_sequences=3)
"""


def with_tests_on_path():
    tests = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}


@pytest.mark.parametrize("point", range(6))
def test_killed_at_any_moment_nothing_is_lost_or_twice(store, point):
    delay = random.Random(point).uniform(0.0, 0.25)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(store.root), str(MODEL)], env=with_tests_on_path(), stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    folder = next((store.root / "predictions").glob("model=*"), None) if (store.root / "predictions").exists() else None
    kept = [pq.read_table(path)["sequence_id"].to_pylist() for path in folder.glob("part-*.parquet")] if folder else []
    survivors = {sequence_id for part in kept for sequence_id in part}
    backend = RecordingBackend()
    backlog = backlog_of(*range(1, 61))
    report = run(store, backlog, backend=backend, part_sequences=3)
    # What was committed is reused, everything else is scored now.
    assert set(backend.asked) == set(range(1, 61)) - survivors
    assert (report.n_scored + report.n_reused, report.n_dropped) == (60, {})
    parts = [pq.read_table(path) for path in (store.root / "predictions").rglob("part-*.parquet")]
    scored = pa.concat_tables(parts)["sequence_id"].to_pylist()
    assert sorted(scored) == list(range(1, 61))
    leftovers = [path.name for path in (store.root / "predictions").rglob("*") if path.name.endswith(".tmp")]
    assert leftovers == []


def test_the_record_of_a_model_is_readable_json(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    text = part_path(store, report).with_name("model.json").read_text()
    assert json.loads(text)["name"] == report.name
