"""A merge or a removal killed with SIGKILL anywhere leaves every frame, and the next one completes it."""

import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.s3_server import S3Server
from triage_assets.shards.catalog import load_catalog, load_frames
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.verify import verify_shards
from triage_assets.store import Store, open_store

from .killed_compactor import collect, compact
from .shard_backlogs import KEY, Downloads, make_backlog, make_sequence, shard_objects
from .test_shard_kills import root  # noqa: F401

HERE = Path(__file__).parent
CRUCIAL = {
    ("folder", "compact"): ["new_shard.seal", "folder_store._link", "folder_store.commit", "compaction.__call__"],
    ("folder", "gc"): ["collection.forget", "folder_store.sweep", "folder_store.commit"],
    ("bucket", "compact"): [
        "new_shard.seal",
        "bucket_upload.complete",
        "bucket_store._put_over",
        "compaction.__call__",
    ],
}
ACTS = {"compact": compact, "gc": collect}


def run_compactors(root: str, step: str, last_lines: list[int]) -> list[str]:  # noqa: F811
    """What the program prints: where it was killed, or where each line is that a whole run executes."""
    command = [sys.executable, str(HERE / "killed_compactor.py"), root, step, *map(str, last_lines)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def contents(store: Store) -> list[dict[str, object]]:
    frames = load_frames(store, KEY).drop_columns(["shard", "offset", "meta_offset"])
    rows: list[dict[str, object]] = frames.sort_by([("sequence_id", "ascending"), ("recorded_at", "ascending")])
    return rows.to_pylist()


@pytest.mark.parametrize(("kind", "step"), list(CRUCIAL))
@pytest.mark.parametrize(
    "is_long", [False, pytest.param(True, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])]
)
def test_a_merge_killed_at_a_random_point_loses_nothing_and_is_repeated(
    root: str,  # noqa: F811
    is_long: bool,
    kind: str,
    step: str,
    request: pytest.FixtureRequest,
) -> None:
    prepared = open_store(f"{root}/prepared")
    for first in range(1, 6):
        pack_frames(prepared, KEY, make_backlog(1, first=first), Downloads())
    pack_frames(prepared, KEY, [make_sequence(2, [200, 201, 202, 203])], Downloads())
    if step == "gc":
        compact(prepared.location)
    frames = contents(prepared)

    places = run_compactors(root, step, [0])
    expected = {name: data for name, (data, _) in shard_objects(open_store(f"{root}/0")).items()}
    chance = random.Random(20261101)
    # A point in a bucket costs seconds, with its hundreds of requests.
    n_points = 300 if is_long else 0 if kind == "bucket" else 10
    points = set(chance.sample(range(1, len(places) + 1), n_points))
    points.add(len(places))  # the merge is live by then
    for function in CRUCIAL[kind, step]:
        points.add(chance.choice([number for number, place in enumerate(places, 1) if place == function]))
    assert run_compactors(root, step, sorted(points)) == [places[point - 1] for point in sorted(points)]
    if kind == "bucket":
        server: S3Server = request.getfixturevalue("s3")
        server.let_pass(timedelta(days=2))  # only time tells that their writers are dead
    live = set()
    for point in sorted(points):
        store = open_store(f"{root}/{point}")
        assert verify_shards(store).faults == (), f"killed at line {point}"
        assert contents(store) == frames, f"killed at line {point}"
        live.add(tuple(shard.name for shard in load_catalog(store, KEY).shards))
        ACTS[step](store.location)
        if step == "compact":
            pack_frames(store, KEY, [], Downloads())  # sweeps, where the merge had nothing left to do
        found = {name: data for name, (data, _) in shard_objects(store).items()}
        assert found == expected, f"killed at line {point}"
    assert len(live) == (2 if step == "compact" else 1)
    if kind == "bucket":
        assert [key for key in server.uploads() if "/shards/" in key] == []
