"""A program that packs a backlog and kills itself in the middle: `killed_packer.py LINKS STORE LINE [LINE ...]`.

For each LINE a process is forked that packs into STORE/LINE and, at the so many-th line of the store's and the shards'
code that it executes, prints that line's module and function and sends itself SIGKILL. LINE 0 is never reached; its
process prints module and function of every line. LINKS is whether the file system has hard links, `yes` or `no`.
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

from triage_assets import folder_store
from triage_assets import store as store_module
from triage_assets.folder_store import FolderStore
from triage_assets.shards import packing

TRACED = (str(Path(store_module.__file__)), str(Path(folder_store.__file__)), str(Path(packing.__file__).parent))


def main(root: Path, last_lines: list[int], act: Callable[[Path], object]) -> None:
    for last_line in last_lines:
        child = os.fork()
        if child == 0:
            run_until(partial(act, root / str(last_line)), last_line)
            os._exit(0)
        os.waitpid(child, 0)


def refuse_link(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def pack(root: Path) -> None:
    packing.pack_frames(FolderStore(root), KEY, make_backlog(12), Downloads({301: "empty"}), seal_bytes=SEAL_BYTES)


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
    if sys.argv[1] == "no":
        os.link = refuse_link
    main(Path(sys.argv[2]), [int(line) for line in sys.argv[3:]], pack)
