"""Two runs that pack one organization at once, in a folder and in a bucket: both finish, nothing is stored twice."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from datetime import timedelta

import pytest

from tests.shards.shard_backlogs import KEY, SEAL_BYTES, Downloads, make_backlog
from tests.stores import ROOT, Place
from triage_assets.annotator.records import DownloadedSequence, WantedSequence
from triage_assets.errors import StoreUnwritable
from triage_assets.shards.catalog import load_catalog, load_index, tar_path
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.verify import verify_shards
from triage_assets.store import Store


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


def pack(store: Store, n_sequences: int, download: Callable = Downloads(), **options: object):  # noqa: B008
    return pack_frames(store, KEY, make_backlog(n_sequences), download, seal_bytes=SEAL_BYTES, **options)


def times_stored(store: Store) -> Counter[int]:
    """How often each detection is in a live shard, also in those whose rows a newer shard replaces."""
    shards = load_catalog(store, KEY).shards
    return Counter(
        detection for shard in shards for detection in load_index(store, KEY, shard)["detection_id"].to_pylist()
    )


class Meanwhile:
    """Downloads, and once it has been asked for ``after`` sequences, something else first."""

    def __init__(self, after: int, act: Callable[[], object]) -> None:
        self.downloads = Downloads()
        self._after = after
        self._act = act

    def __call__(self, wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
        for number, downloaded in enumerate(self.downloads(wanted)):
            if number == self._after:
                self._act()
                self._after = -1
            yield downloaded


def test_two_processes_pack_one_backlog_at_once(place: Place, store: Store) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.shards.packer", place.location]
    with (
        subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True) as one,
        subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True) as other,
    ):
        for process in (one, other):
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
        reports = [process.stdout.readline().split() for process in (one, other)]
    assert [incomplete for incomplete, *_ in reports] == ["0", "0"]
    assert sum(int(packed) for _, packed, *_ in reports) == 30
    assert reports[0][2:] == reports[1][2:] == ["90", pack(store, 30).data_version]
    assert times_stored(store) == Counter(
        detection.id for sequence in make_backlog(30) for detection in sequence.detections
    )
    assert verify_shards(store).faults == ()
    assert verify_shards(store).leftovers == ()


def test_what_another_run_was_first_with_is_kept_and_the_rest_is_packed(store: Store) -> None:
    """The other run packs the first five while ours has the first of twelve in its open shard."""
    download = Meanwhile(1, lambda: pack(store, 5))
    report = pack(store, 12, download)
    assert (report.incomplete, report.n_sequences, report.n_frames_live) == ({}, 12, 36)
    assert report.n_sequences_packed == 7
    assert set(times_stored(store).values()) == {1}
    assert len(times_stored(store)) == 36
    assert verify_shards(store).faults == ()
    assert verify_shards(store).leftovers == ()


def test_a_run_that_is_overtaken_with_everything_stores_nothing(store: Store) -> None:
    download = Meanwhile(1, lambda: pack(store, 4))
    report = pack(store, 4, download)
    assert (report.n_sequences_packed, report.shards_written, report.n_frames_live) == (0, (), 12)
    assert set(times_stored(store).values()) == {1}


def test_another_run_with_other_sequences_is_no_rival(store: Store) -> None:
    others = make_backlog(3, first=50)
    download = Meanwhile(1, lambda: pack_frames(store, KEY, others, Downloads(), seal_bytes=SEAL_BYTES))
    report = pack(store, 3, download)
    assert len(download.downloads.asked) == 9
    assert report.n_frames_live == 18


def test_a_run_after_one_that_died_between_its_shard_and_the_catalog_does_not_wait(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise StoreUnwritable("the machine lost its power")

    with monkeypatch.context() as dead:
        dead.setattr("triage_assets.shards.new_shard.change_catalog", die)
        dead.setattr("triage_assets.shards.packing._sweeping_after_failure", lambda *_: nullcontext())
        with pytest.raises(StoreUnwritable):
            pack(store, 3)
    (left,) = (path for path in place.objects() if path.endswith(".tar"))
    report = pack(store, 3)
    assert (report.n_sequences_packed, report.n_frames_live) == (3, 9)
    assert verify_shards(store).faults == ()
    place.bury_writers()
    pack(store, 3)
    live = {tar_path(KEY, shard.name) for shard in load_catalog(store, KEY).shards}
    assert {path for path in place.objects() if path.endswith(".tar")} == live
    assert (left in live) == (place.server is None)  # a folder's sweep knew at once that the writer was dead


def test_a_run_that_stood_still_for_a_day_does_not_lose_what_others_did(place: Place, store: Store) -> None:
    """It wakes up after others have swept and packed: its own shard is overtaken, or written after all."""

    def a_day_passes() -> None:
        if place.server is not None:
            place.server.let_pass(timedelta(days=2))
        pack(store, 5)

    report = pack(store, 12, Meanwhile(2, a_day_passes))
    assert report.n_frames_live == 36
    assert set(times_stored(store).values()) == {1}
    assert verify_shards(store).faults == ()
