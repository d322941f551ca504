"""Damage to archives, indexes and catalogs: each is named, and mended where the archive allows it."""

import hashlib
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stores import Place
from triage_assets.errors import NewerFormat, ShardError, TriageError
from triage_assets.shards.catalog import (
    ShardEntry,
    catalog_path,
    find_frames,
    index_path,
    load_catalog,
    load_frames,
    tar_path,
)
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.reindex import reindex_shards
from triage_assets.shards.verify import check_layout, verify_shards
from triage_assets.store import Store

from .shard_backlogs import KEY, Downloads, make_backlog, make_sequence, shard_objects


@pytest.fixture
def store(place: Place) -> Store:
    """Three shards of two sequences each, one of them without any usable frame."""
    store = place.store
    download = Downloads({201: "gone (404)", 400: "empty", 401: "empty", 402: "empty"})
    for first in (1, 3, 5):
        pack_frames(store, KEY, make_backlog(2, first=first), download)
    assert len(shards(store)) == 3
    return store


# What reads every byte hundreds of times.
IN_A_FOLDER = pytest.mark.parametrize("place", ["folder"], indirect=True)


def shards(store: Store) -> tuple[ShardEntry, ...]:
    catalog = load_catalog(store, KEY)
    assert catalog is not None
    return catalog.shards


def tar_of(store: Store, number: int) -> str:
    return tar_path(KEY, shards(store)[number].name)


def index_of(store: Store, number: int) -> str:
    return index_path(KEY, shards(store)[number].name)


def turn_bit(store: Store, path: str, position: int) -> None:
    data = bytearray(store.read(path))
    data[position] ^= 4
    store.write(path, bytes(data))


def to_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def put_index(store: Store, number: int, change: Callable) -> None:
    """Replace an index by another of the same form, and have the catalog name it."""
    path = index_of(store, number)
    table = pq.read_table(pa.BufferReader(store.read(path)))
    data = to_parquet(change(table).replace_schema_metadata(table.schema.metadata))
    store.write(path, data)
    catalog = json.loads(store.read(catalog_path(KEY)))
    catalog["shards"][number]["index_sha256"] = hashlib.sha256(data).hexdigest()
    store.write(catalog_path(KEY), json.dumps(catalog).encode())


def only_fault(store: Store) -> str:
    [fault] = verify_shards(store).faults
    return str(fault)


def test_sound_shards_have_no_fault(store: Store) -> None:
    report = verify_shards(store)
    assert report.faults == ()
    assert (report.n_organizations, report.n_shards, report.n_sequences, report.n_frames) == (1, 3, 6, 14)
    assert report.n_bytes == sum(shard.tar_bytes for shard in shards(store))
    assert check_layout(store, KEY) is None


def test_progress_counts_every_frame(store: Store) -> None:
    seen: list[tuple[str, int, int | None]] = []
    verify_shards(store, progress=lambda *report: seen.append(report))
    assert seen[-1] == ("frames", 14, 14)


@IN_A_FOLDER
def test_any_turned_bit_of_a_shard_is_found(store: Store) -> None:
    tar = tar_of(store, 0)
    for position in range(0, store.size(tar), 97):
        turn_bit(store, tar, position)
        assert tar in str(verify_shards(store).faults), position
        turn_bit(store, tar, position)
    assert verify_shards(store).faults == ()


@IN_A_FOLDER
def test_any_turned_bit_of_an_index_is_found_before_it_is_used(store: Store) -> None:
    index = index_of(store, 1)
    for position in range(0, store.size(index), 211):
        turn_bit(store, index, position)
        with pytest.raises(ShardError, match="triage shards reindex"):
            load_frames(store, KEY)
        assert "triage shards reindex" in only_fault(store)
        assert "triage shards reindex" in (check_layout(store, KEY) or "")
        turn_bit(store, index, position)


