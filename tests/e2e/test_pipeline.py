"""From a real HTTP annotator to worklists: what a run does, and above all what the next run does not do again."""

import json
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from tests.scoring.packages import edited_manifest, write_edited
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.demo import DEMO_MODEL
from triage_assets.orchestrate import open_instance
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.predictions import load_current
from triage_assets.shards.verify import verify_shards

from .readings import read_frames, read_lists

ASSETS = ("raw_sequences", "frame_shards", "predictions", "worklists")


def another_model(folder: Path) -> Path:
    """The demo's package under another version."""
    manifest = edited_manifest(DEMO_MODEL, {"model_version": "0.0.1-another"})
    return write_edited(DEMO_MODEL, folder / "another.zip", {"manifest.yaml": manifest})


def test_a_backlog_becomes_worklists_and_a_second_run_does_no_work(workplace) -> None:
    first = workplace.triage("run")
    lists = read_lists(workplace.store)
    assert sum(map(len, lists.values())) == len(workplace.backlog_ids()) == 12
    assert set.union(*lists.values()) == workplace.backlog_ids()
    assert "12 sequences scored" in first.output
    assert verify_shards(workplace.store).faults == ()
    images, shards, events = (
        workplace.server.counts["image"],
        workplace.shard_files(),
        workplace.materializations(*ASSETS),
    )
    assert f"{images} frames downloaded" in first.output

    second = workplace.triage("run")
    assert "0 frames downloaded, 0 sequences scored" in second.output
    assert workplace.server.counts["image"] == images
    assert workplace.shard_files() == shards
    assert workplace.materializations("frame_shards") == {"frame_shards": events["frame_shards"]}
    assert workplace.server.refused_writes == []
    assert workplace.server.leaked_tokens == []


