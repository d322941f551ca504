"""Packing onto disks that are full or read-only."""

import subprocess
from pathlib import Path

import pytest

from triage_assets.errors import StoreUnwritable
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import load_frames
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.verify import verify_shards

from .shard_backlogs import KEY, Downloads, make_backlog, shard_files


@pytest.mark.parametrize("small_disk", ["120k"], indirect=True)
def test_a_full_disk_keeps_every_sealed_shard_and_removes_the_rest(small_disk: Path) -> None:
    store = FolderStore(small_disk)
    with pytest.raises(StoreUnwritable, match="Free space or name another folder in TRIAGE_STORE"):
        pack_frames(store, KEY, make_backlog(60), Downloads(), seal_bytes=15_000)
    sealed = set(load_frames(store, KEY)["sequence_id"].to_pylist())
    assert len(sealed) > 3
    report = verify_shards(store)
    assert (report.faults, report.leftovers) == ((), ())
    assert not [name for name in shard_files(store) if name.endswith(".tmp")]

    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    download = Downloads()
    pack_frames(store, KEY, make_backlog(60), download)
    assert {detection_id // 100 for detection_id in download.asked} == set(range(1, 61)) - sealed
    assert verify_shards(store).faults == ()
    assert verify_shards(store).n_frames == 180


def test_a_read_only_disk_can_be_read_and_verified_but_not_packed_to(small_disk: Path) -> None:
    store = FolderStore(small_disk)
    pack_frames(store, KEY, make_backlog(2), Downloads())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert not pack_frames(store, KEY, make_backlog(2), Downloads()).changed
    with pytest.raises(StoreUnwritable, match="Read-only"):
        pack_frames(store, KEY, make_backlog(3), Downloads())
    assert len(load_frames(store, KEY)) == verify_shards(store).n_frames == 6


def test_a_store_below_a_file_cannot_be_packed_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnwritable, match="Not a directory"):
        pack_frames(FolderStore(tmp_path / "file" / "store"), KEY, make_backlog(1), Downloads())
