"""Copies killed anywhere: what is there is a whole store, and running again completes it."""

import hashlib
import json
import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.s3_server import PLAIN, S3Server
from tests.sharing.stores import OTHER, compact, contents, copy_folder, live_frames, pack
from tests.stores import ROOT
from triage_assets.folder_store import FolderStore
from triage_assets.shards.verify import verify_shards
from triage_assets.sharing.copying import copy_store
from triage_assets.store import open_store

N_KILLS = {"folder": 10, "bucket": 2}  # a bucket is slower, and what is killed is the same but for the store


def copies(source: Path, root: str, lines: list[int]) -> str:
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


@pytest.mark.parametrize("first", ["a new destination", "one that has an older copy", "a new one in a bucket"])
def test_a_copy_killed_anywhere_leaves_a_whole_store_and_goes_on(
    source: FolderStore, tmp_path: Path, first: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: S3Server | None = request.getfixturevalue("s3") if "bucket" in first else None
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    root = f"s3://{PLAIN}/copies" if server else str(tmp_path / "copies")
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
    n_lines = len(copies(source.root, root, [0]).splitlines())
    # What is written last, catalog and tables, takes few lines beside the bytes that are proven before.
    n_each = N_KILLS["bucket" if server else "folder"] // 2
    chosen = random.Random(8)
    early, late = range(1, n_lines * 9 // 10), range(n_lines * 9 // 10, n_lines)
    stops = sorted([*chosen.sample(early, n_each), *chosen.sample(late, n_each)])
    begin(stops)
    copies(source.root, root, stops)
    shown = live_frames(source)
    if server:
        server.let_pass(timedelta(days=2))  # only time tells that their writers are dead
    pack(source, 13)
    write_lists_anew(source)
    whole = contents(source)
    n_shards = []
    for stop in stops:
        destination = open_store(f"{root}/{stop}")
        report = verify_shards(destination)
        assert report.faults == (), stop
        assert live_frames(destination) <= shown, stop
        assert not older.root.exists() or live_frames(destination) == shown, stop
        n_shards.append(report.n_shards)
        assert copy_store(source, destination).faults == (), stop
        copied = contents(destination)
        assert {path: copied[path] for path in whole} == whole, stop
    left = server.uploads() if server else [str(file) for file in Path(root).rglob("*.tmp")]
    assert [name for name in left if f"organization={OTHER}" in name] == []
    assert len(set(n_shards)) > 1
