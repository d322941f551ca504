"""A program that copies a store and kills itself in the middle: `killed_copier.py SOURCE ROOT LINE [LINE ...]`.

For each LINE a process is forked that copies SOURCE to ROOT/LINE and, at the so many-th line of the store's, the
shards' and the sharing code that it executes, sends itself SIGKILL. LINE 0 is never reached; its process prints how
many lines there are.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from triage_assets import folder_store
from triage_assets.folder_store import FolderStore
from triage_assets.shards import writer
from triage_assets.sharing import copying

TRACED = (folder_store.__file__, str(Path(writer.__file__).parent), str(Path(copying.__file__).parent))


def main(source: Path, root: Path, last_lines: list[int]) -> None:
    for last_line in last_lines:
        child = os.fork()
        if child == 0:
            copy_until(source, root / str(last_line), last_line)
            os._exit(0)
        os.waitpid(child, 0)


def copy_until(source: Path, destination: Path, last_line: int) -> None:
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
    copying.copy_store(FolderStore(source), FolderStore(destination))
    sys.settrace(None)
    print(executed, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(line) for line in sys.argv[3:]])
