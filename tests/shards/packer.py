"""A program that packs a backlog when it is told to: `python -m tests.shards.packer STORE`; prints its report."""

import sys

from tests.shards.shard_backlogs import KEY, SEAL_BYTES, Downloads, make_backlog
from triage_assets.shards.packing import pack_frames
from triage_assets.store import open_store

if __name__ == "__main__":
    store = open_store(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    report = pack_frames(store, KEY, make_backlog(30), Downloads(), seal_bytes=SEAL_BYTES)
    print(len(report.incomplete), report.n_sequences_packed, report.n_frames_live, report.data_version, flush=True)
