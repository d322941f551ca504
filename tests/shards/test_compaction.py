"""Merging shards: the same frames in fewer archives, for readers of the old and of the new, in folder and bucket."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from triage_viewer.frames.library import FrameLibrary
from typer.testing import CliRunner

from tests.shards.shard_backlogs import KEY, Downloads, make_backlog, make_sequence
from tests.stores import Place
from triage_assets.cli import app
from triage_assets.errors import StoreUnwritable
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import Catalog, catalog_path, index_path, load_catalog, load_frames, tar_path
from triage_assets.shards.collection import GRACE, collect_retired
from triage_assets.shards.compaction import CompactionReport, compact_shards
from triage_assets.shards.merge_policy import plan_merges
from triage_assets.shards.packing import describe_live, pack_frames
from triage_assets.shards.reader import StoredSequence, read_sequence
from triage_assets.shards.reindex import reindex_shards
from triage_assets.shards.verify import check_layout, verify_shards
from triage_assets.shards.writer import SEAL_BYTES
from triage_assets.store import Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MOVED = ("shard", "offset", "meta_offset")


@pytest.fixture
def store(place: Place) -> Store:
    """Six shards: sequence 2 grows in the third, one frame of 3 is gone, and 5 has no usable frame."""
    store = place.store
    download = Downloads({301: "gone (404)", 500: "empty", 501: "empty", 502: "empty"})
    for some in (
        make_backlog(3),
        make_backlog(1, first=4),
        [make_sequence(2, [200, 201, 202, 250, 251])],
        make_backlog(2, first=5),
        make_backlog(1, first=7),
        make_backlog(1, first=8),
    ):
        pack_frames(store, KEY, some, download)
    return store


def catalog_of(store: Store) -> Catalog:
    catalog = load_catalog(store, KEY)
    assert catalog is not None
    return catalog


def names(store: Store) -> list[str]:
    return [shard.name for shard in catalog_of(store).shards]


def compact(store: Store, most_small: int = 1, **options: object) -> CompactionReport:
    return compact_shards(store, now=NOW, most_small=most_small, **options)


def content(frames: pa.Table) -> pa.Table:
    """The rows, wherever they lie."""
    return frames.drop_columns(list(MOVED)).sort_by([("sequence_id", "ascending"), ("recorded_at", "ascending")])


def read_all(store: Store, frames: pa.Table) -> dict[int, StoredSequence]:
    """Every sequence as it is stored: each image is held against its digest."""
    ids = dict.fromkeys(frames["sequence_id"].to_pylist())
    rows = {each: frames.filter(pa.compute.equal(frames["sequence_id"], each)) for each in ids}
    return {each: read_sequence(store, KEY, some) for each, some in rows.items()}


def test_every_frame_keeps_its_bytes_its_row_and_its_digest_in_one_archive(store: Store) -> None:
    before, version = load_frames(store, KEY), describe_live(store, KEY)
    sequences = read_all(store, before)
    report = compact(store)
    after = load_frames(store, KEY)
    assert (report.n_retired, report.n_written, report.n_shards, report.unmerged) == (6, 1, 1, {})
    assert content(after).equals(content(before))
    assert read_all(store, after) == sequences
    assert describe_live(store, KEY) == version
    assert report.bytes_written == catalog_of(store).shards[0].tar_bytes == store.size(tar_path(KEY, names(store)[0]))
    proof = verify_shards(store)
    assert (proof.faults, proof.leftovers, proof.n_sequences, check_layout(store, KEY)) == ((), (), 8, None)


def test_frames_of_a_sequence_lie_together_and_what_a_newer_shard_replaces_is_left_behind(store: Store) -> None:
    compact(store)
    ids = load_frames(store, KEY)["sequence_id"].to_pylist()
    changes = [one for one, next_one in zip(ids, [*ids[1:], None], strict=True) if one != next_one]
    assert sorted(changes) == list(range(1, 9))
    assert sum(shard.n_sequences for shard in catalog_of(store).shards) == 8
    assert ids.count(2) == 5


def test_merging_all_at_once_or_one_after_the_other_ends_with_the_same_frames(store: Store) -> None:
    before = content(load_frames(store, KEY))
    for most_small in (5, 4, 3, 2, 1):
        compact(store, most_small)
        assert content(load_frames(store, KEY)).equals(before)
    assert len(names(store)) == 1
    assert compact(store).n_retired == 0


def test_what_would_be_merged_twice_is_merged_and_counted_once(place: Place) -> None:
    store = place.store
    for first, n_sequences in (
        (1, 1),
        (2, 1),
        (3, 12),
    ):  # the two are not worth merging with the twelve, but for at_most
        pack_frames(store, KEY, make_backlog(n_sequences, first=first), Downloads())
    assert plan_merges([shard.tar_bytes for shard in catalog_of(store).shards], SEAL_BYTES, 2) == ((0, 1),)
    report = compact(store)
    assert (report.n_retired, report.n_written, report.n_shards) == (3, 1, 1)
    assert report.bytes_written == catalog_of(store).shards[0].tar_bytes
    assert len(catalog_of(store).retired) == 3


def test_nothing_is_read_or_written_while_shards_are_few(place: Place, store: Store) -> None:
    for shard in names(store):
        store.delete(index_path(KEY, shard))
    objects = place.objects()
    assert compact_shards(store, now=NOW).n_retired == 0
    assert place.objects() == objects


def test_a_pull_after_a_merge_fetches_only_what_is_new(store: Store) -> None:
    compact(store)
    download = Downloads()
    report = pack_frames(store, KEY, [*make_backlog(9), make_sequence(1, [100, 101, 102, 150])], download)
    assert sorted(download.asked) == [900, 901, 902]
    assert report.n_sequences_packed == 1
    grown = Downloads()
    pack_frames(store, KEY, [make_sequence(1, [100, 101, 102, 150])], grown)
    assert grown.asked == [150]
    assert verify_shards(store).faults == ()
    before = content(load_frames(store, KEY))
    compact(store)
    assert content(load_frames(store, KEY)).equals(before)


def test_whoever_has_read_an_older_catalog_goes_on_reading_for_a_week(place: Place, store: Store) -> None:
    before = load_frames(store, KEY)
    sequences = read_all(store, before)
    compact(store)
    place.bury_writers()
    pack_frames(store, KEY, make_backlog(1), Downloads())  # it sweeps
    assert collect_retired(store, now=NOW + GRACE - timedelta(seconds=1)).removed == ()
    assert read_all(store, before) == sequences
    kept = place.objects()
    report = collect_retired(store, now=NOW + GRACE)
    live = [*names(store), *(shard.name for shard in catalog_of(store).retired)]
    assert (len(report.collected), len(report.removed), report.kept, len(live)) == (6, 12, (), 1)
    assert set(place.objects()) == set(kept) - set(report.removed)
    assert read_all(store, load_frames(store, KEY)) == sequences
    assert verify_shards(store).leftovers == ()


def test_what_the_catalog_gave_up_is_removed_at_once_and_what_it_does_not_know_by_a_sweep(
    place: Place, store: Store
) -> None:
    compact(store)
    unknown = tar_path(KEY, "000099-00000000")
    store.write(unknown, b"of a run that died, or that is about to name it")
    report = collect_retired(store, now=NOW, grace=timedelta(0))
    left = {catalog_path(KEY), *(path(KEY, names(store)[0]) for path in (tar_path, index_path))}
    assert set(place.objects()) - {unknown} == left
    assert len(set(report.removed) - {unknown}) == 12
    place.bury_writers()
    collect_retired(store, now=NOW, grace=timedelta(0))
    assert set(place.objects()) == left


def test_the_viewer_shows_a_frame_whose_shard_was_merged_and_removed_since_it_looked(
    place: Place, store: Store
) -> None:
    library = FrameLibrary(store, lambda _: KEY)
    frame = library.frame(101, 1)
    image = library.read(frame)
    compact(store)
    assert library.read(frame) == image
    collect_retired(store, now=NOW, grace=timedelta(0))
    assert store.size(tar_path(KEY, frame.shard)) is None
    assert library.read(frame) == image
    assert library.frame(101, 1).shard == names(store)[0]


def test_a_merged_shard_can_be_merged_again_before_its_sources_are_removed(store: Store) -> None:
    compact(store)
    pack_frames(store, KEY, make_backlog(1, first=9), Downloads())
    before = content(load_frames(store, KEY))
    compact(store)
    assert len(catalog_of(store).retired) == 8
    collect_retired(store, now=NOW + GRACE)
    assert content(load_frames(store, KEY)).equals(before)
    assert catalog_of(store).retired == ()


def test_an_index_and_a_catalog_are_rebuilt_after_a_merge(store: Store) -> None:
    before = content(load_frames(store, KEY))
    compact(store)
    assert reindex_shards(store).rewritten == ()
    lost = names(store)[0]
    data = store.read(index_path(KEY, lost))
    store.delete(index_path(KEY, lost))
    assert reindex_shards(store).rewritten == (index_path(KEY, lost),)
    assert store.read(index_path(KEY, lost)) == data
    # Without a catalog nobody knows which archives were merged into others: all are live, and merged once more.
    store.delete(catalog_path(KEY))
    reindex_shards(store)
    assert len(names(store)) == 7
    assert content(load_frames(store, KEY)).equals(before)
    assert set(load_frames(store, KEY)["shard"].to_pylist()) == {lost}  # the merged shard is the newest
    compact(store)
    assert content(load_frames(store, KEY)).equals(before)
    assert (len(names(store)), verify_shards(store).faults) == (1, ())


def test_shards_without_a_live_sequence_are_replaced_by_nothing(place: Place) -> None:
    store = place.store
    for n_frames in (1, 2, 3):
        pack_frames(store, KEY, [make_sequence(1, range(100, 100 + n_frames))], Downloads())
    before = load_frames(store, KEY)
    newest = catalog_of(store).shards[-1]
    report = compact(store, largest=2 * newest.tar_bytes)  # so that this one is not small
    assert (report.n_retired, report.n_written, names(store)) == (2, 0, [newest.name])
    assert load_frames(store, KEY).equals(before)


def test_a_merged_shard_is_no_larger_than_a_sealed_one(store: Store) -> None:
    largest = 2 * max(shard.tar_bytes for shard in catalog_of(store).shards) + 1
    compact(store, 1, largest=largest)
    shards = catalog_of(store).shards
    assert len(shards) > 1
    assert all(shard.tar_bytes <= largest for shard in shards)


@pytest.mark.parametrize("small_disk", ["100k"], indirect=True)
def test_a_full_disk_leaves_the_shards_as_they_are(small_disk: Path) -> None:
    store = FolderStore(small_disk)
    with pytest.raises(StoreUnwritable):
        pack_frames(store, KEY, make_backlog(60), Downloads(), seal_bytes=12_000)
    before, files = load_frames(store, KEY), sorted(store.root.rglob("*.[tp]*"))
    with pytest.raises(StoreUnwritable, match="Free space"):
        compact(store)
    assert sorted(store.root.rglob("*.[tp]*")) == files
    assert load_frames(store, KEY).equals(before)
    assert verify_shards(store).leftovers == ()


def test_the_commands_say_what_they_did(store: Store, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STORE", place.location)

    def triage(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["shards", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert triage("compact") == "Nothing to merge.\n6 shards of 1 organization\n"
    said = triage("compact", "--at-most", "1")
    assert said.startswith("6 shards merged into 1 (")
    assert said.endswith("they stay for 7 days, until `triage shards gc`\n1 shard of 1 organization\n")
    assert triage("gc").startswith("0 merged shards given up (0 B), 0 files removed\n6 merged shards kept (")
    said = triage("gc", "--days", "0")
    assert said.startswith("6 merged shards given up (")
    assert said.endswith(", 12 files removed\n")
