"""Merging what cannot be read: the damaged shard is named and left as it is, and the others are merged."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.s3_server import PLAIN, Faults, S3Server
from tests.shards.shard_backlogs import KEY, Downloads, make_backlog, make_sequence, shard_files
from triage_assets.cli import app
from triage_assets.errors import StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import catalog_path, change_catalog, index_path, load_catalog, load_frames, tar_path
from triage_assets.shards.collection import GRACE, collect_retired
from triage_assets.shards.compaction import compact_shards
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.reindex import reindex_shards
from triage_assets.shards.verify import verify_shards
from triage_assets.store import open_store

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Eight shards of one sequence each."""
    store = FolderStore(tmp_path / "store")
    for which in range(1, 9):
        pack_frames(store, KEY, make_backlog(1, first=which), Downloads())
    return store


def names(store: FolderStore) -> list[str]:
    catalog = load_catalog(store, KEY)
    assert catalog is not None
    return [shard.name for shard in catalog.shards]


def turn_bit(store: FolderStore, shard: str) -> None:
    """Inside its last image."""
    file = store.root / tar_path(KEY, shard)
    data = bytearray(file.read_bytes())
    data[-2000] ^= 4
    file.write_bytes(data)


def remove_index(store: FolderStore, shard: str) -> None:
    store.delete(index_path(KEY, shard))


def renew_index(store: FolderStore, shard: str) -> None:
    """Give it a format of the future."""
    file = store.root / index_path(KEY, shard)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"format_version": b"2"}), file)


@pytest.mark.parametrize(
    ("damage", "said", "n_left"),
    [
        (turn_bit, "have changed", 2),
        (lambda store, shard: store.delete(tar_path(KEY, shard)), "is missing", 2),
        # What such a shard holds is not known, so older ones are not merged with newer ones.
        (remove_index, "triage shards reindex", 3),
        (renew_index, "format version 2", 3),
    ],
)
def test_a_damaged_shard_is_named_and_left_and_the_others_are_merged(
    store: FolderStore, damage: Callable[[FolderStore, str], object], said: str, n_left: int
) -> None:
    damaged = names(store)[3]
    damage(store, damaged)
    files = {name: data for name, data in shard_files(store).items() if damaged in name}
    report = compact_shards(store, now=NOW, most_small=1)
    assert list(report.unmerged) == [f"{KEY}/{damaged}"]
    assert said in report.unmerged[f"{KEY}/{damaged}"]
    assert damaged in names(store)
    assert len(names(store)) == n_left == report.n_shards
    assert {name: data for name, data in shard_files(store).items() if damaged in name} == files
    assert all(damaged in str(fault) for fault in verify_shards(store).faults)
    assert verify_shards(store).leftovers == ()


def test_a_shard_that_was_left_is_merged_once_it_is_mended(store: FolderStore) -> None:
    before = load_frames(store, KEY).drop_columns(["shard", "offset", "meta_offset"])
    remove_index(store, names(store)[3])
    compact_shards(store, now=NOW, most_small=1)
    reindex_shards(store)
    assert compact_shards(store, now=NOW, most_small=1).unmerged == {}
    after = load_frames(store, KEY).drop_columns(["shard", "offset", "meta_offset"])
    assert (len(names(store)), after.sort_by("detection_id")) == (1, before)


def test_newer_frames_in_a_shard_that_was_left_out_are_not_hidden_by_a_merge_when_it_comes_back(
    store: FolderStore,
) -> None:
    pack_frames(store, KEY, [make_sequence(1, [100, 101, 102, 103])], Downloads())
    grown = names(store)[-1]
    pack_frames(store, KEY, make_backlog(2, first=10), Downloads())
    whole = store.read(tar_path(KEY, grown))
    turn_bit(store, grown)
    reindex_shards(store, drop_damaged=True)
    compact_shards(store, now=NOW, most_small=1)
    assert len(names(store)) == 2
    store.write(tar_path(KEY, grown), whole)
    reindex_shards(store)
    detections = load_frames(store, KEY).filter(pq.filters_to_expression([("sequence_id", "==", 1)]))["detection_id"]
    assert detections.to_pylist() == [100, 101, 102, 103]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'{"format_version": 99}', "format version 99"), (b"{", "cannot be read")],  # of the future, and damaged
)
def test_a_catalog_that_cannot_be_read_is_not_touched_and_other_organizations_are_merged(
    store: FolderStore, content: bytes, said: str
) -> None:
    for which in (1, 2):
        pack_frames(store, "other-4", make_backlog(1, first=which), Downloads())
    store.write(catalog_path(KEY), content)
    before = shard_files(store)
    report = compact_shards(store, now=NOW, most_small=1)
    assert list(report.unmerged) == [KEY]
    assert said in report.unmerged[KEY]
    assert (report.n_retired, report.n_shards) == (2, 1)
    collected = collect_retired(store, now=NOW + GRACE)
    assert (len(collected.removed), list(collected.faults)) == (4, [KEY])
    after = shard_files(store)
    assert {name: after[name] for name in before if KEY in name} == {k: v for k, v in before.items() if KEY in k}


def test_a_merged_shard_that_is_damaged_within_its_week_gives_its_place_back(store: FolderStore) -> None:
    before = load_frames(store, KEY)
    compact_shards(store, now=NOW, most_small=1)
    [merged] = names(store)
    turn_bit(store, merged)
    reindex_shards(store, drop_damaged=True)
    assert load_frames(store, KEY).equals(before)
    proof = verify_shards(store)
    assert (proof.faults, proof.leftovers) == ((), ())
    catalog = load_catalog(store, KEY)
    assert (catalog.dropped, catalog.retired) == ((merged,), ())


def test_what_was_retired_comes_back_only_where_nothing_newer_holds_the_same(store: FolderStore) -> None:
    pack_frames(store, KEY, [make_sequence(1, [100, 101, 102, 103])], Downloads())
    oldest, grown = names(store)[0], names(store)[-1]
    # As a copy does whose source has merged it: no shard is said to have taken its place.
    change_catalog(store, KEY, lambda now: now.with_merged(now.shards[:1], None, NOW))
    turn_bit(store, names(store)[3])
    reindex_shards(store, drop_damaged=True)
    assert oldest not in names(store)
    turn_bit(store, grown)
    reindex_shards(store, drop_damaged=True)
    assert oldest in names(store)
    assert 1 in load_frames(store, KEY)["sequence_id"].to_pylist()


def test_a_store_that_cannot_be_read_is_no_fault_of_its_shards(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"s3://{PLAIN}/some/prefix")
    for which in (1, 2):
        pack_frames(store, KEY, make_backlog(1, first=which), Downloads())
    catalog = store.read(catalog_path(KEY))
    s3.faults = Faults(expires_after=8)  # in the middle of the first archive
    with pytest.raises(StoreError, match="expired"):
        compact_shards(store, now=NOW, most_small=1)
    s3.faults = Faults()
    assert store.read(catalog_path(KEY)) == catalog
    assert compact_shards(store, now=NOW, most_small=1).n_written == 1


def test_the_command_ends_with_what_is_wrong(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STORE", store.location)
    turn_bit(store, names(store)[3])
    result = CliRunner().invoke(app, ["shards", "compact", "--at-most", "1"])
    assert result.exit_code == 1
    assert "7 shards merged into 1" in result.stdout
    assert f"{KEY}/{names(store)[0]} is left as it is: shard" in result.stderr
