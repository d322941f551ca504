"""From a scored store into a folder and from there into an empty store, with every command that this takes."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.exchange.folders import lose_catalog, make_loose, make_other
from triage_assets.annotator.snapshot import read_snapshot, stored_keys
from triage_assets.demo import DEMO_MODEL
from triage_assets.scoring.predictions import iter_details, load_current
from triage_assets.shards.packing import describe_live
from triage_assets.shards.verify import verify_shards
from triage_assets.store import Store, open_store

from .conftest import Workplace
from .readings import read_lists

SPLIT = ("sequence_id", "triage_score", "triage_bucket", "score", "trigger_frame_index", "num_tubes_kept", "group_id")


def backlog(store: Store) -> dict[str, Any]:
    """Every organization's rows with their boxes, and a digest of its frames."""
    return {key: (read_snapshot(store, key), describe_live(store, key)) for key in stored_keys(store)}


def details(store: Store, name: str) -> dict[int, dict[str, Any]]:
    return dict(iter_details(store, name, load_current(store, name)["sequence_id"].to_pylist()))


def split(store: Store) -> list[dict[str, Any]]:
    rows = json.loads(store.read("worklists/results.json"))
    return [{name: row[name] for name in SPLIT} for row in rows]


def contents(store: Store) -> dict[str, bytes]:
    return {found.path: store.read(found.path) for found in store.list("")}


def leave_the_annotator(workplace: Workplace, monkeypatch: pytest.MonkeyPatch, location: str) -> Store:
    """From now on there is an empty store, and no credentials."""
    for name in ("ANNOTATOR_API_URL", "ANNOTATOR_API_LOGIN", "ANNOTATOR_API_PASSWORD"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRIAGE_STORE", location)
    return open_store(location)


def test_what_was_exported_comes_back_equal_without_an_annotator(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.triage("run")
    source = workplace.store
    exported = workplace.triage("export", "eval-viewer", "out")
    assert (
        f"12 sequences, {len(read_lists(source)['review'] | read_lists(source)['unlabeled'])} with" in exported.output
    )
    check_tables(workplace)

    store = leave_the_annotator(workplace, monkeypatch, "imported")
    imported = workplace.triage("import", "out")
    assert "12 imported, 12 of them new to the backlog" in imported.output
    before, after = backlog(source), backlog(store)
    assert after.keys() == before.keys()
    for key, (rows, frames) in before.items():
        assert after[key][0].equals(rows), key
        assert after[key][0].schema.metadata == rows.schema.metadata
        assert after[key][1] == frames
    assert verify_shards(store).faults == ()
    workplace.triage("worklists")
    assert split(store) == split(source)
    [model] = [each["name"] for each in json.loads(store.read("worklists/model_config.json"))["models"]]
    [original] = [each["name"] for each in json.loads(source.read("worklists/model_config.json"))["models"]]
    assert model == f"{original}-imported"
    assert details(store, model) == details(source, original)

    files = contents(store)
    again = workplace.triage("import", "out")
    assert "Nothing is new: the store is as it was." in again.output
    assert contents(store) == files

    # A model that scores the same here is compared with what was imported, which goes when it is forgotten.
    monkeypatch.setenv("TRIAGE_MODEL", str(DEMO_MODEL))
    assert "12 sequences scored" in workplace.triage("run", "--no-pull").output
    rows = [row for row in json.loads(store.read("worklists/results.json")) if row["triage_score"] is not None]
    assert {tuple(row["model_scores"]) for row in rows} == {(original, model)}
    assert all(row["model_scores"][original] == row["model_scores"][model] for row in rows)
    assert " imported " in workplace.triage("models", "list").output
    workplace.triage("models", "forget", model, "--yes")
    workplace.triage("worklists")
    assert all(len(row["model_scores"]) == 1 for row in json.loads(store.read("worklists/results.json")))


def check_tables(workplace: Workplace) -> None:
    """The split goes into a notebook, and into a spreadsheet."""
    workplace.triage("export", "parquet", "split.parquet")
    stored = pq.read_table(pa.BufferReader(workplace.store.read("worklists/results.parquet")))
    assert pq.read_table("split.parquet").equals(stored)
    output = workplace.triage("export", "csv", "review.csv", "--bucket", "review").output
    review = read_lists(workplace.store)["review"]
    assert f"{len(review)} rows in review.csv" in output
    lines = Path("review.csv").read_text("utf-8-sig").splitlines()
    assert {int(line.split(",")[1]) for line in lines[1:]} == review
    assert "exists already" in workplace.triage("export", "csv", "review.csv", code=1).output


def test_a_pull_after_an_import_downloads_nothing_and_keeps_the_scores(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.triage("run")
    workplace.triage("export", "eval-viewer", "out")
    for path in Path("out").rglob("meta.json"):  # as the older layout has it
        meta = json.loads(path.read_bytes())
        path.write_text(json.dumps({name: meta[name] for name in meta if name not in ("backlog", "sha256")}))
    source, images = workplace.store, workplace.server.counts["image"]
    monkeypatch.setenv("TRIAGE_STORE", "imported")
    workplace.triage("import", "out")
    store = open_store("imported")
    workplace.triage("run")
    assert workplace.server.counts["image"] == images
    for key, (rows, frames) in backlog(source).items():
        assert read_snapshot(store, key).equals(rows), key
        assert describe_live(store, key) == frames
    scored = [row for row in json.loads(store.read("worklists/results.json")) if row["triage_score"] is not None]
    assert scored
    assert all(len(set(row["model_scores"].values())) == 1 for row in scored)


def test_a_folder_of_frames_alone_can_be_looked_at_without_a_model(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = leave_the_annotator(workplace, monkeypatch, "imported")
    camera = make_loose(Path("old"), {5: (50, 51), 6: (60,)})
    (camera / "seq_6/meta.json").write_text("{")
    output = workplace.triage("import", "old", code=1).output
    assert "1 imported, 1 of them new to the backlog" in output
    assert "seq_6 is left out: its meta.json is broken" in output
    assert "1 sequence came without" in output
    report = json.loads(workplace.triage("import", "old", "--json", code=1).stdout)
    assert (report["n_imported"], report["changed"], len(report["left_out"])) == (1, False, 1)
    workplace.triage("worklists")
    [row] = json.loads(store.read("worklists/dropped.json"))
    assert (row["sequence_id"], row["reason"]) == (5, "incomplete")


def test_an_organization_that_is_damaged_is_said_and_holds_up_no_other(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = leave_the_annotator(workplace, monkeypatch, "imported")
    make_loose(Path("old"), {5: (50, 51)})
    make_other(Path("old"), 9, (90,))
    workplace.triage("import", "old")
    lose_catalog(store)
    exported = workplace.triage("export", "frames", "out", code=1).output
    assert "1 sequence, 1 frame in out" in exported
    imported = workplace.triage("import", "old", code=1).output
    assert "1 imported, 0 of them new" in imported
    for output in (exported, imported):
        assert "organization sdis-ardeche-3 is left out: " in output
        assert "Run `triage shards reindex`." in output
    workplace.triage("shards", "reindex")
    assert "2 imported" in workplace.triage("import", "old").output
