"""How long two catalogs with the same sequences in different shards are compared, and in how much memory.

Run it as `python -m benchmarks.comparing [--images 1000000] [--folder FOLDER]`, on Linux. Shards have indexes alone, as
nothing else is read, of 11,000 images each, which is what 1 GB holds; the comparison is a process of its own.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import ShardEntry, change_catalog, index_path, load_catalog
from triage_assets.shards.index import INDEX_SCHEMA, encode_index
from triage_assets.sharing.comparing import compare_catalogs
from triage_assets.store import Store

KEY = "one-1"
FRAMES_PER_SEQUENCE = 14
FRAMES_PER_SHARD = 786 * FRAMES_PER_SEQUENCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--compare", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compare:
        report_comparison(*map(FolderStore, options.compare))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stores = [FolderStore(Path(folder) / name) for name in ("source", "destination")]
        for tail, store in enumerate(stores):
            fill(store, options.images, tail)
        command = [sys.executable, "-m", "benchmarks.comparing", "--compare", *(store.location for store in stores)]
        subprocess.run(command, check=True)


def fill(store: Store, n_images: int, tail: int) -> None:
    """Indexes of so many images in one store, the same in both but for the names of the shards."""
    starts = range(0, n_images, FRAMES_PER_SHARD)
    shards = [
        put_index(store, range(start, min(start + FRAMES_PER_SHARD, n_images)), f"{number:06d}-{tail:08x}")
        for number, start in enumerate(starts, start=1)
    ]
    change_catalog(store, KEY, lambda now: now.with_shards(shards, ()))


def put_index(store: Store, images: range, name: str) -> ShardEntry:
    """The index of one shard, with digests that do not compress."""
    digests = np.random.default_rng(images.start).bytes(32 * len(images)).hex()
    columns = {
        "sequence_id": pa.array([image // FRAMES_PER_SEQUENCE for image in images]),
        "detection_id": pa.array(images),
        "sha256": pa.array([digests[start : start + 64] for start in range(0, len(digests), 64)]),
    }
    ones = pa.array(np.ones(len(images), np.int64))
    rows = pa.table(
        [columns.get(field.name, ones).cast(field.type) for field in INDEX_SCHEMA],
        schema=INDEX_SCHEMA,
    )
    data = encode_index(rows, KEY, name)
    store.write(index_path(KEY, name), data)
    return ShardEntry(
        name=name, tar_bytes=1, n_sequences=1, n_frames=len(images), n_unusable=0, meta_sha256="",
        index_sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip


def report_comparison(source: Store, destination: Store) -> None:
    """Compare them, and print what it took."""
    ours, theirs = load_catalog(source, KEY), load_catalog(destination, KEY)
    assert ours is not None
    assert theirs is not None
    before, started = peak_mb(), time.monotonic()
    compare_catalogs(source, ours, destination, theirs)
    n_images = sum(shard.n_frames for shard in ours.shards)
    seconds = time.monotonic() - started
    print(f"{n_images:,} images in {len(ours.shards)} shards each: {seconds:.1f} s, {peak_mb() - before:.0f} MB more")


def peak_mb() -> float:
    """Unlike that of getrusage, the peak of this process alone, and not of the one that has started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
