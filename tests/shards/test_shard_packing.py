import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.stores import Place
from triage_assets.annotator.records import DownloadedSequence, Sequence, WantedSequence
from triage_assets.errors import AnnotatorUnavailable, NewerFormat, ShardError
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import FRAMES_SCHEMA, catalog_path, load_catalog, load_frames, tar_path
from triage_assets.shards.packing import PackReport, pack_frames
from triage_assets.shards.reader import read_sequence
from triage_assets.shards.verify import check_layout, verify_shards
from triage_assets.store import Store

from .shard_backlogs import EPOCH, KEY, Downloads, make_backlog, make_sequence, shard_objects, tiny_jpeg


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


def pack(
    store: Store,
    backlog: Iterable[Sequence],
    download: Downloads | None = None,
    seal_bytes: int = 10**9,
    retry_unusable: bool = False,
) -> PackReport:
    download = download or Downloads()
    return pack_frames(store, KEY, backlog, download, seal_bytes=seal_bytes, retry_unusable=retry_unusable)


def assert_sound(store: Store) -> None:
    report = verify_shards(store)
    assert report.faults == ()
    assert report.leftovers == ()
    assert check_layout(store, KEY) is None


def held_ids(store: Store) -> list[int]:
    frames = load_frames(store, KEY, ["detection_id", "sha256"])
    return sorted(frames.filter(frames["sha256"].is_valid())["detection_id"].to_pylist())


def test_every_frame_is_stored_once_and_read_back_by_its_offset(store: Store) -> None:
    report = pack(store, make_backlog(5))
    frames = load_frames(store, KEY)
    assert frames.schema == FRAMES_SCHEMA
    assert frames["detection_id"].to_pylist() == [which * 100 + frame for which in range(1, 6) for frame in range(3)]
    for row in frames.to_pylist():
        image = store.read_range(tar_path(KEY, row["shard"]), row["offset"], row["size"])
        assert image == tiny_jpeg(row["detection_id"])
        assert row["sha256"] == hashlib.sha256(image).hexdigest()
        assert (row["width"], row["height"]) == (16 + row["detection_id"] % 5, 8)
    assert frames["recorded_at"][0].as_py() == make_sequence(1, [100]).detections[0].recorded_at
    assert (report.n_sequences, report.n_sequences_packed, report.n_frames_downloaded) == (5, 5, 15)
    assert (report.n_frames_live, report.n_frames_copied, report.n_frames_unusable) == (15, 0, 0)
    assert report.changed
    assert_sound(store)


def test_a_second_run_asks_for_nothing_and_touches_no_file(store: Store) -> None:
    first = pack(store, make_backlog(4))
    before = shard_objects(store)
    again = Downloads()
    second = pack(store, make_backlog(4), again)
    assert again.calls == 0
    assert shard_objects(store) == before
    assert (second.changed, second.shards_written, second.n_sequences) == (False, (), 4)
    assert second.data_version == first.data_version


def test_the_same_backlog_gives_the_same_bytes(tmp_path: Path) -> None:
    stores = [FolderStore(tmp_path / name) for name in ("one", "other")]
    for store in stores:
        pack(store, make_backlog(6), seal_bytes=20_000)
    one, other = ({name: data for name, (data, _) in shard_objects(store).items()} for store in stores)
    assert one == other
    assert len([name for name in one if name.endswith(".tar")]) > 1


def test_the_data_version_does_not_depend_on_the_division_into_shards(tmp_path: Path) -> None:
    whole, divided = FolderStore(tmp_path / "whole"), FolderStore(tmp_path / "divided")
    one = pack(whole, make_backlog(6))
    many = pack(divided, make_backlog(6), seal_bytes=10_000)
    assert (len(one.shards_written), len(many.shards_written)) == (1, 6)
    assert one.data_version == many.data_version
    more = pack(whole, make_backlog(7))
    assert more.data_version != one.data_version