def test_every_changed_image_is_reported(store: Store) -> None:
    for row in load_frames(store, KEY).to_pylist()[:2]:
        turn_bit(store, tar_path(KEY, row["shard"]), row["offset"] + 30)
    faults = [str(fault) for fault in verify_shards(store).faults if "have changed" in str(fault)]
    assert ["detection_100.jpg" in faults[0], "detection_101.jpg" in faults[1]] == [True, True]
    assert len(faults) == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda table: table.slice(1), "its index and the catalog count differently"),  # a row is missing
        (lambda table: table.set_column(3, "offset", pa.array([0] * 6)), "offset of detection 100"),
        (lambda table: table.set_column(5, "sha256", pa.array(["0"] * 6)), "sha256 of detection 100"),
        (lambda table: table.set_column(2, "member", pa.array(["x"] * 6)), "member of detection 100"),
        (lambda table: table.set_column(10, "meta_offset", pa.array([7] * 6)), "meta_offset of detection 100"),
    ],
)
def test_an_index_that_disagrees_with_its_shard_says_where(store: Store, change: Callable, text: str) -> None:
    put_index(store, 0, change)
    faults = [str(fault) for fault in verify_shards(store).faults]
    assert any(text in fault for fault in faults)
    assert all("triage shards reindex" in fault and shards(store)[0].name in fault for fault in faults)


def test_a_missing_index_is_named(store: Store) -> None:
    store.delete(index_of(store, 2))
    for fault in (only_fault(store), check_layout(store, KEY) or ""):
        assert shards(store)[2].name in fault
        assert "triage shards reindex" in fault


def test_what_is_in_other_shards_is_found_beside_one_without_an_index(store: Store) -> None:
    whole = load_frames(store, KEY)
    store.delete(index_of(store, 1))
    damaged = shards(store)[1].name
    found = find_frames(store, KEY)
    assert found.rows.equals(whole.filter(pa.compute.not_equal(whole["shard"], damaged)))
    assert list(found.damaged) == [damaged]
    with pytest.raises(ShardError, match=f"{damaged}.* is missing.*`triage shards reindex`"):
        load_frames(store, KEY)
    for number in (0, 2):
        turn_bit(store, index_of(store, number), 200)
    nothing = find_frames(store, KEY, ["detection_id"])
    assert (nothing.rows.column_names, len(nothing.rows)) == (["detection_id", "shard"], 0)
    assert list(nothing.damaged) == [shard.name for shard in shards(store)]


def test_a_missing_shard_is_named(store: Store) -> None:
    store.delete(tar_of(store, 1))
    assert shards(store)[1].name in only_fault(store)
    assert shards(store)[1].name in (check_layout(store, KEY) or "")


def test_a_truncated_shard_is_refused_by_name_with_what_is_intact(store: Store) -> None:
    tar = tar_of(store, 1)
    whole = store.read(tar)
    second = load_frames(store, KEY).to_pylist()[-1]["meta_offset"]  # where the second sequence of each shard begins
    for end, intact in [(second + 10, "1 sequences and 3 images"), (700, "0 sequences and 0 images")]:
        store.write(tar, whole[:end])
        with pytest.raises(ShardError) as refusal:
            reindex_shards(store)
        for fault in (only_fault(store), str(refusal.value)):
            assert tar in fault
            assert "cut short" in fault
            assert intact in fault
            assert "--drop-damaged" in fault
        assert "not as it was sealed" in (check_layout(store, KEY) or "")
        assert store.read(tar) == whole[:end]


def test_a_shard_cut_between_two_members_is_refused(store: Store) -> None:
    tar = tar_of(store, 0)
    store.write(tar, store.read(tar)[:-1024])
    assert "cut short" in only_fault(store)
    store.write(tar, store.read(tar) + bytes(1024) + b"more")
    assert "bytes follow its end" in only_fault(store)


def test_a_lost_catalog_and_lost_indexes_are_rebuilt_byte_for_byte(store: Store) -> None:
    before = shard_objects(store)
    for path in [*(index_of(store, number) for number in range(3)), catalog_path(KEY)]:
        store.delete(path)
    report = reindex_shards(store)
    after = shard_objects(store)
    assert {name: data for name, (data, _) in after.items()} == {name: data for name, (data, _) in before.items()}
    assert all(after[name] == before[name] for name in before if name.endswith(".tar"))
    assert (report.n_organizations, report.n_shards, report.n_frames, len(report.rewritten)) == (1, 3, 14, 4)
    assert verify_shards(store).faults == ()


@pytest.mark.parametrize("content", [b"", b"{", b'{"format_version": 1, "organization_key": "other-4"}'])
def test_a_damaged_catalog_is_rebuilt(store: Store, content: bytes) -> None:
    frames = load_frames(store, KEY)
    store.write(catalog_path(KEY), content)
    reindex_shards(store)
    assert load_frames(store, KEY).equals(frames)
    assert verify_shards(store).faults == ()


