import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triage_assets.errors import NewerFormat, PackageError, SettingsError, StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.images import decode_rgb
from triage_assets.scoring.files.current import CURRENT_SCHEMA
from triage_assets.scoring.files.parts import PartsFolder, read_ipc, to_ipc
from triage_assets.scoring.files.tables import PART_SCHEMA
from triage_assets.scoring.identity import ENGINE_VERSION, read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.predictions import load_current, load_model_record, read_details, score_backlog
from triage_assets.scoring.records import RuntimeChoice, ScoringBox
from triage_assets.scoring.tubes import find_tubes

from .backlogs import BOX, START, Backlog, Frame, backlog_of, frames_of
from .fakes import RecordingBackend
from .packages import edited_config, edited_manifest, write_edited
from .reference import EXPECTED, MODEL, SAMPLE, differences, load_sequence


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def run(store, *backlogs, model=MODEL, backend=None, detector="annotator", **options):
    loaders = {backlog.key: backlog.tables for backlog in backlogs}
    if backend is not None:
        backend.meet(ModelUse(read_identity(model), detector, RuntimeChoice(), Permissions()), loaders)
    return score_backlog(store, model, loaders, backend=backend, detector=detector, **options)


def by_id(report):
    return {row["sequence_id"]: row for row in report.current.to_pylist()}


