"""A program that exports or imports and kills itself in the middle: `killed_exchange.py ACT SOURCE ROOT LINE [...]`.

For each LINE it exports the store SOURCE to ROOT/LINE, or imports the folder SOURCE into the store ROOT/LINE, as
`tests.killed` tells; and is killed each time, but for LINE 0.
"""

import sys
from functools import partial
from pathlib import Path

from tests.killed import run_killed
from triage_assets.exchange.exporting import export_frames
from triage_assets.exchange.importing import import_folder
from triage_assets.store import open_store

TRACED = ("annotator", "exchange", "folder_store.py", "scoring", "shards", "store.py")


def export(source: str, destination: str) -> None:
    export_frames(open_store(source), Path(destination))


def take_in(source: str, destination: str) -> None:
    import_folder(open_store(destination), Path(source))


ACTS = {"export": export, "import": take_in}

if __name__ == "__main__":
    act, source, root, *written = sys.argv[1:]
    lines = [int(line) for line in written]
    assert run_killed(partial(ACTS[act], source), root, lines, TRACED) == [line != 0 for line in lines]
