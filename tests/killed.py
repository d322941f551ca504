"""Processes that kill themselves in the middle, at the so many-th line of the project's code that they execute.

What lives here: the forks and the counting. What does not: what is done, and where each time (`killed_*.py` beside the
tests).
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pandas  # noqa: F401  Arrow would import it in every process anew

import triage_assets

PACKAGE = Path(triage_assets.__file__).parent


def run_killed(act: Callable[[str], object], root: str, last_lines: Sequence[int], traced: Sequence[str]) -> list[bool]:
    """For each line a process is forked that does ``act`` with ROOT/LINE and sends itself SIGKILL at that line.

    Lines are those of the ``traced`` files and folders of the package, which may be beginnings of names. Each process
    prints module and function of its last line; line 0 is never reached, and its process prints those of all. Returns
    which processes were killed.
    """
    places = tuple(str(PACKAGE / name) for name in traced)
    killed = []
    for last_line in last_lines:
        child = os.fork()
        if child == 0:
            _run_until(partial(act, f"{root}/{last_line}"), last_line, places)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        killed.append(code != 0)
    return killed


def _run_until(act: Callable[[], object], last_line: int, places: tuple[str, ...]) -> None:
    executed: list[str] = []

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(places):
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
    if not last_line:
        print(*executed, sep="\n", flush=True)


def send_small_parts(part_bytes: int) -> None:
    """Have what is put into a bucket be put in several parts."""
    from triage_assets import bucket_upload

    bucket_upload.PART_BYTES = part_bytes