def test_a_shard_opens_with_the_standard_library_and_holds_sequences_whole(store: Store) -> None:
    pack(
        store, [make_sequence(7, [70, 71], "Col de l'Œillet"), make_sequence(8, [80], "???")], Downloads({71: "empty"})
    )
    [shard] = [entry.name for entry in load_catalog(store, KEY).shards]
    with tarfile.open(fileobj=io.BytesIO(store.read(tar_path(KEY, shard)))) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [
            "col-de-l-illet/seq_7/meta.json",
            "col-de-l-illet/seq_7/images/detection_70.jpg",
            "camera-12/seq_8/meta.json",
            "camera-12/seq_8/images/detection_80.jpg",
        ]
        assert {(member.mtime, member.uid, member.gid, member.mode) for member in members} == {(0, 0, 0, 0o644)}
        assert tar.extractfile(members[1]).read() == tiny_jpeg(70)
        meta = json.load(tar.extractfile(members[0]))
    assert meta["key"] == "pyro-annotator_7"
    assert (meta["sequence_id"], meta["source"], meta["label"]) == (7, "pyro-annotator", "unknown")
    assert (meta["camera_id"], meta["camera_name"]) == (12, "Col de l'Œillet")
    assert (meta["organization_id"], meta["organization_name"]) == (3, "SDIS Ardèche")
    [frame] = meta["frames"]
    assert (frame["file"], frame["detection_id"]) == ("images/detection_70.jpg", 70)
    assert frame["bucket_key"] == "bucket/70.jpg"
    [gone] = meta["unusable_frames"]
    assert (gone["detection_id"], gone["reason"], gone["bucket_key"]) == (71, "empty", "bucket/71.jpg")


def test_a_shard_is_sealed_before_the_sequence_that_would_overflow_it(store: Store) -> None:
    pack(store, make_backlog(9), seal_bytes=12_000)
    shards = load_catalog(store, KEY).shards
    assert [shard.name[:6] for shard in shards] == [f"{number:06d}" for number in range(1, len(shards) + 1)]
    assert len(shards) > 2
    assert all(shard.tar_bytes <= 12_000 for shard in shards)
    assert_sound(store)


def test_a_sequence_larger_than_a_shard_has_one_of_its_own(store: Store) -> None:
    pack(store, make_backlog(2), seal_bytes=1)
    assert [shard.n_sequences for shard in load_catalog(store, KEY).shards] == [1, 1]
    assert_sound(store)


def test_only_the_new_frames_of_a_grown_sequence_are_downloaded(store: Store) -> None:
    pack(store, make_backlog(3))
    grown, download = [make_sequence(2, [*range(200, 203), 250]), *make_backlog(1)], Downloads()
    report = pack(store, grown, download)
    assert download.asked == [250]
    assert (report.n_sequences_packed, report.n_frames_downloaded, report.n_frames_copied) == (1, 1, 3)
    frames = load_frames(store, KEY)
    assert len(frames) == report.n_frames_live == 10
    live = {row["detection_id"]: row["shard"] for row in frames.to_pylist() if row["sequence_id"] == 2}
    assert set(live) == {200, 201, 202, 250}
    assert set(live.values()) == {report.shards_written[0]}
    for row in frames.to_pylist():
        assert store.read_range(tar_path(KEY, row["shard"]), row["offset"], row["size"]) == tiny_jpeg(
            row["detection_id"]
        )
    assert_sound(store)


def test_a_frame_that_left_the_backlog_stays_held_when_its_sequence_grows(store: Store) -> None:
    pack(store, [make_sequence(1, [10, 11, 12])], Downloads({12: "gone (404)"}))
    pack(store, [make_sequence(1, [11, 13])])
    frames = load_frames(store, KEY).sort_by("detection_id")
    assert frames["detection_id"].to_pylist() == [10, 11, 12, 13]
    assert frames["unusable_reason"].to_pylist() == [None, None, "gone (404)", None]
    stored = read_sequence(store, KEY, frames)
    assert {frame.detection_id: frame.bucket_key for frame in stored.usable}[10] == "bucket/10.jpg"
    assert_sound(store)


def test_a_frame_that_left_the_backlog_does_not_pack_its_sequence_again(store: Store) -> None:
    pack(store, make_backlog(1))
    download = Downloads()
    assert not pack(store, [make_sequence(1, [101])], download).changed
    assert download.calls == 0


