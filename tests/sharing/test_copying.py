"""Copying between folders and buckets: everything, only what is missing, and what a consumer sees of it."""

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from tests.s3_server import PLAIN, READER, WRITER, Faults, S3Server, become, expiring
from tests.shards.shard_backlogs import EPOCH, KEY
from tests.sharing.conftest import Pair, in_bucket
from tests.sharing.stores import OTHER, compact, contents, copy_folder, empty_store, live_frames, pack
from tests.viewer.triage_stores import serve_store
from triage_assets.errors import StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import (
    catalog_path,
    change_catalog,
    index_path,
    load_catalog,
    load_frames,
    require_catalog,
    sweep_leftovers,
    tar_path,
)
from triage_assets.shards.verify import verify_shards
from triage_assets.sharing import shards
from triage_assets.sharing.copying import copy_store
from triage_assets.sharing.records import CopyScope
from triage_assets.store import open_store


def test_everything_is_copied_and_nothing_a_second_time(pair: Pair) -> None:
    report = copy_store(pair.source, pair.destination)
    assert report.faults == ()
    assert contents(pair.destination) == contents(pair.source)
    assert verify_shards(pair.destination).faults == ()
    assert report.n_shards_copied == len(load_catalog(pair.source, OTHER).shards) + 1 > 3
    assert report.n_frames_copied == len(live_frames(pair.source)) + 19
    if pair.server is not None:
        pair.server.requests.clear()
    again = copy_store(pair.source, pair.destination)
    assert not again.has_news
    assert again.bytes_copied == 0
    assert (again.n_shards_held, again.n_parts_held) == (report.n_shards_copied, report.n_parts_copied)
    if pair.server is not None:
        assert pair.server.writes == []
        assert [each for each in pair.server.requests if each.partition("?")[0].endswith(".tar")] == []


def test_what_stays_here_is_not_copied(source: FolderStore, destination: FolderStore) -> None:
    copy_store(source, destination)
    assert source.size("review.sqlite")
    assert [found.path for found in destination.list("") if "review" in found.path and "/" not in found.path] == []
    assert [found.path for found in destination.list("") if found.path.endswith("index.arrow")] == []


def test_only_what_is_new_is_copied(source: FolderStore, s3: S3Server) -> None:
    destination = open_store(f"s3://{PLAIN}/destination")
    copy_store(source, destination)
    before = set(contents(destination))
    pack(source, 14)
    s3.requests.clear()
    report = copy_store(source, destination)
    assert report.n_shards_copied == 1
    assert contents(destination) == contents(source)
    written = {each.split()[1].partition("?")[0].removeprefix(f"/{PLAIN}/destination/") for each in s3.writes}
    assert written == (set(contents(destination)) - before) | {catalog_path(OTHER)}