def test_reindexing_sound_shards_touches_no_file(store: Store) -> None:
    before = shard_objects(store)
    assert reindex_shards(store).rewritten == ()
    assert shard_objects(store) == before


def test_reindexing_does_not_revive_what_the_catalog_does_not_name(store: Store) -> None:
    store.write(tar_path(KEY, "000009-0123abcd"), store.read(tar_of(store, 0)))
    assert reindex_shards(store).n_shards == 3


def test_a_newer_catalog_is_not_rebuilt(store: Store) -> None:
    store.write(catalog_path(KEY), b'{"format_version": 99}')
    before = shard_objects(store)
    with pytest.raises(NewerFormat):
        reindex_shards(store)
    assert shard_objects(store) == before


def test_a_newer_index_is_not_taken_for_damage(store: Store) -> None:
    path = index_of(store, 0)
    table = pq.read_table(pa.BufferReader(store.read(path)))
    newer = table.replace_schema_metadata({**table.schema.metadata, b"format_version": b"2"})
    store.write(path, to_parquet(newer))
    with pytest.raises(NewerFormat, match="format version 2"):
        load_frames(store, KEY)


def test_one_damaged_shard_leaves_its_organization_alone_and_mends_the_others(store: Store) -> None:
    pack_frames(store, "other-4", [make_sequence(1, [10])], Downloads())
    turn_bit(store, tar_of(store, 0), 3)
    store.delete(index_of(store, 1))
    store.write(catalog_path("other-4"), b"{")
    with pytest.raises(ShardError, match="header at byte 0"):
        reindex_shards(store)
    assert len(load_frames(store, "other-4")) == 1
    assert store.size(index_of(store, 1)) is None


def test_changed_bytes_are_never_indexed_as_if_they_were_the_frame(store: Store) -> None:
    row = load_frames(store, KEY).to_pylist()[0]
    turn_bit(store, tar_path(KEY, row["shard"]), row["offset"] + 200)
    store.delete(index_of(store, 0))
    store.delete(catalog_path(KEY))
    with pytest.raises(ShardError, match=r"detection_100\.jpg have changed"):
        reindex_shards(store)


def test_a_dropped_shard_is_kept_on_disk_and_fetched_again(store: Store) -> None:
    tar = tar_of(store, 0)
    turn_bit(store, tar, 3)
    damaged = store.read(tar)
    name = f"{KEY}/{shards(store)[0].name}"
    report = reindex_shards(store, drop_damaged=True)
    assert list(report.dropped) == [name]
    assert "header at byte 0" in report.dropped[name]
    assert set(load_frames(store, KEY)["sequence_id"].to_pylist()) == {3, 4, 5, 6}
    assert verify_shards(store).faults == ()
    download = Downloads()
    packed = pack_frames(store, KEY, make_backlog(6), download)
    assert sorted(download.asked) == [100, 101, 102, 200, 201, 202]
    assert packed.swept == ()
    assert store.read(tar) == damaged
    assert verify_shards(store).leftovers == ()


def test_a_dropped_shard_comes_back_once_it_is_whole(store: Store) -> None:
    tar, frames = tar_of(store, 0), load_frames(store, KEY)
    whole = store.read(tar)
    store.write(tar, whole[:900])
    reindex_shards(store, drop_damaged=True)
    store.write(tar, whole)
    reindex_shards(store)
    assert load_frames(store, KEY).equals(frames)


def test_only_the_named_organizations_are_read(store: Store) -> None:
    pack_frames(store, "other-4", [make_sequence(1, [10])], Downloads())
    turn_bit(store, tar_of(store, 0), 3)
    report = verify_shards(store, ["other-4"])
    assert (report.faults, report.n_frames) == ((), 1)


def test_the_newest_shard_of_a_sequence_wins_after_a_reindex(store: Store) -> None:
    pack_frames(store, KEY, [make_sequence(1, [100, 101, 102, 150])], Downloads())
    frames = load_frames(store, KEY)
    store.delete(catalog_path(KEY))
    reindex_shards(store)
    assert load_frames(store, KEY).equals(frames)
    assert frames["detection_id"].to_pylist()[-4:] == [100, 101, 102, 150]


def test_faults_are_errors_of_this_project(store: Store) -> None:
    store.write(tar_of(store, 0), b"")
    assert all(isinstance(fault, TriageError) and fault.do for fault in verify_shards(store).faults)