def test_an_unusable_frame_is_recorded_once_and_not_asked_for_again(store: Store) -> None:
    first = Downloads({101: "gone (404)", 200: "empty", 201: "not an image", 202: "truncated image"})
    report = pack(store, make_backlog(2), first)
    assert (report.n_frames_unusable, report.n_frames_live, report.n_sequences_packed) == (4, 2, 2)
    frames = load_frames(store, KEY).to_pylist()
    reasons = {row["detection_id"]: row["unusable_reason"] for row in frames}
    assert reasons == {
        100: None,
        101: "gone (404)",
        102: None,
        200: "empty",
        201: "not an image",
        202: "truncated image",
    }
    for row in frames:
        image = [row[name] for name in ("member", "offset", "size", "sha256", "width", "height")]
        assert (None in image) == (image == [None] * 6) == (row["unusable_reason"] is not None)
    again = Downloads()
    assert not pack(store, make_backlog(2), again).changed
    assert again.calls == 0
    assert_sound(store)


def test_unusable_frames_are_fetched_again_on_demand_and_become_usable(store: Store) -> None:
    pack(store, make_backlog(3), Downloads({101: "gone (404)", 200: "empty", 201: "empty", 202: "empty"}))
    retry = Downloads({200: "empty"})
    report = pack(store, make_backlog(3), retry, retry_unusable=True)
    assert retry.asked == [101, 200, 201, 202]
    assert (report.n_sequences_packed, report.n_frames_downloaded, report.n_frames_copied) == (2, 3, 2)
    assert (report.n_frames_unusable, report.n_frames_live, report.incomplete) == (1, 8, {})
    rows = {row["detection_id"]: row for row in load_frames(store, KEY).to_pylist()}
    assert {which for which, row in rows.items() if row["unusable_reason"] is not None} == {200}
    row = rows[101]
    assert store.read_range(tar_path(KEY, row["shard"]), row["offset"], row["size"]) == tiny_jpeg(101)
    assert len(rows) == 9
    again = Downloads()
    assert not pack(store, make_backlog(3), again).changed
    assert again.calls == 0
    assert_sound(store)


def test_frames_that_are_as_unusable_as_before_write_nothing(store: Store) -> None:
    unusable = {101: "gone (404)", 200: "empty", 201: "empty", 202: "empty"}
    pack(store, make_backlog(3), Downloads(unusable))
    before = shard_objects(store)
    report = pack(store, make_backlog(3), Downloads(unusable), retry_unusable=True)
    assert shard_objects(store) == before
    assert (report.changed, report.n_sequences_packed, report.n_frames_unusable) == (False, 0, 4)
    assert report.incomplete == {}


@pytest.mark.parametrize(
    ("second", "backlog"),
    [
        ({101: "empty"}, make_backlog(1)),  # unusable for another reason
        ({101: "gone (404)", 150: "gone (404)"}, [make_sequence(1, [100, 101, 102, 150])]),  # a new frame, as unusable
    ],
)
def test_news_of_unusable_frames_are_recorded(store: Store, second: dict[int, str], backlog: list[Sequence]) -> None:
    pack(store, make_backlog(1), Downloads({101: "gone (404)"}))
    assert pack(store, backlog, Downloads(second), retry_unusable=True).changed
    rows = {row["detection_id"]: row["unusable_reason"] for row in load_frames(store, KEY).to_pylist()}
    assert rows == {100: None, 102: None, **second}
    assert_sound(store)


def test_an_unusable_frame_that_left_the_backlog_stays_recorded_when_others_are_fetched_again(
    store: Store,
) -> None:
    pack(store, make_backlog(1), Downloads({101: "gone (404)", 102: "empty"}))
    retry = Downloads()
    pack(store, [make_sequence(1, [100, 102])], retry, retry_unusable=True)
    assert retry.asked == [102]
    rows = {row["detection_id"]: row["unusable_reason"] for row in load_frames(store, KEY).to_pylist()}
    assert rows == {100: None, 101: "gone (404)", 102: None}
    assert_sound(store)


def test_a_failed_retry_of_an_unusable_frame_keeps_its_record(store: Store) -> None:
    pack(store, make_backlog(2), Downloads({101: "gone (404)", 201: "empty"}))
    report = pack(store, make_backlog(2), Downloads(failed={101: "timed out"}), retry_unusable=True)
    assert set(report.incomplete) == {1}
    rows = {row["detection_id"]: row["unusable_reason"] for row in load_frames(store, KEY).to_pylist()}
    assert rows == {100: None, 101: "gone (404)", 102: None, 200: None, 201: None, 202: None}
    assert_sound(store)


