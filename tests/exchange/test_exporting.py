import csv
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.shards.shard_backlogs import Downloads, make_sequence, tiny_jpeg
from tests.stores import Place
from triage_assets.annotator.merging import add_sequences
from triage_assets.annotator.records import Sequence
from triage_assets.annotator.snapshot import read_snapshot
from triage_assets.defs.backlog import load_backlog_table, load_model_scores
from triage_assets.errors import ExchangeError, NoWorklists, ShardError, StoreError, WorklistsUnusable
from triage_assets.exchange.exporting import REPORT, SEQUENCES, ExportReport, export_eval_viewer, export_frames
from triage_assets.exchange.importing import import_folder
from triage_assets.exchange.new_folder import STAMP, NewFolder
from triage_assets.exchange.selection import BUCKETS, Selection
from triage_assets.exchange.tables import export_table
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.records import DETECTOR_ANNOTATOR, FLOAT32
from triage_assets.shards.catalog import index_path, load_catalog, tar_path
from triage_assets.shards.packing import describe_live, pack_frames
from triage_assets.store import Store, open_store
from triage_assets.worklists.build import build_results
from triage_assets.worklists.export import write_worklists

from .folders import (
    CAMERA,
    DAMAGES,
    KEY,
    contents,
    digests,
    files,
    fill,
    make_details,
    make_loose,
    make_report,
    spoil_snapshot,
    with_boxes,
)

