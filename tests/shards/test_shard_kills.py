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


# Where a file comes to be, takes its name, or goes; how it takes its name depends on whether there are hard links.
CRUCIAL = [
    "folder_store._create_locked",
    "folder_store._write_all",
    "folder_store.commit",
    "folder_store._locked",
    "folder_store._make_folder",
    "folder_store._fsync_folder",
    "folder_store.close",
    "new_shard.seal",
]
TAKES_NAME = {"yes": "folder_store._link", "no": "folder_store._rename_onto_reservation"}


def run_packers(links: str, root: Path, last_lines: list[int]) -> list[str]:
    """What the program prints: where it was killed, or where each line is that a whole run executes."""
    command = [sys.executable, str(HERE / "killed_packer.py"), links, str(root), *map(str, last_lines)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def choose_points(places: list[str], n_points: int, crucial: list[str]) -> list[int]:
    """Numbers of lines anywhere, and of at least one in each of the crucial functions."""
    chance = random.Random(20260823)
    points = set(chance.sample(range(1, len(places) + 1), n_points - len(crucial)))
    for function in crucial:
        lines = [number for number, place in enumerate(places, 1) if place == function]
        assert lines, f"no line of {function} is counted"
        points.add(chance.choice(lines))
    return sorted(points)


@pytest.mark.parametrize("links", ["yes", "no"])
@pytest.mark.parametrize("n_points", [20, pytest.param(400, marks=pytest.mark.campaign)])
def test_a_packer_killed_at_a_random_point_loses_nothing_and_stores_nothing_twice(
    tmp_path: Path, n_points: int, links: str
) -> None:
    places = run_packers(links, tmp_path, [0])
    untouched = FolderStore(tmp_path / "0")
    expected = {name: data for name, (data, _) in shard_files(untouched).items()}
    assert len(load_catalog(untouched, KEY).shards) > 3

    points = choose_points(places, n_points, [*CRUCIAL, TAKES_NAME[links]])
    assert run_packers(links, tmp_path, points) == [places[point - 1] for point in points]
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
