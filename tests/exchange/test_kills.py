"""An export and an import killed anywhere: nothing half is shown, and running again completes it."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shards.shard_backlogs import make_sequence
from tests.stores import ROOT
from triage_assets.annotator.snapshot import iter_sequences
from triage_assets.exchange.exporting import export_frames
from triage_assets.exchange.importing import import_folder
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import load_frames

from .folders import KEY, contents, files, fill, make_loose, make_report

N_KILLS = 12
IDS = range(1, 7)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where whatever is killed writes to."""
    return tmp_path / "killed"


def run(act: str, source: Path, root: Path, lines: list[int]) -> str:
    command = [sys.executable, "-m", "tests.exchange.killed_exchange", act, source, root, *lines]
    return subprocess.run(
        list(map(str, command)), env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, stdout=-1, text=True
    ).stdout


def kill(act: str, source: Path, root: Path) -> list[int]:
    """Begin several times and be killed each time, at another line; returns the lines."""
    n_lines = len(run(act, source, root, [0]).splitlines())
    # Not quite to the end: not every run takes the same number of lines to the last one.
    lines = sorted(random.Random(8).sample(range(1, n_lines * 99 // 100), N_KILLS))
    run(act, source, root, lines)
    return lines


def test_an_export_killed_anywhere_is_not_there_and_is_gone_on_with(tmp_path: Path, root: Path) -> None:
    store = FolderStore(tmp_path / "store")
    fill(store, [make_sequence(which, range(which * 10, which * 10 + 4)) for which in IDS])
    n_kept = 0
    for line in kill("export", store.root, root):
        out, unfinished = root / str(line), root / f"{line}.unfinished"
        assert not out.exists()
        metas = list(unfinished.rglob("meta.json"))
        begun = {path: path.stat().st_mtime_ns for meta in metas for path in meta.parent.rglob("*") if path.is_file()}
        if begun:
            (unfinished / "stale.jpg").write_text("of a sequence that has left since")
        assert export_frames(store, out).n_frames == 4 * len(IDS)
        assert not unfinished.exists()
        now = {path: (out / path.relative_to(unfinished)).stat().st_mtime_ns for path in begun}
        assert now == begun  # not written again
        assert files(out) == files(root / "0")
        n_kept += len(begun)
    assert n_kept


def test_an_import_killed_anywhere_is_gone_on_with(tmp_path: Path, root: Path) -> None:
    old = tmp_path / "old"
    make_loose(old, {which: range(which * 10, which * 10 + 4) for which in IDS})
    make_report(old, dict.fromkeys(IDS, 0.5), n_frames=4)
    n_held = 0
    for line in kill("import", old, root):
        store = FolderStore(root / str(line))
        held = {row["sequence_id"] for row in load_frames(store, KEY, ["sequence_id"]).to_pylist()}
        listed = {sequence.id: len(sequence.detections) for sequence in iter_sequences(store, KEY)}
        assert listed in ({}, dict.fromkeys(held, 4))
        import_folder(store, old)
        assert contents(store) == contents(FolderStore(root / "0"))
        n_held += len(held)
    assert n_held