SCORES = {5: 0.9, 6: 0.1, 7: 0.5}
HOSTILE = '=HYPERLINK("http://evil")/../'


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def scored(tmp_path: Path, store: FolderStore) -> Store:
    """Two organizations: 5 and 6 on both sides of the threshold, 7 of an untrusted name, 8 without a score."""
    make_loose(tmp_path / "old", {which: range(which * 10, which * 10 + 3) for which in (5, 6, 8)})
    make_report(tmp_path / "old", SCORES)
    other = make_sequence(7, (70, 71, 72))
    other = Sequence(replace(other.row, organization_id=4, organization_name=HOSTILE), other.detections)
    add_sequences(store, "hyperlink-http-evil-4", HOSTILE, "ready_to_annotate", [other])
    pack_frames(store, "hyperlink-http-evil-4", [other], Downloads())
    folder = tmp_path / f"old/data/01_raw/sequences/{CAMERA}/seq_7"
    export_frames(store, tmp_path / "seven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    next((tmp_path / "seven").glob("*/*/seq_7")).rename(folder)
    assert len(import_folder(store, tmp_path / "old").scores) == 1
    write_split(store)
    return store


def write_split(store: Store) -> None:
    backlog, stages = load_backlog_table(store)
    models = load_model_scores(store, (), DETECTOR_ANNOTATOR, FLOAT32).scores
    write_worklists(store, build_results(backlog, models, 0.35), models, 0.35, stages=stages)


def test_the_existing_viewer_finds_everything_in_its_place(scored: Store, tmp_path: Path) -> None:
    report = export_eval_viewer(scored, tmp_path / "out")
    assert (report.n_sequences, report.n_frames, report.n_details, report.left_out) == (4, 12, 3, {})
    found = files(tmp_path / "out")
    key = "pyro-annotator_5"
    folder = f"{SEQUENCES}/{CAMERA}/seq_5"
    assert json.loads(found[f"{REPORT}/sequences/{key}.json"]) == {
        "key": key,
        "source": "pyro-annotator",
        "label": "unknown",
        "organization_name": "SDIS Ardèche",
        "camera_name": "Mont Gerbier / 2",
        "started_at": "2026-08-23T14:51:23.123456Z",
        "frames": [f"{folder}/images/detection_{which}.jpg" for which in (50, 51, 52)],
    }
    assert json.loads(found[f"{REPORT}/details/{key}.json"]) == make_details(0.9, 3)
    meta = json.loads(found[f"{folder}/meta.json"])
    assert [meta[name] for name in ("key", "sequence_id", "camera_id", "organization_id")] == [key, 5, 12, 3]
    assert meta["frames"][1] == {
        "file": "images/detection_51.jpg",
        "detection_id": 51,
        "recorded_at": "2026-08-23T14:51:53.123456Z",
        "bucket_key": "bucket/51.jpg",
    }
    assert found[f"{folder}/images/detection_51.jpg"] == tiny_jpeg(51)
    assert f"{REPORT}/details/pyro-annotator_8.json" not in found  # it has no score
    for name in (
        "results.json",
        "results.parquet",
        "review.json",
        "unlabeled.json",
        "dropped.json",
        "model_config.json",
    ):
        assert found[f"{REPORT}/{name}"] == scored.read(f"worklists/{name}")
    assert not [path for path in found if ".." in path or path.endswith((".half", ".tmp"))]
    assert {path.split("/")[3] for path in found if path.startswith(SEQUENCES)} == {
        "sdis-ardeche",
        "hyperlink-http-evil",
    }


SELECTIONS = [
    (Selection(bucket="review"), {5, 7}),
    (Selection(bucket="unlabeled"), {6}),
    (Selection(bucket="labeled"), set()),
    (Selection(bucket="dropped"), {8}),
    (Selection(organizations=("SDIS Ardèche",)), {5, 6, 8}),  # by name
    (Selection(organizations=("sdis ardeche",)), {5, 6, 8}),  # by another spelling of it
    (Selection(organizations=("hyperlink-http-evil-4",)), {7}),  # by key
    (Selection(organizations=("hyperlink-http-evil-4",), bucket="unlabeled"), set()),
]


@pytest.mark.parametrize(("selection", "expected"), SELECTIONS)
def test_a_part_is_exported_with_worklists_of_that_part(
    scored: Store, tmp_path: Path, selection: Selection, expected: set[int]
) -> None:
    export_eval_viewer(scored, tmp_path / "out", selection)
    found = files(tmp_path / "out")
    folders = {int(path.split("/seq_")[1].split("/")[0]) for path in found if "/seq_" in path}
    rows = json.loads(found[f"{REPORT}/results.json"])
    assert folders == {row["sequence_id"] for row in rows} == expected
    assert set(pq.read_table(tmp_path / "out" / REPORT / "results.parquet")["sequence_id"].to_pylist()) == expected
    review, unlabeled = (json.loads(found[f"{REPORT}/{name}.json"]) for name in ("review", "unlabeled"))
    assert set(review["sequence_ids"]) == expected & {5, 7}
    assert unlabeled["bulk_payload"]["sequence_ids"] == unlabeled["sequence_ids"] == sorted(expected & {6})
    assert unlabeled["count"] == len(unlabeled["items"])
    frames = tmp_path / "frames"
    export_frames(scored, frames, selection)
    assert {int(path.name[4:]) for path in frames.glob("*/*/seq_*")} == expected


def test_what_was_exported_is_imported_equal(place: Place, tmp_path: Path) -> None:
    backlog = [with_boxes(make_sequence(5, (50, 51, 52))), with_boxes(make_sequence(6, (60, 61))), make_sequence(9, ())]
    fill(place.store, backlog, {51: "gone (404)", 60: "empty", 61: "empty"})
    report = export_frames(place.store, tmp_path / "out")
    assert (report.n_sequences, report.n_frames, report.n_without_frames) == (3, 2, 0)
    other = open_store(f"{place.location}-other")
    imported = import_folder(other, tmp_path / "out")
    assert (imported.left_out, imported.n_without_boxes) == ({}, 0)
    assert read_snapshot(other, KEY).equals(read_snapshot(place.store, KEY), check_metadata=True)
    assert describe_live(other, KEY) == describe_live(place.store, KEY)
    assert digests(other) == digests(place.store)
    before = contents(other)
    assert not import_folder(other, tmp_path / "out").changed
    assert contents(other) == before


def test_an_image_that_was_damaged_on_the_way_is_noticed(store: FolderStore, tmp_path: Path) -> None:
    fill(store, [make_sequence(5, (50,)), make_sequence(6, (60,))])
    export_frames(store, tmp_path / "out")
    (tmp_path / f"out/{CAMERA}/seq_5/images/detection_50.jpg").write_bytes(tiny_jpeg(51))
    report = import_folder(FolderStore(tmp_path / "other"), tmp_path / "out")
    [why] = report.left_out.values()
    assert (report.n_imported, "other bytes than were exported" in why) == (1, True)


def test_a_frame_that_no_shard_holds_is_told_and_a_damaged_one_left_out(store: FolderStore, tmp_path: Path) -> None:
    fill(store, [make_sequence(5, (50,)), make_sequence(6, (60,))])
    add_sequences(store, KEY, "", "", [make_sequence(7, (70,))])
    [shard] = load_catalog(store, KEY).shards
    path = store.root / tar_path(KEY, shard.name)
    data = path.read_bytes()
    place = data.index(tiny_jpeg(60))
    path.write_bytes(data[: place + 99] + bytes([data[place + 99] ^ 1]) + data[place + 100 :])
    report = export_frames(store, tmp_path / "out")
    assert (report.n_sequences, report.n_frames, report.n_without_frames) == (2, 1, 1)
    assert "bytes of detection 60 have changed" in report.left_out["sequence 6"]
    assert not list((tmp_path / "out").rglob("detection_60.jpg"))


def test_what_no_import_would_take_is_left_out_and_holds_up_nobody(store: FolderStore, tmp_path: Path) -> None:
    def with_key(which: int, key: str) -> Sequence:
        sequence = make_sequence(which, (which * 10,))
        return replace(sequence, detections=(replace(sequence.detections[0], bucket_key=key),))

    fill(store, [with_key(5, "k" * 1_001), with_key(6, "k" * 10_001), with_key(7, "k")])
    report = export_frames(store, tmp_path / "out")
    assert (report.n_sequences, list(report.left_out)) == (2, ["sequence 6"])
    assert "bucket_key: String should have at most" in report.left_out["sequence 6"]
    assert import_folder(FolderStore(tmp_path / "other"), tmp_path / "out").n_imported == 2


@pytest.mark.parametrize("name", [".", "..", "/"])  # none of them has a name
def test_a_folder_that_is_somewhere_already_is_not_exported_to(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make_loose(tmp_path / "old", {5: (50,)})
    make_report(tmp_path / "old", {5: 0.9}, n_frames=1)
    import_folder(store, tmp_path / "old")
    write_split(store)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # empty, and yet not to be replaced under whoever stands in it
    with pytest.raises(ExchangeError, match="nothing is ever overwritten"):
        export_frames(store, Path(name))
    with pytest.raises(ExchangeError, match="nothing is ever overwritten"):
        export_table(store, Path(name), "csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "old", "store"]


def test_a_shard_without_its_index_costs_what_it_may_hold_and_nothing_else(store: FolderStore, tmp_path: Path) -> None:
    for which in (5, 6, 7):
        fill(store, [make_sequence(which, (which * 10,))])
    [_, damaged, _] = load_catalog(store, KEY).shards
    store.delete(index_path(KEY, damaged.name))
    report = export_frames(store, tmp_path / "out")
    assert (report.n_sequences, report.n_frames, report.n_without_frames) == (2, 2, 0)
    assert list(report.left_out) == ["sequence 6"]
    assert f"perhaps because of shard {KEY}/{damaged.name}: its index" in report.left_out["sequence 6"]


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
@pytest.mark.parametrize("export", [export_frames, export_eval_viewer])
def test_an_organization_that_cannot_be_read_is_left_out_and_the_others_are_written(
    scored: Store,
    tmp_path: Path,
    export: Callable[[Store, Path], ExportReport],
    damage: Callable[[Store], None],
    reason: str,
) -> None:
    damage(scored)
    report = export(scored, tmp_path / "out")
    assert (report.n_sequences, list(report.left_out)) == (1, [f"organization {KEY}"])
    assert reason in report.left_out[f"organization {KEY}"]
    assert [path.name for path in (tmp_path / "out").rglob("seq_*")] == ["seq_7"]
    assert not (tmp_path / "out.unfinished").exists()


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
def test_where_no_organization_can_be_read_there_is_no_export(
    store: FolderStore, tmp_path: Path, damage: Callable[[Store], None], reason: str
) -> None:
    fill(store, [make_sequence(5, (50,))])
    damage(store)
    with pytest.raises((ShardError, StoreError), match=reason):
        export_frames(store, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_of_a_backlog_that_is_damaged_in_the_middle_what_is_before_is_written(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage_assets.annotator.merging.ROWS_PER_GROUP", 2)
    fill(store, [make_sequence(which, (which * 10,)) for which in range(1, 6)])
    spoil_snapshot(store, 1)
    report = export_frames(store, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").rglob("seq_*")} == {"seq_1", "seq_2"}
    [why] = report.left_out.values()
    assert why.startswith("nothing after sequence 2 is written: ")


def test_what_an_export_leaves_unfinished_is_said(
    scored: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scored.write("worklists/review.json", b"{}")
    with caplog.at_level(logging.WARNING), pytest.raises(WorklistsUnusable):
        export_eval_viewer(scored, tmp_path / "out")
    [said] = [record.getMessage() for record in caplog.records]
    assert f"in {tmp_path / 'out.unfinished'}: the same command goes on with it" in said
    assert (tmp_path / "out.unfinished").is_dir()


@pytest.mark.parametrize("is_folder", [True, False])
def test_nothing_is_overwritten(scored: Store, tmp_path: Path, is_folder: bool) -> None:
    out = tmp_path / "out"
    if is_folder:
        out.mkdir()
        (out / "mine.txt").write_text("x")
    else:
        out.write_text("x")
    for export in (export_frames, export_eval_viewer, lambda *args: export_table(*args, "csv")):
        with pytest.raises(ExchangeError, match="exists already, and nothing is ever overwritten"):
            export(scored, out)
    assert out.read_text() == "x" if not is_folder else files(out) == {"mine.txt": b"x"}


def test_an_empty_folder_is_nothing_that_could_be_overwritten(scored: Store, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export_frames(scored, tmp_path / "out").n_sequences == 4


def test_what_another_export_left_is_not_mixed_with_this_one(scored: Store, tmp_path: Path) -> None:
    (tmp_path / "out.unfinished").mkdir()
    (tmp_path / "out.unfinished/mine.txt").write_text("x")
    with pytest.raises(ExchangeError, match="does not say which export it is of"):
        export_frames(scored, tmp_path / "out")
    with NewFolder(tmp_path / "two", {"kind": "another"}, ()) as two:
        with pytest.raises(ExchangeError, match="another process"):
            export_frames(scored, tmp_path / "two")
        two.write("a/b", b"x")
    for stamp in (None, "{"):
        if stamp:
            (tmp_path / "two.unfinished" / STAMP).write_text(stamp)
        with pytest.raises(ExchangeError, match="of another export"):
            export_frames(scored, tmp_path / "two")
    assert sorted(files(tmp_path / "two.unfinished")) == [STAMP, "a/b"]


def test_an_export_goes_on_with_what_an_export_of_another_part_left(scored: Store, tmp_path: Path) -> None:
    export_frames(scored, tmp_path / "out", Selection(bucket="unlabeled"))
    (tmp_path / "out").rename(tmp_path / "two.unfinished")
    export_frames(scored, tmp_path / "two", Selection(bucket="review"))
    assert {path.name for path in (tmp_path / "two").glob("*/*/*")} == {"seq_5", "seq_7"}


@pytest.mark.parametrize("small_disk", ["300k"], indirect=True)
def test_a_full_disk_is_a_sentence(store: FolderStore, small_disk: Path) -> None:
    fill(store, [make_sequence(which, range(which * 100, which * 100 + 20)) for which in range(1, 50)])
    with pytest.raises(ExchangeError, match="No space left"):
        export_frames(store, small_disk / "out")
    assert not (small_disk / "out").exists()


def test_a_spreadsheet_does_not_run_what_a_name_says(scored: Store, tmp_path: Path) -> None:
    assert export_table(scored, tmp_path / "split.csv", "csv") == 4
    with (tmp_path / "split.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["organization_name"] for row in rows if row["sequence_id"] == "7"] == [f"'{HOSTILE}"]
    assert [float(row["model_scores.0.1.0"]) for row in rows[:3]] == [0.9, 0.1, 0.5]
    assert export_table(scored, tmp_path / "none.csv", "csv", Selection(bucket="labeled")) == 0
    assert (tmp_path / "none.csv").read_text("utf-8-sig").startswith('"key","sequence_id"')


def test_what_is_not_there_cannot_be_exported(store: FolderStore, scored: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such organization"):
        export_frames(scored, tmp_path / "out", Selection(organizations=("nobody",)))
    scored.write("worklists/review.json", b"{}")
    with pytest.raises(WorklistsUnusable, match=r"review\.json is not of the same run"):
        export_eval_viewer(scored, tmp_path / "out")
    empty = FolderStore(tmp_path / "empty")
    with pytest.raises(ExchangeError, match="There is nothing to export"):
        export_frames(empty, tmp_path / "other")
    for export in (export_eval_viewer, lambda *args: export_table(*args, "parquet")):
        with pytest.raises(NoWorklists):
            export(empty, tmp_path / "other")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("other") or path.name == "out"]
    assert BUCKETS == ("review", "unlabeled", "labeled", "dropped")