def test_another_model_redoes_scores_and_touches_no_shard(workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    workplace.triage("run")
    shards, events, counts = workplace.shard_files(), workplace.materializations(*ASSETS), dict(workplace.server.counts)
    monkeypatch.setenv("TRIAGE_MODEL", str(another_model(workplace.folder)))
    result = workplace.triage("run")
    assert "12 sequences scored" in result.output
    assert workplace.shard_files() == shards
    after = workplace.materializations(*ASSETS)
    assert after["frame_shards"] == events["frame_shards"]
    assert after["predictions"] == events["predictions"] + 1
    assert workplace.server.counts["image"] == counts["image"]
    rows = json.loads(workplace.store.read("worklists/results.json"))
    assert {row["model_version"] for row in rows if row["triage_score"] is not None} == {"0.0.1-another"}


def test_the_bare_dagster_command_scores_with_another_model_and_nothing_else(
    workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.triage("run")
    shards, events, requests = (
        workplace.shard_files(),
        workplace.materializations(*ASSETS),
        workplace.server.counts.total(),
    )
    monkeypatch.setenv("TRIAGE_MODEL", str(another_model(workplace.folder)))
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "--select", "predictions"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0.0.1-another" in done.stdout + done.stderr
    assert workplace.materializations(*ASSETS) == {**events, "predictions": events["predictions"] + 1}
    assert workplace.materializations("org_predictions")["org_predictions"] == 2 * len(stored_keys(workplace.store))
    assert workplace.shard_files() == shards
    assert workplace.server.counts.total() == requests


def test_another_threshold_changes_the_worklists_alone(workplace) -> None:
    workplace.triage("run")
    events = workplace.materializations(*ASSETS)
    shards, requests = workplace.shard_files(), sum(workplace.server.counts.values())
    scores = {row["triage_score"] for row in json.loads(workplace.store.read("worklists/results.json"))}
    threshold = sorted(score for score in scores if score is not None)[-2]
    workplace.triage("worklists", "--threshold", str(threshold))
    assert len(read_lists(workplace.store)["review"]) == 2
    assert workplace.materializations(*ASSETS) == {**events, "worklists": events["worklists"] + 1}
    assert workplace.shard_files() == shards
    assert sum(workplace.server.counts.values()) == requests


def test_a_score_of_fewer_frames_is_never_shown_as_current(workplace) -> None:
    workplace.triage("run")
    grown = sorted(workplace.backlog_ids())[0]
    workplace.server.backlog.add_frames(grown, 3)
    workplace.triage("pull")
    workplace.triage("worklists")
    assert read_lists(workplace.store)["dropped"] == {grown}
    workplace.triage("run")
    assert read_lists(workplace.store)["dropped"] == set()


def test_the_threshold_of_the_settings_holds_until_a_run_is_told_otherwise(workplace, monkeypatch) -> None:
    monkeypatch.setenv("TRIAGE_THRESHOLD", "0")
    workplace.triage("run")
    assert read_lists(workplace.store)["review"] == workplace.backlog_ids()
    workplace.triage("worklists", "--threshold", "1")
    assert read_lists(workplace.store)["review"] == set()
    workplace.triage("run")
    assert read_lists(workplace.store)["review"] == workplace.backlog_ids()


def test_frames_packed_by_a_run_that_was_killed_get_their_event_from_the_next(workplace) -> None:
    workplace.triage("run")
    events = workplace.materializations("frame_shards")["frame_shards"]
    with open_instance() as instance:
        instance.wipe_assets([dg.AssetKey("frame_shards")])
    workplace.triage("run")
    assert workplace.materializations("frame_shards") == {"frame_shards": events}


def test_a_second_store_of_one_instance_is_counted_as_what_it_is(workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    workplace.triage("run")
    images = workplace.server.counts["image"]
    monkeypatch.setenv("TRIAGE_STORE", "another")
    assert f"{images} frames downloaded" in workplace.triage("run").output


def test_a_limit_is_not_called_nothing_to_do(workplace) -> None:
    workplace.triage("run")
    result = workplace.triage("run", "--limit", "1")
    assert "gone or beyond the limit" in result.output
    assert "Nothing was left to do" not in result.output


def test_only_what_is_new_is_fetched_and_scored(make_workplace) -> None:
    workplace = make_workplace(sequences=20)
    workplace.triage("run")
    before, counts = read_frames(workplace.store), dict(workplace.server.counts)
    backlog = workplace.server.backlog
    old = sorted(workplace.backlog_ids())
    gone, grown = old[:3], old[5:7]
    for sequence_id in gone:
        backlog.remove_sequence(sequence_id)
    new_frames = {detection for sequence_id in grown for detection in backlog.add_frames(sequence_id, 2)}
    new = backlog.add_sequences(10)

    result = workplace.triage("run")

    after = read_frames(workplace.store)
    added = {frame for frames in after.values() for frame in frames} - {f for frames in before.values() for f in frames}
    assert added == new_frames | {frame for sequence_id in new for frame in after[sequence_id]}
    assert workplace.server.counts["image"] - counts["image"] == len(added)
    assert workplace.server.counts["detections"] - counts["detections"] == len(new) + len(grown)
    assert re.search(r"12 sequences scored in .*, 15 reused", result.output)
    assert "10 new, 2 changed, 3 gone" in result.output
    assert all(sequence_id in after for sequence_id in gone), "frames of a sequence that left stay"
    assert set.union(*read_lists(workplace.store).values()) == workplace.backlog_ids()
    assert verify_shards(workplace.store).faults == ()


def test_an_organization_that_vanishes_leaves_the_worklists_and_keeps_its_frames(workplace) -> None:
    workplace.triage("run")
    backlog = workplace.server.backlog
    vanished = next(iter(backlog.sequences)).organization
    left = workplace.backlog_ids() - set(backlog.ready_ids(vanished))
    frames = read_frames(workplace.store)
    # The annotator lists the organizations of its sequences: without any, an organization is not listed.
    for sequence in backlog.sequences:
        if sequence.organization == vanished:
            backlog.delete_sequence(sequence.id)
    workplace.triage("run")
    assert set.union(*read_lists(workplace.store).values()) == left
    assert read_frames(workplace.store) == frames


def test_a_pull_alone_scores_nothing(workplace) -> None:
    workplace.triage("pull")
    assert set(read_frames(workplace.store)) == workplace.backlog_ids()
    assert not (workplace.store.root / "predictions").exists()


def test_one_organization_and_a_limit_narrow_a_run(workplace) -> None:
    name = next(iter(workplace.server.backlog.sequences)).organization.name
    workplace.triage("run", "--organization", name, "--limit", "1")
    assert len(stored_keys(workplace.store)) == 1
    assert sum(map(len, read_lists(workplace.store).values())) == 1


def test_predictions_are_nested_in_small_row_groups(workplace) -> None:
    workplace.triage("run")
    name = read_identity(DEMO_MODEL).name
    parts = list((workplace.store.root / f"predictions/model={name}").glob("*.parquet"))
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    assert {row["sequence_id"] for row in rows} == workplace.backlog_ids()
    assert all(pq.ParquetFile(part).metadata.row_group(0).num_rows <= 1000 for part in parts)
    current = load_current(workplace.store, name).to_pylist()
    assert {row["sequence_id"]: row["triage_score"] for row in current} == {
        row["sequence_id"]: row["triage_score"] for row in rows
    }
