"""A program that copies a store and kills itself in the middle: `killed_copier.py SOURCE ROOT LINE [LINE ...]`.

For each LINE it copies SOURCE to ROOT/LINE, as `tests.killed` tells. ROOT is a folder, or a prefix of a bucket, to
which shards go in several parts.
"""

import sys

from tests.killed import run_killed, send_small_parts
from triage_assets.sharing.copying import copy_store
from triage_assets.store import open_store

if __name__ == "__main__":
    source, root, *lines = sys.argv[1:]
    if root.startswith("s3://"):
        send_small_parts(4000)
    run_killed(
        lambda destination: copy_store(open_store(source), open_store(destination)),
        root,
        [int(line) for line in lines],
        ("folder_store.py", "bucket_", "shards", "sharing"),
    )
