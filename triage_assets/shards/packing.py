"""Packing a backlog: which frames no live shard holds yet, and how a sequence that has grown is stored again.

What lives here: the difference between a backlog and the live shards, and the report of a run. What does not:
downloading (the caller's), or the writing of shards (`writer`).
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.annotator.records import Detection, DownloadedSequence, Sequence, WantedSequence
from triage_assets.errors import ShardError, StoreError, StoreUnwritable, TriageError
from triage_assets.shards.catalog import Catalog, load_frames, load_index, require_catalog, sweep_leftovers
from triage_assets.shards.reader import StoredSequence, read_sequence
from triage_assets.shards.records import PackedSequence, UnusableFrame, UsableFrame
from triage_assets.shards.writer import SEAL_BYTES, ShardWriter
from triage_assets.store import Store

logger = logging.getLogger(__name__)

_Frame = TypeVar("_Frame", UsableFrame, UnusableFrame)
Download = Callable[[Iterable[WantedSequence]], Iterable[DownloadedSequence]]


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a run did, and what the live shards hold after it.

    ``n_frames_unusable`` counts those found in this run, again or for the first time, ``n_frames_live`` the images of
    all live shards.
    ``incomplete`` says of each sequence id that was left out why; the next run tries it again. ``changed`` is whether
    the catalog is another one than before. ``data_version`` is a digest of the live content, however it is divided
    into shards.
    """

    n_sequences: int
    n_sequences_packed: int
    n_frames_downloaded: int
    n_frames_copied: int
    n_frames_unusable: int
    n_frames_live: int
    bytes_downloaded: int
    incomplete: Mapping[int, str]
    shards_written: tuple[str, ...]
    swept: tuple[str, ...]
    changed: bool
    data_version: str


def pack_frames(
    store: Store,
    organization_key: str,
    sequences: Iterable[Sequence],
    download: Download,
    *,
    seal_bytes: int = SEAL_BYTES,
    retry_unusable: bool = False,
) -> PackReport:
    """Store every frame of ``sequences`` that no live shard holds, and nothing else; both ends are read as needed.

    Where another run stores the same at the same time, what it was first with is kept, and the rest is tried again: for
    that ``sequences`` are read once more from the beginning, so they are best no iterator.

    ``download`` gets the sequences with frames to fetch, lazily and perhaps from another thread, and is not called
    where there are none. A sequence with new frames is packed again whole, its held frames copied: what a shard ever
    held stays held. A sequence without any detection has nothing to store. With ``retry_unusable`` the frames that
    are recorded as unusable are wanted again, and where they are as unusable as before nothing is written. Where a
    download or the user stops the run, the sequences finished until then are sealed before the error goes on.
    Raises `StoreUnwritable`; `ShardError` and `NewerFormat` where the live shards cannot be read.
    """
    catalog, created = require_catalog(store, organization_key)
    swept = sweep_leftovers(store, organization_key)
    tally: Counter[str] = Counter()
    sealed: list[str] = []
    while True:  # each time round, another run has sealed something meanwhile
        known = frozenset(shard.name for shard in catalog.shards)
        wanted = _Wanted(_Held(store, organization_key, catalog, retry_unusable), sequences)
        with (
            _sweeping_after_failure(store, organization_key),
            ShardWriter(store, organization_key, known, seal_bytes=seal_bytes) as writer,
        ):
            tally += _write_wanted(writer, wanted, download)
        wanted.close()
        sealed += writer.sealed
        if not writer.n_overtaken:
            break
        logger.info("%s: another run was faster with some of %d sequences", organization_key, writer.n_overtaken)
        tally["packed"] -= writer.n_overtaken
        assert iter(sequences) is not sequences, "they cannot be read again"
        catalog, _ = require_catalog(store, organization_key)
    n_frames_live, data_version = describe_live(store, organization_key)
    return PackReport(
        n_sequences=wanted.n_sequences,
        n_sequences_packed=tally["packed"],
        n_frames_downloaded=tally["downloaded"],
        n_frames_copied=tally["copied"],
        n_frames_unusable=tally["unusable"],
        n_frames_live=n_frames_live,
        bytes_downloaded=tally["bytes"],
        incomplete=wanted.incomplete,
        shards_written=tuple(sealed),
        swept=swept,
        changed=created or bool(sealed),
        data_version=data_version,
    )


