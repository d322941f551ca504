"""A program that merges shards and kills itself in the middle: `killed_compactor.py STORE STEP LINE [LINE ...]`.

For each LINE the store STORE/prepared is copied to STORE/LINE, and a process forked that does STEP there, ``compact``
or ``gc``, and dies as `killed_packer` tells.
"""

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from killed_packer import main

from triage_assets.folder_store import FolderStore
from triage_assets.shards.collection import GRACE, collect_retired
from triage_assets.shards.compaction import compact_shards

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def compact(root: Path) -> None:
    compact_shards(FolderStore(root), now=NOW, most_small=2)


def collect(root: Path) -> None:
    collect_retired(FolderStore(root), now=NOW + GRACE + timedelta(seconds=1))


if __name__ == "__main__":
    stores = Path(sys.argv[1])
    lines = [int(line) for line in sys.argv[3:]]
    for line in lines:
        shutil.copytree(stores / "prepared", stores / str(line))
    main(stores, lines, {"compact": compact, "gc": collect}[sys.argv[2]])