def test_a_consumer_looks_at_what_was_fetched_without_anything_else(
    source: FolderStore, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = in_bucket(source)
    become(monkeypatch, READER)
    s3.requests.clear()
    fetched = FolderStore(tmp_path / "fetched")
    assert copy_store(open_store(published.location), fetched).faults == ()
    assert s3.writes == []
    s3.requests.clear()
    with serve_store(fetched) as client, serve_store(source) as original:
        for path in ("/api/v1/triage/rows?limit=10", "/api/v1/sequences/1"):
            assert client.get(path).status_code == 200
            assert client.get(path).json() == original.get(path).json()
        frame = load_frames(fetched, KEY).to_pylist()[0]
        picture = client.get(f"/api/v1/frames/{frame['detection_id']}")
        assert hashlib.sha256(picture.content).hexdigest() == frame["sha256"]
    assert s3.requests == []


# Parts of a store


def test_frames_of_other_organizations_stay_and_the_viewer_says_so(
    source: FolderStore, destination: FolderStore
) -> None:
    report = copy_store(source, destination, CopyScope(organizations=("North",)))
    assert report.n_shards_left_out == 1
    assert load_catalog(destination, KEY) is None
    assert live_frames(destination) == live_frames(source)
    with serve_store(destination) as client, serve_store(source) as original:
        rows = "/api/v1/triage/rows?limit=10"
        assert client.get(rows).json() == original.get(rows).json()
        page = client.get("/api/v1/sequences/1").json()
        assert [frame["is_stored"] for frame in page["frames"]] == [False] * 8
        missing = client.get("/api/v1/frames/100")
        assert missing.status_code == 404
        assert "triage fetch" in missing.text
    rest = copy_store(source, destination)
    assert (rest.n_shards_copied, rest.n_shards_left_out) == (1, 0)
    assert contents(destination) == contents(source)


def test_shards_without_a_frame_since_a_day_stay(source: FolderStore, destination: FolderStore) -> None:
    newest = load_catalog(source, OTHER).shards[-1].name
    first = min(row["recorded_at"] for row in load_frames(source, OTHER).to_pylist() if row["shard"] == newest)
    report = copy_store(source, destination, CopyScope((OTHER,), since=first + timedelta(seconds=1)))
    assert [shard.name for shard in load_catalog(destination, OTHER).shards] == [newest]
    assert report.n_shards_left_out == len(load_catalog(source, OTHER).shards)
    assert copy_store(source, destination, CopyScope(since=EPOCH + timedelta(days=9))).n_shards_copied == 0


# A destination that has more


def test_shards_of_both_are_there_afterwards(source: FolderStore, tmp_path: Path) -> None:
    destination = empty_store(tmp_path / "destination")
    pack(destination, 5, first=50)
    pack(destination, 3, key="elsewhere-8")
    own = contents(destination)
    shown = live_frames(destination)
    assert copy_store(source, destination).faults == ()
    assert live_frames(destination) == shown | live_frames(source)
    after = contents(destination)
    assert {path: after[path] for path in own if not path.endswith("north-7/catalog.json")} == {
        path: data for path, data in own.items() if not path.endswith("north-7/catalog.json")
    }
    assert verify_shards(destination).faults == ()


def test_the_same_frames_in_other_shards_are_not_copied(source: FolderStore, tmp_path: Path) -> None:
    destination = empty_store(tmp_path / "destination")
    pack(destination, 30)
    compact(destination)
    report = copy_store(source, destination)
    assert report.faults == ()
    assert report.n_shards_copied == 1  # the other organization's
    assert len(load_catalog(destination, OTHER).shards) == 1


def test_a_compaction_at_the_source_replaces_what_was_copied_before(
    source: FolderStore, destination: FolderStore
) -> None:
    copy_store(source, destination)
    shown = live_frames(source)
    n_before = len(load_catalog(source, OTHER).shards)
    compact(source)
    report = copy_store(source, destination)
    assert (report.n_shards_copied, report.n_shards_retired) == (1, n_before)
    assert load_catalog(destination, OTHER).shards == load_catalog(source, OTHER).shards
    assert live_frames(destination) == shown
    assert not copy_store(source, destination).has_news


def test_a_compaction_while_shards_are_copied_is_followed(source: FolderStore, destination: FolderStore) -> None:
    shown = live_frames(source)
    done = []

    def compact_once(*_: object) -> None:
        if not done and load_catalog(destination, OTHER) and load_catalog(destination, OTHER).shards:
            done.append(True)
            compact(source)

    report = copy_store(source, destination, progress=compact_once)
    assert done
    assert report.faults == ()
    assert load_catalog(destination, OTHER).shards == load_catalog(source, OTHER).shards
    assert live_frames(destination) == shown
    assert verify_shards(destination).faults == ()


def test_another_producer_meanwhile_loses_nothing(source: FolderStore, tmp_path: Path) -> None:
    destination = empty_store(tmp_path / "destination")
    done = []

    def pack_once(*_: object) -> None:
        if not done:
            done.append(True)
            pack(destination, 5, first=50)

    assert copy_store(source, destination, progress=pack_once).faults == ()
    assert live_frames(destination) >= live_frames(source)
    assert len(live_frames(destination)) == len(live_frames(source)) + 15
    assert verify_shards(destination).faults == ()


def test_two_copies_at_once_both_finish(pair: Pair) -> None:
    reports, failures = [], []

    def copy() -> None:
        try:
            reports.append(copy_store(pair.source, open_store(pair.destination.location)))
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=copy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [report.faults for report in reports] == [(), ()]
    assert contents(pair.destination) == contents(pair.source)
    assert verify_shards(pair.destination).faults == ()


def test_tables_that_were_made_at_the_destination_are_kept(source: FolderStore, destination: FolderStore) -> None:
    copy_store(source, destination)
    destination.write("worklists/review.json", b"{}")
    source.write("worklists/model_config.json", source.read("worklists/model_config.json") + b" ")
    report = copy_store(source, destination)
    assert [str(fault) for fault in report.faults] != []
    assert "were kept: they were made there" in str(report.faults[0])
    assert destination.read("worklists/review.json") == b"{}"
    assert destination.read("worklists/model_config.json") != source.read("worklists/model_config.json")


def test_lists_of_organizations_that_the_source_does_not_have_are_kept(
    source: FolderStore, destination: FolderStore
) -> None:
    copy_store(source, destination)
    destination.write("sequences/organization=far-5/sequences.parquet", b"another producer's")
    source.write("worklists/model_config.json", source.read("worklists/model_config.json") + b" ")
    report = copy_store(source, destination)
    assert "organizations that" in str(report.faults[0])
    assert "far-5" in str(report.faults[0])
    assert destination.read("worklists/model_config.json") != source.read("worklists/model_config.json")


# Cut off


@pytest.mark.parametrize("n_requests", [3, 20, 45])
def test_credentials_that_expire_in_the_middle_cost_what_was_not_finished(
    source: FolderStore, s3: S3Server, n_requests: int
) -> None:
    destination = open_store(f"s3://{PLAIN}/destination")
    s3.faults = Faults(expires_after=n_requests)
    with pytest.raises(StoreError, match=r"credentials have expired.*run again: what was finished is kept"):
        copy_store(source, destination)
    s3.faults = Faults()
    assert verify_shards(destination).faults == ()
    assert copy_store(source, destination).faults == ()
    assert contents(destination) == contents(source)


def test_credentials_of_the_source_that_expire_end_the_copy(source: FolderStore, s3: S3Server, tmp_path: Path) -> None:
    published = in_bucket(source)
    destination = FolderStore(tmp_path / "destination")
    began = []

    def expire(*_: object) -> None:
        if not began:
            began.append(expiring(s3, WRITER))
            began[0].__enter__()

    with pytest.raises(StoreError, match="credentials have expired"):
        copy_store(published, destination, progress=expire)
    began[0].__exit__(None, None, None)
    assert copy_store(published, destination).faults == ()
    assert contents(destination) == contents(source)


def test_a_shard_that_was_left_without_its_name_in_the_catalog_is_taken_over(pair: Pair) -> None:
    shard = load_catalog(pair.source, OTHER).shards[0]
    path = tar_path(OTHER, shard.name)
    copy_store(pair.source, pair.destination, CopyScope(organizations=(KEY,)))
    require_catalog(pair.destination, OTHER)
    pair.destination.write(path, pair.source.read(path))
    assert copy_store(pair.source, pair.destination).faults == ()
    assert contents(pair.destination) == contents(pair.source)


@pytest.mark.parametrize("file", ["its archive", "its index"])
def test_a_shard_that_is_swept_just_before_it_is_named_is_copied_anew(
    source: FolderStore, destination: FolderStore, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    shard = load_catalog(source, OTHER).shards[0]
    path = tar_path(OTHER, shard.name) if file == "its archive" else index_path(OTHER, shard.name)
    copy_store(source, destination, CopyScope(organizations=(KEY,)))
    require_catalog(destination, OTHER)
    monkeypatch.setattr(shards, "sweep_leftovers", lambda *_: destination.write(path, source.read(path)))
    monkeypatch.setattr(shards, "change_catalog", swept_first(destination, path, monkeypatch))
    assert copy_store(source, destination).faults == ()
    assert contents(destination) == contents(source)
    assert verify_shards(destination).faults == ()


def swept_first(store: FolderStore, path: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change(*arguments: object) -> None:
        monkeypatch.undo()
        assert path in sweep_leftovers(store, OTHER)
        change_catalog(*arguments)

    return change


def test_another_producer_who_never_ends_is_no_hindrance(source: FolderStore, tmp_path: Path) -> None:
    destination = empty_store(tmp_path / "destination")
    pack(destination, 1, first=5000)
    numbers = count(5001)
    report = copy_store(source, destination, progress=lambda *_: pack(destination, 1, first=next(numbers)))
    assert report.faults == ()
    alone = copy_store(source, FolderStore(tmp_path / "alone"))
    assert report.bytes_copied == alone.bytes_copied  # none of it twice
    assert live_frames(destination) > live_frames(source)


def test_another_archive_of_the_name_is_not_overwritten(source: FolderStore, s3: S3Server) -> None:
    destination = open_store(f"s3://{PLAIN}/destination")
    copy_store(source, destination, CopyScope(organizations=(KEY,)))
    require_catalog(destination, OTHER)
    path = tar_path(OTHER, load_catalog(source, OTHER).shards[0].name)
    other = bytes([source.read(path)[0] ^ 1]) + source.read(path)[1:]
    destination.write(path, other)
    report = copy_store(source, destination)
    assert [path in str(fault) and "another archive" in str(fault) for fault in report.faults] == [True]
    assert destination.read(path) == other
    assert report.n_shards_copied == len(load_catalog(source, OTHER).shards) - 1


def test_a_folder_copied_elsewhere_by_other_means_is_a_copy_too(
    made: Path, source: FolderStore, tmp_path: Path
) -> None:
    destination = copy_folder(made, tmp_path / "by-rsync")
    assert not copy_store(source, destination).has_news
    lists = json.loads(source.read("worklists/model_config.json"))
    source.write("worklists/model_config.json", json.dumps(lists).encode())
    report = copy_store(source, destination)
    assert report.faults == ()
    assert contents(destination) == contents(source)