def files(store):
    """Every file of the store with its bytes and time of change."""
    paths = [path for path in store.root.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def contents(store):
    """Every file of the store by its path, temporary ones too, whatever made them."""
    return {path.relative_to(store.root): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


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


@pytest.mark.parametrize("n_stored", [0, 1])
def test_a_sequence_that_grew_has_no_score_until_its_new_frames_are_stored(store, n_stored):
    old, new = frames_of(1), frames_of(1, 4)[2:]
    run(store, Backlog("sdis-07-1", {1: old, 2: frames_of(2)}), backend=RecordingBackend())
    grown = (*old, *(replace(frame, missing=number >= n_stored) for number, frame in enumerate(new)))
    backend = RecordingBackend()
    report = run(store, Backlog("sdis-07-1", {1: grown, 2: frames_of(2)}), backend=backend)
    assert (backend.asked, report.n_dropped, report.n_reused) == ([], {"incomplete": 1}, 1)
    row = by_id(report)[1]
    assert (row["triage_score"], row["part"], row["frames_fingerprint"]) == (None, None, None)
    assert f"{2 - n_stored} of 4 frames are in no shard yet" in row["dropped_error"]
    assert row["n_detections"] == 4
    report = run(store, Backlog("sdis-07-1", {1: (*old, *new), 2: frames_of(2)}), backend=backend)
    assert (backend.asked, report.n_dropped, report.n_scored) == ([1], {}, 1)


TINY = {**BOX, "x1": 0.0, "x2": 1e-170, "y1": 0.0, "y2": 1e-170}
HUGE = {**BOX, "x2": 1e308, "y2": 1e308}


def test_absurd_boxes_are_left_out_and_counted(store):
    plain = frames_of(1)
    spoilt = (plain[0].changed(boxes=(TINY, BOX, HUGE)), plain[1].changed(boxes=(BOX, {**BOX, "x1": -1e200})))
    backlog = Backlog("sdis-07-1", {1: plain, 2: spoilt})
    backlog.pack(store)
    rows = by_id(run(store, backlog))
    assert [rows[number]["n_boxes_skipped"] for number in (1, 2)] == [0, 3]
    assert rows[2]["triage_score"] == rows[1]["triage_score"] > 0


def failing_on(confidence, error):
    """`find_tubes`, but for sequences that have a box of this confidence."""

    def find(slots, *arguments):
        if any(box.confidence == confidence for boxes in slots for box in boxes):
            raise error
        return find_tubes(slots, *arguments)

    return find


def marked(frames):
    return tuple(frame.changed(boxes=({**BOX, "confidence": 0.123},)) for frame in frames)


def test_an_error_nobody_foresaw_drops_one_sequence_and_is_kept(store, monkeypatch, caplog):
    backlog = Backlog("sdis-07-1", {1: frames_of(1), 2: marked(frames_of(2)), 3: frames_of(3)})
    backlog.pack(store)
    failure = failing_on(0.123, ZeroDivisionError("float division by zero"))
    monkeypatch.setattr("triage_assets.scoring.sequence_plan.find_tubes", failure)
    report = run(store, backlog)
    assert (report.n_scored, report.n_dropped) == (2, {"predict_failed": 1})
    row = by_id(report)[2]
    assert (row["triage_score"], row["is_positive"]) == (None, None)
    assert "ZeroDivisionError: float division by zero" in row["dropped_error"]
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is ZeroDivisionError
    monkeypatch.undo()
    assert run(store, backlog).n_dropped == {"predict_failed": 1}
    assert run(store, backlog, retry_failed=True).n_dropped == {}


def test_running_out_of_memory_is_no_fault_of_a_sequence(store, monkeypatch):
    backlog = Backlog("sdis-07-1", {1: frames_of(1), 2: marked(frames_of(2))})
    backlog.pack(store)
    monkeypatch.setattr("triage_assets.scoring.sequence_plan.find_tubes", failing_on(0.123, MemoryError()))
    with pytest.raises(MemoryError):
        run(store, backlog)
    monkeypatch.undo()
    assert run(store, backlog).n_dropped == {}


def test_a_detector_that_fails_on_an_image_drops_that_sequence_alone(store, monkeypatch):
    good, bad = frames_of(1), frames_of(2)
    backlog = Backlog("sdis-07-1", {1: good, 2: bad, 3: (frames_of(3)[0], frames_of(3)[1].changed(image=b"noise"))})
    backlog.pack(store)

    def find_boxes(image):
        decode_rgb(image)
        if image == bad[1].image:
            raise RuntimeError("of the test")
        return (ScoringBox(0.5, 0.5, 0.2, 0.2, 0.6),)

    monkeypatch.setattr("triage_assets.scoring.detector.load_detector", lambda *_, **__: find_boxes)
    rows = by_id(run(store, backlog, detector="bundled"))
    assert [rows[number]["dropped_reason"] for number in (1, 2, 3)] == [None, "predict_failed", None]
    assert "RuntimeError: of the test" in rows[2]["dropped_error"]
    assert [rows[number]["n_frames_unusable"] for number in (1, 3)] == [0, 1]


def test_unusable_frames_of_both_kinds_are_counted(store):
    good, undecodable = frames_of(1)
    frames = (good, undecodable.changed(image=b"noise"), Frame(103, b"", second=60, reason="404"))
    backlog = Backlog("sdis-07-1", {1: frames})
    backlog.pack(store)
    row = by_id(run(store, backlog))[1]
    assert (row["n_frames"], row["n_frames_unusable"], row["dropped_reason"]) == (1, 2, None)


def test_what_failed_is_tried_again_only_when_asked(store):
    run(store, backlog_of(1, 2), backend=RecordingBackend([2]))
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


def test_a_unit_is_of_one_organization_and_one_shard_and_of_limited_size(store):
    first = replace(backlog_of(*range(1, 8)), shards={6: "000002-bbbbbbbb", 2: "000002-bbbbbbbb"})
    backend = RecordingBackend()
    report = run(store, first, backlog_of(11, 12, key="other-2"), backend=backend, unit_sequences=4)
    assert [(unit.organization_key, unit.sequence_ids) for unit in backend.units] == [
        ("other-2", (11, 12)),
        ("sdis-07-1", (1, 3, 4, 5)),
        ("sdis-07-1", (7,)),
        ("sdis-07-1", (2, 6)),
    ]
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
        return contents(store)

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


def test_current_says_how_far_the_backlog_had_come_when_it_was_scored(store):
    first = run(store, backlog_of(1), backend=RecordingBackend())
    assert by_id(first)[1]["last_seen_at"] == START + timedelta(seconds=30)
    # The sequence is seen again with a frame that turns out to be gone: other columns, and the run writes them.
    grown = Backlog("sdis-07-1", {1: (*frames_of(1), Frame(199, b"", second=90, reason="404"))})
    second = run(store, grown, backend=RecordingBackend())
    row = by_id(second)[1]
    assert (row["last_seen_at"], row["n_detections"]) == (START + timedelta(seconds=90), 3)
    assert second.changed


def test_a_current_table_of_an_older_version_is_laid_out_anew(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    path = part_path(store, report).with_name("current.arrow")
    whole = path.read_bytes()
    old = report.current.drop_columns(["runtime"])
    path.write_bytes(to_ipc(old.replace_schema_metadata({"format_version": "2"})))
    with pytest.raises(StoreError, match=r"current\.arrow was written by an older version.*Materialize predictions"):
        load_current(store, report.name)
    backend = RecordingBackend()
    assert run(store, backlog_of(1), backend=backend).changed
    assert (backend.asked, path.read_bytes()) == ([], whole)


def test_a_current_table_of_a_newer_version_is_refused(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    path = part_path(store, report).with_name("current.arrow")
    path.write_bytes(to_ipc(report.current.replace_schema_metadata({"format_version": "4"})))
    with pytest.raises(NewerFormat, match=r"current\.arrow"):
        load_current(store, report.name)


# With which options


@pytest.mark.parametrize("option", ["allow_uncalibrated", "allow_unsafe_load"])
def test_scores_made_with_an_option_are_not_reused_without_it(store, option):
    report = run(store, backlog_of(1), backend=RecordingBackend(), **{option: True})
    assert load_model_record(store, report.name)["options"][option] is True
    before = files(store)
    with pytest.raises(PackageError, match=f"made with {option}.*Set {option}"):
        run(store, backlog_of(1), backend=RecordingBackend())
    assert files(store) == before
    assert run(store, backlog_of(1), backend=RecordingBackend(), **{option: True}).n_reused == 1


def test_an_option_that_made_no_score_is_not_asked_for_later(store):
    run(store, backlog_of(1), backend=RecordingBackend())
    before = files(store)
    run(store, backlog_of(1), backend=RecordingBackend(), allow_uncalibrated=True)
    assert files(store) == before
    assert run(store, backlog_of(1), backend=RecordingBackend()).n_reused == 1


def test_an_interrupted_run_leaves_word_of_its_options(store):
    class Breaks(RecordingBackend):
        def score(self, units, clock, tick):
            for number, scored in enumerate(super().score(units, clock, tick)):
                if number == 2:
                    raise StoreError("The end of the test")
                yield scored

    with pytest.raises(StoreError):
        run(store, backlog_of(*range(1, 6)), backend=Breaks(), unit_sequences=2, allow_uncalibrated=True)
    with pytest.raises(PackageError, match="allow_uncalibrated"):
        run(store, backlog_of(1, 2), backend=RecordingBackend())


def test_a_model_without_a_calibrator_is_scored_and_shown_only_on_request(store, tmp_path):
    changes = {"manifest.yaml": edited_manifest(MODEL, {}, ["logistic_calibrator"])}
    model = write_edited(MODEL, tmp_path / "m.zip", changes)
    backlog = backlog_of(1)
    backlog.pack(store)
    assert run(store, backlog, model=model, allow_uncalibrated=True).n_scored == 1
    with pytest.raises(PackageError, match="Set allow_uncalibrated"):
        run(store, backlog, model=model)


def test_the_engine_version_is_recorded_with_the_scores(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    assert load_model_record(store, report.name)["engine_version"] == ENGINE_VERSION
    part = pq.read_schema(part_path(store, report))
    current = read_ipc(PartsFolder(store, report.name), "current.arrow", 3).schema
    assert {schema.metadata[b"engine_version"] for schema in (part, current)} == {str(ENGINE_VERSION).encode()}


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(store):
    backlog = backlog_of(1)
    backlog.pack(store)
    with pytest.raises(SettingsError, match=r"abacus.*Choose another device"):
        run(store, backlog, choice=RuntimeChoice(device="abacus"))
    assert not (store.root / "predictions").exists()


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


def test_a_damaged_record_of_a_model_is_an_error_to_its_readers(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    part_path(store, report).with_name("model.json").write_bytes(b"[]")
    with pytest.raises(StoreError, match=r"model\.json is damaged"):
        load_model_record(store, report.name)


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
from scoring.test_predictions import run
from triage_assets.folder_store import FolderStore

class Slow(RecordingBackend):
    def score(self, units, clock, tick):
        for scored in super().score(units, clock, tick):
            time.sleep(0.005)
            print("scored", flush=True)
            yield scored

print("ready", flush=True)
run(FolderStore(Path(sys.argv[1])), backlog_of(*range(1, 61)), backend=Slow(), unit_sequences=3)
"""
# Kills come shortly after so many units: before the first part, among parts, and about when parts are merged.
KILL_POINTS = (0, 1, 3, 7, 11, 15, 20, 20)


def with_tests_on_path():
    tests = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}


def kill_a_run(root, n_units, delay):
    """Whether the kill came before the run's own end."""
    command = [sys.executable, "-c", KILLED, str(root)]
    with subprocess.Popen(command, env=with_tests_on_path(), stdout=subprocess.PIPE) as process:
        for expected in [b"ready\n", *[b"scored\n"] * n_units]:
            assert process.stdout.readline() == expected
        time.sleep(delay)
        process.kill()
    return process.returncode == -signal.SIGKILL


def test_killed_at_any_moment_nothing_is_lost_or_twice(tmp_path):
    undisturbed = FolderStore(tmp_path / "undisturbed")
    run(undisturbed, backlog_of(*range(1, 61)), backend=RecordingBackend(), unit_sequences=3)
    n_interrupted = n_with_survivors = 0
    for number, n_units in enumerate(KILL_POINTS):
        store = FolderStore(tmp_path / str(number))
        if not kill_a_run(store.root, n_units, random.Random(number).uniform(0.0, 0.02)):
            continue
        n_interrupted += 1
        survivors = committed(store)
        n_with_survivors += bool(survivors)
        # A unit is written before the one after it is scored.
        assert len(survivors) >= (n_units - 1) * 3
        backend = RecordingBackend()
        report = run(store, backlog_of(*range(1, 61)), backend=backend, unit_sequences=3)
        # What was committed is reused, everything else is scored now.
        assert set(backend.asked) == set(range(1, 61)) - survivors
        assert (report.n_scored + report.n_reused, report.n_dropped) == (60, {})
        assert contents(store) == contents(undisturbed)
    assert n_interrupted and n_with_survivors


def committed(store):
    """The sequences in all parts."""
    parts = [pq.read_table(path) for path in store.root.rglob("part-*.parquet")]
    return set(pa.concat_tables(parts)["sequence_id"].to_pylist()) if parts else set()


def test_the_record_of_a_model_is_readable_json(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    text = part_path(store, report).with_name("model.json").read_text()
    assert json.loads(text)["name"] == report.name
