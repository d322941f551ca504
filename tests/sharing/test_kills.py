"""Copies killed anywhere: what is there is a whole store, and running again completes it."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sharing.stores import OTHER, compact, contents, copy_folder, live_frames, pack
from tests.stores import ROOT
from triage_assets.folder_store import FolderStore
from triage_assets.shards.verify import verify_shards
from triage_assets.sharing.copying import copy_store

N_KILLS = 10


def copies(source: Path, root: Path, lines: list[int]) -> str:
    command = [sys.executable, "-m", "tests.sharing.killed_copier", source, root, *map(str, lines)]
    return subprocess.run(
        list(map(str, command)), env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, stdout=-1, text=True
    ).stdout


def write_lists_anew(store: FolderStore) -> None:
    """Other bytes in two of the worklists, as another run leaves them."""
    record = json.loads(store.read("worklists/model_config.json"))
    for name in ("review.json", "labels.json"):
        data = store.read(f"worklists/{name}") + b"\n"
        store.write(f"worklists/{name}", data)
        record["files"][name] = hashlib.sha256(data).hexdigest()
    store.write("worklists/model_config.json", json.dumps(record).encode())


@pytest.mark.parametrize("first", ["a new destination", "one that has an older copy"])
def test_a_copy_killed_anywhere_leaves_a_whole_store_and_goes_on(
    source: FolderStore, tmp_path: Path, first: str
) -> None:
    older = FolderStore(tmp_path / "older")
    if first == "one that has an older copy":
        copy_store(source, older)
        write_lists_anew(source)
        compact(source)

    def begin(lines: list[int]) -> None:
        for line in lines:
            if older.root.exists():
                copy_folder(older.root, tmp_path / "copies" / str(line))

    begin([0])
    n_lines = int(copies(source.root, tmp_path / "copies", [0]))
    # What is written last, catalog and tables, takes few lines beside the bytes that are proven before.
    chosen = random.Random(8)
    early, late = range(1, n_lines * 9 // 10), range(n_lines * 9 // 10, n_lines)
    stops = sorted([*chosen.sample(early, N_KILLS // 2), *chosen.sample(late, N_KILLS // 2)])
    begin(stops)
    copies(source.root, tmp_path / "copies", stops)
    shown = live_frames(source)
    pack(source, 13)
    write_lists_anew(source)
    whole = contents(source)
    n_shards = []
    for stop in stops:
        destination = FolderStore(tmp_path / "copies" / str(stop))
        report = verify_shards(destination)
        assert report.faults == (), stop
        assert live_frames(destination) <= shown, stop
        assert not older.root.exists() or live_frames(destination) == shown, stop
        n_shards.append(report.n_shards)
        assert copy_store(source, destination).faults == (), stop
        copied = contents(destination)
        assert {path: copied[path] for path in whole} == whole, stop
        assert [file for file in destination.root.rglob("*.tmp") if f"organization={OTHER}" in str(file)] == [], stop
    assert len(set(n_shards)) > 1