def test_a_sequence_with_a_passing_failure_is_left_out_and_holds_up_nobody(store: Store) -> None:
    report = pack(store, make_backlog(3), Downloads(failed={201: "HTTP 503 after 8 attempts"}))
    assert set(report.incomplete) == {2}
    assert "HTTP 503 after 8 attempts" in report.incomplete[2]
    assert held_ids(store) == [100, 101, 102, 300, 301, 302]
    retry = Downloads()
    assert pack(store, make_backlog(3), retry).incomplete == {}
    assert retry.asked == [200, 201, 202]
    assert_sound(store)


def test_a_grown_sequence_that_fails_keeps_its_held_frames_live(store: Store) -> None:
    pack(store, make_backlog(1))
    report = pack(store, [make_sequence(1, [100, 101, 102, 150])], Downloads(failed={150: "timed out"}))
    assert not report.changed
    assert held_ids(store) == [100, 101, 102]


def test_a_sequence_whose_held_frames_are_damaged_holds_up_nobody(store: Store) -> None:
    pack(store, make_backlog(2))
    row = load_frames(store, KEY).to_pylist()[0]
    tar = tar_path(KEY, row["shard"])
    data = bytearray(store.read(tar))
    data[row["offset"] + 50] ^= 1
    store.write(tar, bytes(data))
    grown = [make_sequence(which, [*range(which * 100, which * 100 + 3), which * 100 + 50]) for which in (1, 2)]
    report = pack(store, grown)
    assert set(report.incomplete) == {1}
    assert "detection 100 have changed" in report.incomplete[1]
    assert "triage shards verify" in report.incomplete[1]
    assert held_ids(store) == [100, 101, 102, 200, 201, 202, 250]


@pytest.mark.parametrize(
    "backlog",
    [
        [],  # an organization without any sequence
        [make_sequence(1, [])],  # a sequence without any detection has nothing to hold
    ],
)
def test_an_organization_with_nothing_to_store_has_an_empty_catalog(store: Store, backlog: list[Sequence]) -> None:
    report = pack(store, backlog)
    assert report.changed
    assert load_catalog(store, KEY).shards == ()
    assert load_frames(store, KEY).schema == FRAMES_SCHEMA
    assert not pack(store, backlog).changed
    assert_sound(store)


def test_an_organization_that_was_never_packed_has_no_frames(store: Store) -> None:
    assert load_catalog(store, KEY) is None
    assert load_frames(store, KEY, ["detection_id"]).column_names == ["detection_id", "shard"]
    assert len(load_frames(store, KEY)) == 0


