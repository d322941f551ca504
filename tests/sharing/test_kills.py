"""Copies killed anywhere: what is there is a whole store, and running again completes it."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.sharing.stores import OTHER, contents, pack
from tests.stores import ROOT
from triage_assets.folder_store import FolderStore
from triage_assets.shards.verify import verify_shards
from triage_assets.sharing.copying import copy_store

N_KILLS = 15


def copies(source: Path, root: Path, lines: list[int]) -> str:
    command = [sys.executable, "-m", "tests.sharing.killed_copier", source, root, *map(str, lines)]
    return subprocess.run(
        list(map(str, command)), env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, stdout=-1, text=True
    ).stdout


def is_of_one_run(store: FolderStore) -> bool:
    """Whether the files that a reader holds against each other are of one run, or not there yet."""
    data = store.read_or_none("worklists/model_config.json")
    if data is None:
        return True
    digest = hashlib.sha256(store.read("worklists/results.parquet")).hexdigest()
    return digest == json.loads(data)["files"]["results.parquet"]


def test_a_copy_killed_anywhere_leaves_a_whole_store_and_goes_on(source: FolderStore, tmp_path: Path) -> None:
    lines = int(copies(source.root, tmp_path / "copies", [0]))
    chosen = random.Random(8)
    stops = sorted(chosen.sample(range(1, lines), N_KILLS))
    copies(source.root, tmp_path / "copies", stops)
    pack(source, 13)
    whole = contents(source)
    n_shards = []
    for stop in stops:
        destination = FolderStore(tmp_path / "copies" / str(stop))
        report = verify_shards(destination)
        assert report.faults == (), stop
        assert is_of_one_run(destination), stop
        n_shards.append(report.n_shards)
        assert copy_store(source, destination).faults == (), stop
        assert contents(destination) == whole, stop
        assert [file for file in destination.root.rglob("*.tmp") if f"organization={OTHER}" in str(file)] == [], stop
    assert len(set(n_shards)) > 2