def describe_live(store: Store, organization_key: str) -> tuple[int, str]:
    """The number of live images, and a digest of the live content that does not depend on its division into shards."""
    columns = ["sequence_id", "detection_id", "sha256", "unusable_reason"]
    frames = load_frames(store, organization_key, columns).select(columns)
    frames = frames.sort_by([("sequence_id", "ascending"), ("detection_id", "ascending")])
    digest = hashlib.sha256()
    for batch in frames.to_batches(max_chunksize=10_000):
        texts = [pc.cast(batch["sequence_id"], pa.string()), pc.cast(batch["detection_id"], pa.string())]
        texts += [pc.fill_null(batch["sha256"], ""), pc.fill_null(batch["unusable_reason"], "")]
        for line in pc.binary_join_element_wise(*texts, "\t").to_pylist():
            digest.update(line.encode() + b"\n")
    return len(frames) - frames["sha256"].null_count, digest.hexdigest()


class _Held:
    """Which detections of which sequences the live shards hold, in 20 bytes a frame."""

    def __init__(self, store: Store, organization_key: str, catalog: Catalog, retry_unusable: bool) -> None:
        self._store = store
        self._key = organization_key
        # Shards that are merged meanwhile stay where they are for longer than a run takes.
        self._entries = {shard.name: shard for shard in catalog.shards}
        frames = load_frames(store, organization_key, ["sequence_id", "detection_id", "offset"], catalog=catalog)
        order = pc.array_sort_indices(frames["sequence_id"].combine_chunks())
        frames = frames.take(order)
        self._sequence_ids = frames["sequence_id"].to_numpy()
        self._detection_ids = frames["detection_id"].to_numpy()
        self._settled = frames["offset"].is_valid().to_numpy() | (not retry_unusable)
        self._shards = frames["shard"].dictionary_encode().combine_chunks()
        self._last_index: tuple[str, pa.Table] | None = None

    def detections(self, sequence_id: int) -> frozenset[int]:
        """The detections that are not to be fetched: those held, and those known to be unusable unless retried."""
        rows = self._rows(sequence_id)
        return frozenset(self._detection_ids[rows][self._settled[rows]].tolist())

    def read(self, sequence_id: int) -> StoredSequence | None:
        """What is held of a sequence, None where nothing is. Raises `ShardError` and `StoreError`."""
        of_sequence = self._rows(sequence_id)
        if of_sequence.start == of_sequence.stop:
            return None
        shard = self._shards[of_sequence.start].as_py()
        if self._last_index is None or self._last_index[0] != shard:
            self._last_index = shard, load_index(self._store, self._key, self._entries[shard])
        index = self._last_index[1]
        rows = index.filter(pc.equal(index["sequence_id"], sequence_id))
        return read_sequence(self._store, self._key, rows.append_column("shard", pa.array([shard] * len(rows))))

    def _rows(self, sequence_id: int) -> slice:
        start, end = self._sequence_ids.searchsorted(sequence_id), self._sequence_ids.searchsorted(sequence_id, "right")
        return slice(int(start), int(end))


class _Wanted(Iterator[WantedSequence]):
    """The sequences with frames to fetch, as they are asked for, and those that came to nothing."""

    def __init__(self, held: _Held, sequences: Iterable[Sequence]) -> None:
        self.held = held
        self.incomplete: dict[int, str] = {}
        self._sequences = iter(sequences)
        self._seen: set[int] = set()
        self._unanswered: set[int] = set()

    @property
    def n_sequences(self) -> int:
        return len(self._seen)

    def __next__(self) -> WantedSequence:
        for sequence in self._sequences:
            if sequence.id in self._seen:
                continue
            self._seen.add(sequence.id)
            held = self.held.detections(sequence.id)
            if not all(detection.id in held for detection in sequence.detections):
                self._unanswered.add(sequence.id)
                return WantedSequence(sequence, held)
        raise StopIteration

    def answer(self, sequence_id: int) -> None:
        """Take note that the download has brought a sequence. Raises `ShardError` for one that is not awaited."""
        if sequence_id not in self._unanswered:
            raise ShardError("The download brought a sequence that was not asked for", found=sequence_id)
        self._unanswered.remove(sequence_id)

    def close(self) -> None:
        """Count what the download left unasked or unanswered as incomplete."""
        self._unanswered.update(wanted.sequence.id for wanted in self)
        self.incomplete.update(dict.fromkeys(sorted(self._unanswered), "the download ended without it"))


