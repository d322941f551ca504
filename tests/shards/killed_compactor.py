"""A program that merges shards and kills itself in the middle: `killed_compactor.py STORES STEP LINE [LINE ...]`.

For each LINE the store STORES/prepared is copied to STORES/LINE, and a process forked that does STEP there, ``compact``
or ``gc``, and dies as `tests.killed` tells. STORES is a folder or a prefix of a bucket.
"""

import sys
from datetime import UTC, datetime, timedelta

from tests.killed import run_killed, send_small_parts
from tests.shards.killed_packer import PART_BYTES, TRACED
from triage_assets.shards.collection import GRACE, collect_retired
from triage_assets.shards.compaction import compact_shards
from triage_assets.store import open_store

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def compact(location: str) -> None:
    compact_shards(open_store(location), now=NOW, most_small=2)


def collect(location: str) -> None:
    collect_retired(open_store(location), now=NOW + GRACE + timedelta(seconds=1))


def copy(stores: str, lines: list[int]) -> None:
    prepared = open_store(f"{stores}/prepared")
    contents = {found.path: prepared.read(found.path) for found in prepared.list("")}
    for line in lines:
        store = open_store(f"{stores}/{line}")
        for path, data in contents.items():
            store.write(path, data)


if __name__ == "__main__":
    stores = sys.argv[1]
    lines = [int(line) for line in sys.argv[3:]]
    copy(stores, lines)
    if stores.startswith("s3://"):
        send_small_parts(PART_BYTES)
    run_killed({"compact": compact, "gc": collect}[sys.argv[2]], stores, lines, TRACED)
