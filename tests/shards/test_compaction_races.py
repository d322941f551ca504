"""Merging beside packing and beside another merge, in a folder and in a bucket: nothing is lost, nothing is twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.shards.shard_backlogs import KEY, Downloads, downloaded, make_backlog, make_sequence
from tests.shards.test_shard_races import Meanwhile, times_stored
from tests.stores import Place, other_process
from triage_assets.shards import new_shard
from triage_assets.shards.catalog import Catalog, change_catalog, load_catalog, load_frames
from triage_assets.shards.collection import collect_retired
from triage_assets.shards.compaction import CompactionReport, compact_shards
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.records import PackedSequence, UsableFrame
from triage_assets.shards.verify import verify_shards
from triage_assets.shards.writer import ShardWriter
from triage_assets.store import Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)
GROWN = make_sequence(2, [200, 201, 202, 250])


@pytest.fixture
def store(place: Place) -> Store:
    """Five shards of one sequence each."""
    store = place.store
    for which in range(1, 6):
        pack_frames(store, KEY, make_backlog(1, first=which), Downloads())
    return store


def compact(store: Store, **options: object) -> CompactionReport:
    return compact_shards(store, now=NOW, most_small=1, **options)


class Once:
    """A progress that does something else the first time it is told of any."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act: Callable[[], object] | None = act

    def __call__(self, unit: str, done: int, total: int | None, note: str = "") -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


def require_whole(store: Store, sequences: dict[int, list[int]]) -> None:
    """Each sequence is live with these detections, and in no other shard; nothing is damaged, nothing lies about."""
    live: dict[int, list[int]] = {}
    for row in load_frames(store, KEY).to_pylist():
        live.setdefault(row["sequence_id"], []).append(row["detection_id"])
    assert live == sequences
    proof = verify_shards(store)
    assert (proof.faults, proof.leftovers) == ((), ())


def expected(n_sequences: int = 5) -> dict[int, list[int]]:
    plain = {which: [which * 100, which * 100 + 1, which * 100 + 2] for which in range(1, n_sequences + 1)}
    return {**plain, 2: [200, 201, 202, 250]}


def test_a_pull_under_way_keeps_what_it_has_when_its_held_shards_are_merged(store: Store) -> None:
    """The grown sequence's held frames are copied from a shard that was merged after the pull had looked."""
    download = Meanwhile(0, lambda: compact(store))
    report = pack_frames(store, KEY, [GROWN, *make_backlog(2, first=6)], download)
    assert download.downloads.asked == [250, 600, 601, 602, 700, 701, 702]  # each once: nothing was overtaken
    assert (report.incomplete, report.n_frames_copied) == ({}, 3)
    require_whole(store, expected(7))
    compact(store)
    require_whole(store, expected(7))
    assert set(times_stored(store).values()) == {1}


def test_a_merge_under_way_keeps_out_of_the_way_of_a_pull(store: Store) -> None:
    """The pull seals newer frames of a sequence that is being merged: its shard is the newer one."""
    report = compact(store, progress=Once(lambda: pack_frames(store, KEY, [GROWN], Downloads())))
    require_whole(store, expected())
    assert report.n_shards == 1
    compact(store)
    require_whole(store, expected())


def test_of_two_merges_at_once_one_is_carried_out(store: Store) -> None:
    reports: list[CompactionReport] = []
    late = compact(store, progress=Once(lambda: reports.append(compact(store))))
    assert sorted([late.n_written, reports[0].n_written]) == [0, 1]
    assert {detection // 100 for detection in times_stored(store)} == {1, 2, 3, 4, 5}
    assert set(times_stored(store).values()) == {1}
    assert verify_shards(store).faults == ()
    assert verify_shards(store).leftovers == ()


def test_a_pull_that_began_before_shards_of_a_higher_number_were_merged_starts_again(store: Store) -> None:
    """Its open shard has number 6, and so has one of another pull, which is merged with what ours replaces."""

    def others() -> None:
        pack_frames(store, KEY, make_backlog(2, first=8), Downloads())
        compact(store)

    download = Meanwhile(1, others)
    report = pack_frames(store, KEY, [*make_backlog(1, first=7), GROWN], download)
    assert download.downloads.asked == [700, 701, 702, 250, 700, 701, 702, 250]
    assert report.incomplete == {}
    live = load_frames(store, KEY)
    assert sorted(live["detection_id"].to_pylist())[3:7] == [200, 201, 202, 250]
    assert {each // 100 for each in live["detection_id"].to_pylist()} == {1, 2, 3, 4, 5, 7, 8, 9}
    assert verify_shards(store).faults == ()


def test_a_merge_gives_way_to_a_shard_of_a_lower_number_with_newer_frames(store: Store) -> None:
    """That shard was begun before the newest of the sources, and is sealed while they are being merged."""
    known = [shard.name for shard in load_catalog(store, KEY).shards]
    with ShardWriter(store, KEY, known) as writer:
        frames = [(each, downloaded(each.id)) for each in GROWN.detections]
        usable = [
            UsableFrame(each.id, each.recorded_at, each.bucket_key, got.image, got.sha256, got.width_px, got.height_px)
            for each, got in frames
        ]
        writer.add(PackedSequence(GROWN.row, tuple(usable), ()))
        for which in (6, 7):
            pack_frames(store, KEY, make_backlog(1, first=which), Downloads())
        report = compact(store, progress=Once(writer.seal))
    assert (report.n_written, len(writer.sealed), report.n_shards) == (0, 1, 8)
    require_whole(store, expected(7))
    compact(store)
    require_whole(store, expected(7))


def test_processes_that_merge_and_pack_at_once_lose_nothing(place: Place, store: Store) -> None:
    program = """
        from datetime import UTC, datetime
        from tests.shards.shard_backlogs import KEY
        from triage_assets.shards.compaction import compact_shards
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(6):
            compact_shards(store, now=datetime.now(UTC), most_small=1)
        print("done", flush=True)
    """
    with other_process(program, place.location) as one, other_process(program, place.location) as other:
        for process in (one, other):
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
        for which in range(6, 12):
            pack_frames(store, KEY, make_backlog(which), Downloads())
        for process in (one, other):
            assert process.stdout.readline() == "done\n"
    compact(store)
    assert set(times_stored(store).values()) == {1}
    assert len(times_stored(store)) == 33
    assert len(load_catalog(store, KEY).shards) == 1
    assert verify_shards(store).faults == ()


@pytest.mark.parametrize("place", ["bucket"], indirect=True)  # a folder's files are locked
@pytest.mark.parametrize("work", ["a pack", "a merge"])
def test_a_shard_that_is_swept_before_the_catalog_names_it_is_written_again(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """A machine that sleeps in that instant: to others its files are a dead writer's."""
    assert place.server is not None
    server = place.server

    def wake_up_later(store: Store, key: str, change: Callable[[Catalog], Catalog]) -> None:
        monkeypatch.setattr(new_shard, "change_catalog", change_catalog)
        server.let_pass(timedelta(days=2))
        assert len(collect_retired(store, now=NOW).removed) == 2
        change_catalog(store, key, change)

    monkeypatch.setattr(new_shard, "change_catalog", wake_up_later)
    if work == "a pack":
        pack_frames(store, KEY, make_backlog(6), Downloads())
    else:
        compact(store)
    assert load_frames(store, KEY)["sequence_id"].unique().to_pylist() == list(range(1, 7 if work == "a pack" else 6))
    assert verify_shards(store).faults == ()
    assert compact(store).n_shards == 1
    assert verify_shards(store).faults == ()
