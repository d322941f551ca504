"""A program that packs a backlog and kills itself in the middle: `killed_packer.py KIND STORE LINE [LINE ...]`.

For each LINE it packs into STORE/LINE, as `tests.killed` tells. KIND is `folder`, `without links` for one on a file
system that has no hard links, or `bucket`, to which shards go in several parts of `PART_BYTES`.
"""

import errno
import os
import sys

from tests.killed import run_killed, send_small_parts
from tests.shards.shard_backlogs import KEY, SEAL_BYTES, Downloads, make_backlog
from triage_assets.shards import packing
from triage_assets.store import open_store

TRACED = ("store.py", "folder_store.py", "bucket_", "shards")
PART_BYTES = 6000  # three in a shard


def refuse_link(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def pack(location: str) -> None:
    packing.pack_frames(open_store(location), KEY, make_backlog(12), Downloads({301: "empty"}), seal_bytes=SEAL_BYTES)


if __name__ == "__main__":
    if sys.argv[1] == "without links":
        os.link = refuse_link
    if sys.argv[1] == "bucket":
        send_small_parts(PART_BYTES)
    run_killed(pack, sys.argv[2], [int(line) for line in sys.argv[3:]], TRACED)
