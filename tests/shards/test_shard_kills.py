"""A packer killed with SIGKILL anywhere leaves the old or the new state, and the next run completes it."""

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

from .shard_backlogs import KEY, SEAL_BYTES, Downloads, make_backlog, shard_files

HERE = Path(__file__).parent


def run_packers(root: Path, last_lines: list[int]) -> str:
    command = [sys.executable, str(HERE / "killed_packer.py"), str(root), *map(str, last_lines)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("n_points", [20, pytest.param(400, marks=pytest.mark.campaign)])
def test_a_packer_killed_at_a_random_point_loses_nothing_and_stores_nothing_twice(
    tmp_path: Path, n_points: int
) -> None:
    n_lines = int(run_packers(tmp_path, [0]))
    untouched = FolderStore(tmp_path / "0")
    expected = {name: data for name, (data, _) in shard_files(untouched).items()}
    assert len(load_catalog(untouched, KEY).shards) > 3

    points = random.Random(20260823).sample(range(1, n_lines), n_points)
    run_packers(tmp_path, points)
    n_interrupted = 0
    for point in points:
        store = FolderStore(tmp_path / str(point))
        assert verify_shards(store).faults == (), f"killed at line {point}"
        held = set(load_frames(store, KEY)["sequence_id"].to_pylist())
        n_interrupted += 0 < len(held) < 12

        download = Downloads({301: "empty"})
        report = pack_frames(store, KEY, make_backlog(12), download, seal_bytes=SEAL_BYTES)
        asked = {detection_id // 100 for detection_id in download.asked}
        assert asked == set(range(1, 13)) - held, f"killed at line {point}"
        assert report.incomplete == {}
        # The interrupted and the repeated run together write what one run writes: the same files with the same bytes.
        found = {name: data for name, (data, _) in shard_files(store).items()}
        assert found == expected, f"killed at line {point}"
        assert verify_shards(store).leftovers == ()
    assert n_interrupted > n_points // 4
