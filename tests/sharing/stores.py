"""A small store with everything in it, made once and copied for each test; and what stores are compared by."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from tests.shards.shard_backlogs import SEAL_BYTES, Downloads, make_backlog
from tests.viewer.frames_store import fill
from tests.worklists.review_tables import reviewed
from triage_assets.folder_store import FolderStore
from triage_assets.groups.records import UNGROUPED, DatabaseState
from triage_assets.groups.snapshot import GroupsSnapshot
from triage_assets.groups.snapshot import store_snapshot as store_groups
from triage_assets.shards.catalog import load_catalog, load_frames, tar_path
from triage_assets.shards.collection import GRACE, collect_retired
from triage_assets.shards.compaction import compact_shards
from triage_assets.shards.packing import pack_frames
from triage_assets.store import Store

OTHER = "north-7"
FIRST = 1001  # the first sequence of the other organization
MERGED = datetime(2026, 10, 1, 4, tzinfo=UTC)
ANNOTATOR = "http://127.0.0.1"


def make_store(folder: Path) -> None:
    """One organization that is scored and split, and another that has only frames, in several shards."""
    store = FolderStore(folder)
    store.stamp(ANNOTATOR)
    fill(store)
    pack(store, 12)
    tables = reviewed(members={1: 1})
    state = DatabaseState("db", 1, "token")
    store_groups(
        store, GroupsSnapshot(state, tables.groups, tables.members, UNGROUPED.empty_table(), tables.annotations)
    )
    (folder / "review.sqlite").write_bytes(b"decisions")


def pack(store: Store, n_sequences: int, first: int = FIRST, key: str = OTHER) -> None:
    """Frames of so many sequences of the other organization."""
    pack_frames(store, key, make_backlog(n_sequences, first=first), Downloads(), seal_bytes=SEAL_BYTES)


def empty_store(folder: Path) -> FolderStore:
    """A store of the same annotator with nothing in it."""
    store = FolderStore(folder)
    store.stamp(ANNOTATOR)
    return store


def compact(store: Store, key: str = OTHER) -> None:
    """Make one shard of all, and remove those that it replaces."""
    assert compact_shards(store, [key], now=MERGED, most_small=1).n_written == 1
    collect_retired(store, [key], now=MERGED + GRACE)


def copy_folder(source: Path, destination: Path) -> FolderStore:
    """A store of its own with the same files and times."""
    shutil.copytree(source, destination)
    return FolderStore(destination)


def contents(store: Store) -> dict[str, bytes]:
    """Everything that a copy is about, by path: which shards are in their grace period is each store's own."""
    return {
        found.path: _without_grace(store.read(found.path))
        if found.path.endswith("catalog.json")
        else store.read(found.path)
        for found in store.list("")
        if not found.path.endswith(("index.arrow", "review.sqlite", "copied.json", "store.json"))
    }


def _without_grace(catalog: bytes) -> bytes:
    return json.dumps({**json.loads(catalog), "retired": []}).encode()


def live_frames(store: Store, key: str = OTHER) -> set[tuple[int, int, str]]:
    """Sequence, detection and digest of every image that the store shows."""
    columns = ["sequence_id", "detection_id", "sha256"]
    return {tuple(row.values()) for row in load_frames(store, key, columns).select(columns).to_pylist()}


def first_tar(store: Store) -> str:
    """The path of the other organization's oldest shard."""
    return tar_path(OTHER, load_catalog(store, OTHER).shards[0].name)
