"""Killed at a random moment, a pull or a scoring is finished by the next run, with nothing lost and nothing twice.

Twenty moments each, spread over the time that an undisturbed run takes. Killing in the middle of a seal is in
tests/shards.
"""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from triage_assets.annotator.snapshot import read_snapshot, stored_keys
from triage_assets.demo import DEMO_MODEL
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.predictions import load_current
from triage_assets.shards.catalog import load_frames
from triage_assets.shards.verify import verify_shards

PROJECT = Path(__file__).resolve().parents[2]
MODEL = read_identity(DEMO_MODEL).name
KILLS_PER_TEST = 5


class Stages:
    """Runs stages, each in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin and process.stdout
        self._orders, self._answers = process.stdin, process.stdout

    def run(self, stage: str, folder: Path, url: str, kill_after: float | None = None) -> tuple[float, bool]:
        """Run a stage to its end, or kill it so many seconds after it began; how long it took, and if it was killed."""
        self._orders.write(json.dumps([stage, str(folder), url]).encode() + b"\n")
        number = int(self._answers.readline())
        started = time.monotonic()
        if kill_after is not None and not select.select([self._answers], [], [], kill_after)[0]:
            os.kill(number, signal.SIGKILL)
        code = int(self._answers.readline())
        assert code in ((0,) if kill_after is None else (0, -signal.SIGKILL))
        return time.monotonic() - started, code == -signal.SIGKILL


@pytest.fixture(scope="module")
def stages() -> Iterator[Stages]:
    command = [sys.executable, "-m", "tests.e2e.stages"]
    # Unbuffered, so that what can be read is what `select` sees.
    with subprocess.Popen(command, cwd=PROJECT, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Stages(process)


def describe_frames(folder: Path) -> dict[str, list[tuple[int, int, str | None]]]:
    """The backlog and its frames, however they are divided into shards; each frame once."""
    store, found = FolderStore(folder), {}
    for key in stored_keys(store):
        frames = [
            (row["sequence_id"], row["detection_id"], row["sha256"]) for row in load_frames(store, key).to_pylist()
        ]
        assert len(set(frames)) == len(frames)
        snapshot = read_snapshot(store, key)
        assert snapshot is not None
        assert {which for which, _, _ in frames} == set(snapshot["sequence_id"].to_pylist())
        found[key] = sorted(frames)
    return found


def describe_scores(folder: Path) -> list[tuple[int, float, str]]:
    """Every score of the backlog, with the frames that it is for."""
    current = load_current(FolderStore(folder), MODEL)
    assert current is not None
    rows = sorted((row["sequence_id"], row["triage_score"], row["frames_fingerprint"]) for row in current.to_pylist())
    parts = (folder / f"predictions/model={MODEL}").glob("*.parquet")
    scored = [row for part in parts for row in pq.read_table(part, columns=["sequence_id"])["sequence_id"].to_pylist()]
    assert sorted(scored) == [which for which, _, _ in rows], "each sequence is in exactly one part"
    return rows


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.tmp"))


@pytest.mark.parametrize("group", range(20 // KILLS_PER_TEST))
def test_a_killed_pull_is_finished_by_the_next(
    demo_annotator: Callable, stages: Stages, tmp_path: Path, group: int
) -> None:
    server = demo_annotator(16, latency_ms=10)
    duration, _ = stages.run("pull", tmp_path / "undisturbed", server.api_url)
    expected = describe_frames(tmp_path / "undisturbed")
    assert sum(map(len, expected.values())) == sum(
        len(server.backlog.detections(which)) for which in server.backlog.ready_ids()
    )
    draw = random.Random(f"pull {group}")
    n_killed = 0
    for number in range(KILLS_PER_TEST):
        folder = tmp_path / f"killed-{number}"
        n_killed += stages.run("pull", folder, server.api_url, kill_after=draw.uniform(0, 0.9 * duration))[1]
        assert verify_shards(FolderStore(folder)).faults == ()
        stages.run("pull", folder, server.api_url)
        report = verify_shards(FolderStore(folder))
        assert (report.faults, report.leftovers, leftovers(folder)) == ((), (), [])
        assert describe_frames(folder) == expected
    assert n_killed >= KILLS_PER_TEST // 2, "most runs were killed before their end"


@pytest.mark.parametrize("group", range(20 // KILLS_PER_TEST))
def test_a_killed_scoring_is_finished_by_the_next(
    demo_annotator: Callable, stages: Stages, tmp_path: Path, group: int
) -> None:
    server = demo_annotator(16)
    stages.run("pull", tmp_path / "pulled", server.api_url)
    shutil.copytree(tmp_path / "pulled", tmp_path / "undisturbed")
    duration, _ = stages.run("score", tmp_path / "undisturbed", "")
    expected = describe_scores(tmp_path / "undisturbed")
    assert len(expected) == 16
    draw = random.Random(f"score {group}")
    n_killed = 0
    for number in range(KILLS_PER_TEST):
        folder = tmp_path / f"killed-{number}"
        shutil.copytree(tmp_path / "pulled", folder)
        n_killed += stages.run("score", folder, "", kill_after=draw.uniform(0, 0.9 * duration))[1]
        stages.run("score", folder, "")
        assert describe_scores(folder) == expected
        assert leftovers(folder) == []
    assert n_killed >= KILLS_PER_TEST // 2, "most runs were killed before their end"
