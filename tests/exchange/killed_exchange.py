"""A program that exports or imports and kills itself in the middle: `killed_exchange.py ACT SOURCE ROOT LINE [...]`.

For each LINE a process is forked that exports the store SOURCE to ROOT/LINE, or imports the folder SOURCE into the
store ROOT/LINE, and at the so many-th line of the project's code on exchange, shards, backlog, scores and stores that
it executes, sends itself SIGKILL. LINE 0 is never reached; its process prints how many lines there are.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pandas  # noqa: F401  Arrow would import it in every process anew

from triage_assets import store as store_module
from triage_assets.exchange.exporting import export_frames
from triage_assets.exchange.importing import import_folder
from triage_assets.store import open_store

TRACED = tuple(
    str(Path(store_module.__file__).parent / name)
    for name in ("annotator", "exchange", "folder_store.py", "scoring", "shards", "store.py")
)


def export(source: str, destination: str) -> None:
    export_frames(open_store(source), Path(destination))


def take_in(source: str, destination: str) -> None:
    import_folder(open_store(destination), Path(source))


ACTS = {"export": export, "import": take_in}


def run_until(act: Callable[[], object], last_line: int) -> None:
    executed = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal executed
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line":
            executed += 1
            if executed == last_line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    act()
    sys.settrace(None)
    print(executed, flush=True)


def main(act: str, source: str, root: str, last_lines: list[int]) -> None:
    for last_line in last_lines:
        child = os.fork()
        if child == 0:
            run_until(partial(ACTS[act], source, f"{root}/{last_line}"), last_line)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if last_line else 0)


if __name__ == "__main__":
    main(*sys.argv[1:4], [int(line) for line in sys.argv[4:]])
