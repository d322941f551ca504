"""A program that packs a backlog and kills itself in the middle: `killed_packer.py KIND STORE LINE [LINE ...]`.

For each LINE a process is forked that packs into STORE/LINE and, at the so many-th line of the store's and the shards'
code that it executes, prints that line's module and function and sends itself SIGKILL. LINE 0 is never reached; its
process prints module and function of every line. KIND is `folder`, `without links` for one on a file system that has no
hard links, or `bucket`, to which shards go in several parts of `PART_BYTES`.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import pandas  # noqa: F401  Arrow would import it in every process anew
from shard_backlogs import KEY, SEAL_BYTES, Downloads, make_backlog

from triage_assets import store as store_module
from triage_assets.shards import packing
from triage_assets.store import open_store

TRACED = tuple(
    str(Path(store_module.__file__).parent / name) for name in ("store.py", "folder_store.py", "bucket_", "shards")
)
PART_BYTES = 6000  # three in a shard


def main(root: str, last_lines: list[int], act: Callable[[str], object]) -> None:
    for last_line in last_lines:
        child = os.fork()
        if child == 0:
            run_until(partial(act, f"{root}/{last_line}"), last_line)
            os._exit(0)
        os.waitpid(child, 0)


def refuse_link(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def send_small_parts() -> None:
    """Have what is put into a bucket be put in several parts."""
    from triage_assets import bucket_upload

    bucket_upload.PART_BYTES = PART_BYTES


def pack(location: str) -> None:
    packing.pack_frames(open_store(location), KEY, make_backlog(12), Downloads({301: "empty"}), seal_bytes=SEAL_BYTES)


def run_until(act: Callable[[], object], last_line: int) -> None:
    executed: list[str] = []

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line":
            executed.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
            if len(executed) == last_line:
                print(executed[-1], flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    act()
    sys.settrace(None)
    print(*executed, sep="\n", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "without links":
        os.link = refuse_link
    if sys.argv[1] == "bucket":
        send_small_parts()
    main(sys.argv[2], [int(line) for line in sys.argv[3:]], pack)
