"""What a compaction at the source retires in a copy: it comes back where it is needed, and goes after its week."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.sharing.stores import OTHER, empty_store, live_frames, pack
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import Catalog, change_catalog, load_catalog, tar_path
from triage_assets.shards.collection import GRACE, collect_retired
from triage_assets.shards.compaction import compact_shards
from triage_assets.shards.reindex import reindex_shards
from triage_assets.shards.verify import verify_shards
from triage_assets.sharing.copying import copy_store

NOW = datetime.now(UTC)


@pytest.fixture
def producer(tmp_path: Path) -> FolderStore:
    """Four small shards."""
    store = empty_store(tmp_path / "producer")
    for which in range(4):
        pack(store, 1, first=1 + which)
    return store


@pytest.fixture
def copy(producer: FolderStore, tmp_path: Path) -> FolderStore:
    """A copy of before and after they were merged."""
    store = FolderStore(tmp_path / "copy")
    copy_store(producer, store)
    compact_shards(producer, [OTHER], now=NOW, most_small=1)
    assert copy_store(producer, store).n_shards_retired == 4
    return store


def drop_merged(store: FolderStore) -> None:
    """Damage the merged shard, and leave it out."""
    [merged] = load_catalog(store, OTHER).shards
    file = store.root / tar_path(OTHER, merged.name)
    data = bytearray(file.read_bytes())
    data[3000] ^= 1
    file.write_bytes(data)
    reindex_shards(store, [OTHER], drop_damaged=True)


def test_a_merged_shard_that_is_damaged_in_the_copy_gives_its_place_back(
    producer: FolderStore, copy: FolderStore
) -> None:
    shown = live_frames(producer)
    for store in (producer, copy):
        drop_merged(store)
        assert live_frames(store) == shown
        assert load_catalog(store, OTHER).retired == ()
        assert verify_shards(store).faults == ()


def test_what_was_retired_and_is_copied_again_stays(producer: FolderStore, copy: FolderStore, tmp_path: Path) -> None:
    older = empty_store(tmp_path / "older")
    for which in range(4):
        pack(older, 1, first=1 + which)
    [merged] = load_catalog(copy, OTHER).shards
    copy.delete(tar_path(OTHER, merged.name))
    for name in [each.name for each in load_catalog(copy, OTHER).retired]:
        copy.delete(tar_path(OTHER, name))  # nothing of its own to come back
    reindex_shards(copy, [OTHER], drop_damaged=True)
    assert live_frames(copy) == set()
    assert copy_store(older, copy).n_shards_copied == 4
    reindex_shards(copy, [OTHER])
    collect_retired(copy, [OTHER], now=NOW + 2 * GRACE)
    assert live_frames(copy) == live_frames(producer)
    assert load_catalog(copy, OTHER).retired == ()
    assert verify_shards(copy).faults == ()


def test_what_was_retired_a_week_ago_goes_with_the_next_copy(producer: FolderStore, copy: FolderStore) -> None:
    copy_store(producer, copy)
    assert len(list(copy.root.rglob("*.tar"))) == 5
    change_catalog(copy, OTHER, retired_before)
    copy_store(producer, copy)
    assert len(list(copy.root.rglob("*.tar"))) == 1
    assert load_catalog(copy, OTHER).retired == ()
    assert verify_shards(copy).faults == ()


def retired_before(now: Catalog) -> Catalog:
    """The catalog as if it had been so for the whole grace period."""
    aged = [each.model_copy(update={"retired_at": each.retired_at - GRACE}) for each in now.retired]
    return now.model_copy(update={"retired": tuple(aged)})