@contextmanager
def _sweeping_after_failure(store: Store, organization_key: str) -> Iterator[None]:
    """Free what a failure left, on a full disk perhaps most of it; the failure itself is what matters."""
    try:
        yield
    except BaseException:
        with suppress(TriageError):
            sweep_leftovers(store, organization_key)
        raise


def _write_wanted(writer: ShardWriter, wanted: _Wanted, download: Download) -> Counter[str]:
    """Download and seal every wanted sequence, where the download fails those that came before; what came, in numbers.

    After `StoreUnwritable` nothing more is sealed.
    """
    tally: Counter[str] = Counter()
    first = next(wanted, None)
    if first is None:
        return tally
    try:
        for downloaded in download(chain([first], wanted)):
            _add(writer, wanted, downloaded, tally)
    except StoreUnwritable:
        raise
    except BaseException:
        writer.seal_if_whole()
        raise
    writer.seal()
    return tally


def _add(writer: ShardWriter, wanted: _Wanted, downloaded: DownloadedSequence, tally: Counter[str]) -> None:
    """Write one sequence, or note why it is left out of this run."""
    sequence, held = downloaded.wanted.sequence, downloaded.wanted.held
    wanted.answer(sequence.id)
    brought = {frame.detection_id for frame in downloaded.frames} | downloaded.unusable.keys()
    missing = [detection.id for detection in sequence.detections if detection.id not in brought | held]
    if missing:
        why = downloaded.failed.get(missing[0], "not downloaded")
        wanted.incomplete[sequence.id] = (
            f"{len(missing)} of {len(missing) + len(brought)} frames failed, the first: {why}"
        )
        return
    try:
        stored = wanted.held.read(sequence.id)
    except (ShardError, StoreError) as error:
        wanted.incomplete[sequence.id] = f"its held frames cannot be copied: {error}"
        return
    tally["downloaded"] += len(downloaded.frames)
    tally["unusable"] += len(downloaded.unusable)
    tally["bytes"] += sum(len(frame.image) for frame in downloaded.frames)
    if stored is not None and _says_nothing_new(downloaded, stored):
        return
    writer.add(_merge(sequence, downloaded, stored))
    tally["packed"] += 1
    tally["copied"] += len(stored.usable) if stored else 0


def _says_nothing_new(downloaded: DownloadedSequence, stored: StoredSequence) -> bool:
    """Whether all that came are frames that are as unusable as they were."""
    known = {frame.detection_id: frame.reason for frame in stored.unusable}
    return not downloaded.frames and downloaded.unusable.items() <= known.items()


def _merge(sequence: Sequence, downloaded: DownloadedSequence, stored: StoredSequence | None) -> PackedSequence:
    """Everything known of a sequence: what a shard holds, as the backlog describes it now, and what was downloaded."""
    detections = {detection.id: detection for detection in sequence.detections}
    brought = {frame.detection_id for frame in downloaded.frames} | downloaded.unusable.keys()
    usable = [_described_anew(frame, detections) for frame in stored.usable] if stored else []
    still_unusable = [frame for frame in stored.unusable if frame.detection_id not in brought] if stored else []
    unusable = [_described_anew(frame, detections) for frame in still_unusable]
    for frame in downloaded.frames:
        detection = detections[frame.detection_id]
        usable.append(
            UsableFrame(
                detection.id,
                detection.recorded_at,
                detection.bucket_key,
                frame.image,
                frame.sha256,
                frame.width_px,
                frame.height_px,
            )
        )
    for detection_id, reason in downloaded.unusable.items():
        detection = detections[detection_id]
        unusable.append(UnusableFrame(detection.id, detection.recorded_at, detection.bucket_key, reason))
    return PackedSequence(sequence.row, tuple(usable), tuple(unusable))


def _described_anew(frame: _Frame, detections: Mapping[int, Detection]) -> _Frame:
    """The frame with the time and name that the backlog gives it now; as it was where the backlog has lost it."""
    now = detections.get(frame.detection_id)
    return frame if now is None else replace(frame, recorded_at=now.recorded_at, bucket_key=now.bucket_key)
