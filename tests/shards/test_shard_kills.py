"""A packer killed with SIGKILL anywhere leaves the old or the new state, and the next run completes it."""

import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.s3_server import PLAIN, S3Server
from triage_assets.shards.catalog import load_catalog, load_frames
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.verify import verify_shards
from triage_assets.store import open_store

from .shard_backlogs import KEY, SEAL_BYTES, Downloads, make_backlog, shard_objects

HERE = Path(__file__).parent


# Where an object comes to be, takes its name, or goes. How a file takes its name depends on there being hard links.
FILES = [
    "folder_store._create_locked",
    "folder_store._write_all",
    "folder_store.commit",
    "folder_store._locked",
    "folder_store._make_folder",
    "folder_store._fsync_folder",
    "folder_store.close",
    "new_shard.seal",
]
CRUCIAL = {
    "folder": [*FILES, "folder_store._link"],
    "without links": [*FILES, "folder_store._rename_onto_reservation"],
    "bucket": [
        "bucket_conditions.prove_conditional_completion",
        "bucket_upload.add",
        "bucket_upload.complete",
        "bucket_upload.commit",
        "bucket_store._put_over",
        "new_shard.seal",
    ],
}


@pytest.fixture
def root(kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the stores will be."""
    if kind != "bucket":
        return str(tmp_path)
    request.getfixturevalue("s3")
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    return f"s3://{PLAIN}/stores"


def run_packers(kind: str, root: str, last_lines: list[int]) -> list[str]:
    """What the program prints: where it was killed, or where each line is that a whole run executes."""
    command = [sys.executable, str(HERE / "killed_packer.py"), kind, root, *map(str, last_lines)]
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


@pytest.mark.parametrize("kind", list(CRUCIAL))
@pytest.mark.parametrize(
    "is_long", [False, pytest.param(True, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])]
)
def test_a_packer_killed_at_a_random_point_loses_nothing_and_stores_nothing_twice(
    root: str, is_long: bool, kind: str, request: pytest.FixtureRequest
) -> None:
    places = run_packers(kind, root, [0])
    untouched = open_store(f"{root}/0")
    expected = {name: data for name, (data, _) in shard_objects(untouched).items()}
    assert len(load_catalog(untouched, KEY).shards) > 3

    # A point in a bucket costs a second, with its hundred requests.
    n_points = 400 if is_long else 8 if kind == "bucket" else 20
    points = choose_points(places, n_points, CRUCIAL[kind])
    assert run_packers(kind, root, points) == [places[point - 1] for point in points]
    if kind == "bucket":
        server: S3Server = request.getfixturevalue("s3")
        assert server.uploads() != []
        server.let_pass(timedelta(days=2))  # only time tells that their writers are dead
    n_interrupted = 0
    for point in points:
        store = open_store(f"{root}/{point}")
        assert verify_shards(store).faults == (), f"killed at line {point}"
        held = set(load_frames(store, KEY)["sequence_id"].to_pylist())
        n_interrupted += 0 < len(held) < 12

        download = Downloads({301: "empty"})
        report = pack_frames(store, KEY, make_backlog(12), download, seal_bytes=SEAL_BYTES)
        asked = {detection_id // 100 for detection_id in download.asked}
        assert asked == set(range(1, 13)) - held, f"killed at line {point}"
        assert report.incomplete == {}
        # The interrupted and the repeated run together write what one run writes: the same objects with the same bytes.
        found = {name: data for name, (data, _) in shard_objects(store).items()}
        assert found == expected, f"killed at line {point}"
        assert verify_shards(store).leftovers == ()
    assert n_interrupted > n_points // 4
    if kind == "bucket":
        # Of the object on which a bucket is tried, a byte may stay, until a rule of the bucket removes it.
        assert [key for key in server.uploads() if "/shards/" in key] == []