def test_what_is_finished_is_kept_when_the_download_stops(store: Store) -> None:
    def stops(wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
        for count, item in enumerate(Downloads()(wanted)):
            if count == 3:
                raise AnnotatorUnavailable("The annotator does not answer")
            yield item

    with pytest.raises(AnnotatorUnavailable):
        pack_frames(store, KEY, make_backlog(5), stops)
    assert held_ids(store) == [which * 100 + frame for which in range(1, 4) for frame in range(3)]
    assert_sound(store)


def test_a_download_that_ends_early_leaves_the_rest_incomplete(store: Store) -> None:
    def ends(wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
        yield next(Downloads()(wanted))

    report = pack_frames(store, KEY, make_backlog(4), ends)
    assert (report.n_sequences, set(report.incomplete)) == (4, {2, 3, 4})
    assert held_ids(store) == [100, 101, 102]


def test_a_sequence_brought_twice_is_refused(store: Store) -> None:
    def twice(wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
        for item in Downloads()(wanted):
            yield item
            yield item

    with pytest.raises(ShardError, match="not asked for"):
        pack_frames(store, KEY, make_backlog(1), twice)


def test_a_sequence_listed_twice_is_packed_once(store: Store) -> None:
    report = pack(store, [*make_backlog(2), *make_backlog(2)])
    assert (report.n_sequences, report.n_sequences_packed, report.n_frames_live) == (2, 2, 6)


def test_sequences_and_downloads_are_read_one_at_a_time(store: Store) -> None:
    listed: list[int] = []
    ahead: list[int] = []

    def listing() -> Iterator[Sequence]:
        for sequence in make_backlog(20):
            listed.append(sequence.id)
            yield sequence

    def download(wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
        for item in Downloads()(wanted):
            ahead.append(len(listed) - item.wanted.sequence.id)
            yield item

    pack_frames(store, KEY, listing(), download)
    assert ahead == [0] * 20


def test_leftovers_of_a_dead_run_are_swept_and_foreign_files_are_not(place: Place, store: Store) -> None:
    pack(store, make_backlog(1))
    folder = f"shards/organization={KEY}"
    dead = {f"{folder}/{name}" for name in ("000002-0123abcd.tar", "000002-0123abcd.parquet")}
    for path in [*dead, f"{folder}/notes.txt"]:
        store.write(path, b"left behind")
    assert set(verify_shards(store).leftovers) == dead
    place.bury_writers()
    assert set(pack(store, make_backlog(1)).swept) == dead
    assert store.read(f"{folder}/notes.txt") == b"left behind"
    assert_sound(store)


def test_a_lost_catalog_is_an_error_and_costs_no_shard(store: Store) -> None:
    pack(store, make_backlog(2))
    store.delete(catalog_path(KEY))
    before = shard_objects(store)
    for act in (lambda: pack(store, make_backlog(2)), lambda: load_frames(store, KEY)):
        with pytest.raises(ShardError, match="triage shards reindex"):
            act()
    assert shard_objects(store) == before


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (b'{"format_version": 2}', NewerFormat, "newer version"),  # whatever else it says
        (b'{"shards": []}', ShardError, "does not say its format version"),
        (b"{", ShardError, "cannot be read"),  # cut short
        (b"[]", ShardError, "cannot be read"),  # another kind of JSON
        (b'{"format_version": 1, "organization_key": "other-4"}', ShardError, "another organization"),  # renamed folder
    ],
)
def test_a_catalog_that_cannot_be_used_stops_everything(
    store: Store, content: bytes, error: type[Exception], text: str
) -> None:
    pack(store, make_backlog(2))
    store.write(catalog_path(KEY), content)
    before = shard_objects(store)
    with pytest.raises(error, match=text):
        load_frames(store, KEY)
    with pytest.raises(error, match=text):
        pack(store, make_backlog(3))
    assert shard_objects(store) == before
    [fault] = verify_shards(store).faults
    assert isinstance(fault, error)
    assert check_layout(store, KEY) == str(fault)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    runs=st.lists(
        st.dictionaries(st.integers(1, 12), st.sets(st.integers(0, 9), max_size=6), max_size=5), min_size=1, max_size=4
    ),
    unusable=st.sets(st.integers(0, 9), max_size=2),
    seal_bytes=st.integers(1, 30_000),
)
def test_whatever_is_packed_in_any_number_of_runs_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[dict[int, set[int]]],
    unusable: set[int],
    seal_bytes: int,
) -> None:
    store = FolderStore(tmp_path_factory.mktemp("store"))
    expected: set[tuple[int, int]] = set()
    for run in runs:
        backlog = [make_sequence(which, [which * 100 + frame for frame in frames]) for which, frames in run.items()]
        bad = {which * 100 + frame: "empty" for which in run for frame in unusable}
        pack(store, backlog, Downloads(bad), seal_bytes)
        expected |= {(which, which * 100 + frame) for which, frames in run.items() for frame in frames}
    frames = load_frames(store, KEY).to_pylist()
    assert sorted((row["sequence_id"], row["detection_id"]) for row in frames) == sorted(expected)
    for row in frames:
        if row["detection_id"] % 100 in unusable:
            assert (row["offset"], row["unusable_reason"]) == (None, "empty")
        else:
            image = store.read_range(tar_path(KEY, row["shard"]), row["offset"], row["size"])
            assert image == tiny_jpeg(row["detection_id"])
    assert_sound(store)


def test_times_keep_their_microseconds(store: Store) -> None:
    pack(store, [make_sequence(0, [5])])
    assert load_frames(store, KEY)["recorded_at"][0].as_py() == EPOCH
