"""A merge or a removal killed with SIGKILL anywhere leaves every frame, and the next one completes it."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import load_catalog, load_frames
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.verify import verify_shards

from .killed_compactor import collect, compact
from .shard_backlogs import KEY, Downloads, make_backlog, make_sequence, shard_files

HERE = Path(__file__).parent
CRUCIAL = {
    "compact": ["new_shard.seal", "folder_store._link", "folder_store.commit", "compaction.__call__"],
    "gc": ["collection.forget", "folder_store.sweep", "folder_store.commit"],
}
ACTS = {"compact": compact, "gc": collect}


def run_compactors(root: Path, step: str, last_lines: list[int]) -> list[str]:
    """What the program prints: where it was killed, or where each line is that a whole run executes."""
    command = [sys.executable, str(HERE / "killed_compactor.py"), str(root), step, *map(str, last_lines)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def contents(store: FolderStore) -> list[dict[str, object]]:
    frames = load_frames(store, KEY).drop_columns(["shard", "offset", "meta_offset"])
    rows: list[dict[str, object]] = frames.sort_by([("sequence_id", "ascending"), ("recorded_at", "ascending")])
    return rows.to_pylist()


@pytest.mark.parametrize("step", ["compact", "gc"])
@pytest.mark.parametrize("n_points", [10, pytest.param(300, marks=pytest.mark.campaign)])
def test_a_merge_killed_at_a_random_point_loses_nothing_and_is_repeated(
    tmp_path: Path, n_points: int, step: str
) -> None:
    prepared = FolderStore(tmp_path / "prepared")
    for first in range(1, 6):
        pack_frames(prepared, KEY, make_backlog(1, first=first), Downloads())
    pack_frames(prepared, KEY, [make_sequence(2, [200, 201, 202, 203])], Downloads())
    if step == "gc":
        compact(prepared.root)
    frames = contents(prepared)

    places = run_compactors(tmp_path, step, [0])
    expected = {name: data for name, (data, _) in shard_files(FolderStore(tmp_path / "0")).items()}
    chance = random.Random(20261101)
    points = set(chance.sample(range(1, len(places) + 1), n_points))
    points.add(len(places))  # the merge is live by then
    for function in CRUCIAL[step]:
        points.add(chance.choice([number for number, place in enumerate(places, 1) if place == function]))
    assert run_compactors(tmp_path, step, sorted(points)) == [places[point - 1] for point in sorted(points)]
    live = set()
    for point in sorted(points):
        store = FolderStore(tmp_path / str(point))
        assert verify_shards(store).faults == (), f"killed at line {point}"
        assert contents(store) == frames, f"killed at line {point}"
        live.add(tuple(shard.name for shard in load_catalog(store, KEY).shards))
        ACTS[step](store.root)
        if step == "compact":
            pack_frames(store, KEY, [], Downloads())  # sweeps, where the merge had nothing left to do
        found = {name: data for name, (data, _) in shard_files(store).items()}
        assert found == expected, f"killed at line {point}"
    assert len(live) == (2 if step == "compact" else 1)
