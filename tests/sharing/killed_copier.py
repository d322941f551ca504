"""A program that copies a store and kills itself in the middle: `killed_copier.py SOURCE ROOT LINE [LINE ...]`.

For each LINE a process is forked that copies SOURCE to ROOT/LINE and, at the so many-th line of the store's, the
shards' and the sharing code that it executes, sends itself SIGKILL. LINE 0 is never reached; its process prints how
many lines there are. ROOT is a folder, or a prefix of a bucket, to which shards go in several parts.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from triage_assets import store
from triage_assets.sharing import copying
from triage_assets.store import open_store

TRACED = tuple(str(Path(store.__file__).parent / name) for name in ("folder_store.py", "bucket_", "shards", "sharing"))


def main(source: str, root: str, last_lines: list[int]) -> None:
    if root.startswith("s3://"):
        from triage_assets import bucket_upload

        bucket_upload.PART_BYTES = 4000
    for last_line in last_lines:
        child = os.fork()
        if child == 0:
            copy_until(source, f"{root}/{last_line}", last_line)
            os._exit(0)
        os.waitpid(child, 0)


def copy_until(source: str, destination: str, last_line: int) -> None:
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
    copying.copy_store(open_store(source), open_store(destination))
    sys.settrace(None)
    print(executed, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(line) for line in sys.argv[3:]])
