"""How fast shards are written, read, verified and rebuilt, beside plain files and the standard library in the same run.

Run it as `python benchmarks/shards.py [--megabytes 1000] [--folder FOLDER]`; it needs twice that much room.
"""

import argparse
import hashlib
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from triage_assets.annotator.records import (
    Detection,
    DownloadedFrame,
    DownloadedSequence,
    Sequence,
    SequenceRow,
    WantedSequence,
)
from triage_assets.folder_store import FolderStore
from triage_assets.progress import no_progress
from triage_assets.shards.catalog import load_catalog, load_frames, tar_path
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.reindex import reindex_shards
from triage_assets.shards.verify import verify_shards

KEY = "benchmark-1"
FRAMES_PER_SEQUENCE = 10
N_DISTINCT = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    frames = make_frames()
    n_frames = options.megabytes * 1_000_000 // len(frames[0].image) // FRAMES_PER_SEQUENCE * FRAMES_PER_SEQUENCE
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(Path(folder), frames, n_frames, options.repeat)


def measure(folder: Path, frames: list[DownloadedFrame], n_frames: int, repeat: int) -> None:
    megabytes = sum(len(frames[number % N_DISTINCT].image) for number in range(n_frames)) / 1e6
    backlog = list(make_backlog(n_frames // FRAMES_PER_SEQUENCE))
    plain_file = folder / "plain"
    plain, packed = [], []
    for number in range(repeat):  # in turns, so that both see the same disk
        plain.append(seconds(lambda: write_plain(plain_file, frames, n_frames)))
        plain_file.unlink()
        store = FolderStore(folder / f"store-{number}")
        packed.append(seconds(partial(pack_frames, store, KEY, backlog, partial(answer, frames))))
        if number + 1 < repeat:
            for stored in list(store.list("")):
                store.delete(stored.path)
    catalog = load_catalog(store, KEY)
    assert catalog is not None
    tars = [store.root / tar_path(KEY, shard.name) for shard in catalog.shards]
    rows = [
        ("plain sequential write, one fsync", statistics.median(plain)),
        ("shards: pack, index, catalog, fsync", statistics.median(packed)),
        ("shards: nothing to do", seconds(partial(pack_frames, store, KEY, backlog, partial(answer, frames)))),
        ("shards: load the index", seconds(lambda: load_frames(store, KEY))),
        ("shards: verify", seconds(lambda: verify_shards(store, progress=no_progress))),
        ("shards: reindex", seconds(lambda: reindex_shards(store, progress=no_progress))),
        ("tarfile: read and sha256 every member", seconds(lambda: read_tarfiles(tars))),
        ("sha256 of the same bytes in memory", seconds(lambda: hash_all(frames, n_frames))),
    ]
    print(f"{megabytes:,.0f} MB in {n_frames:,} frames, {len(tars)} shards, medians of {repeat} for writing")
    for what, took in rows:
        print(f"{what:<40}{took:>8.2f} s{megabytes / took:>10,.0f} MB/s")
    print(f"shards against plain writes: {statistics.median(plain) / statistics.median(packed):.0%} (goal: 60%)")


def make_frames() -> list[DownloadedFrame]:
    """Noise as JPEG, about 90 KB each, so that sizes differ and the bytes cannot be compressed."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(N_DISTINCT):
        buffer = BytesIO()
        pixels = rng.integers(0, 256, (90, 160 + number % 7, 3), np.uint8)
        Image.fromarray(pixels).resize((1280, 720), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=35)
        data = buffer.getvalue()
        frames.append(DownloadedFrame(number, data, hashlib.sha256(data).hexdigest(), 1280, 720))
    return frames


def make_backlog(n_sequences: int) -> Iterator[Sequence]:
    start = datetime(2026, 8, 1, tzinfo=UTC)
    for which in range(n_sequences):
        row = SequenceRow(which, 1, "Benchmark", 1, "Camera", 0, start, start, None, None, None, None, None, None, None)
        detections = tuple(
            Detection(which * FRAMES_PER_SEQUENCE + frame, which, start + timedelta(seconds=30 * frame), "key", ())
            for frame in range(FRAMES_PER_SEQUENCE)
        )
        yield Sequence(row, detections)


def answer(frames: list[DownloadedFrame], wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
    for item in wanted:
        brought = []
        for detection in item.sequence.detections:
            frame = frames[detection.id % N_DISTINCT]
            brought.append(DownloadedFrame(detection.id, frame.image, frame.sha256, frame.width_px, frame.height_px))
        yield DownloadedSequence(item, tuple(brought), {}, {})


def write_plain(file: Path, frames: list[DownloadedFrame], n_frames: int) -> None:
    with file.open("wb", buffering=0) as out:
        for number in range(n_frames):
            out.write(frames[number % N_DISTINCT].image)
        os.fsync(out.fileno())


def read_tarfiles(files: list[Path]) -> None:
    for file in files:
        with tarfile.open(file) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                hashlib.sha256(content.read()).hexdigest()


def hash_all(frames: list[DownloadedFrame], n_frames: int) -> None:
    for number in range(n_frames):
        hashlib.sha256(frames[number % N_DISTINCT].image).hexdigest()


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
