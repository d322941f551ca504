"""A store of each kind for tests of what they have in common, and how to look behind it.

The bucket is on the server of `tests.s3_server`.
"""

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from tests.s3_server import PLAIN, S3Server
from triage_assets.folder_store import FolderStore
from triage_assets.store import Store, open_store

ROOT = Path(__file__).parents[1]
KINDS = ("folder", "bucket")
_PREFIX = "some/prefix"


@dataclass(frozen=True)
class Place:
    """Where a store is; ``server`` where that is in a bucket."""

    location: str
    server: S3Server | None = None

    @property
    def store(self) -> Store:
        return open_store(self.location)

    def objects(self) -> list[str]:
        """The paths of everything that has a name."""
        return [name for name in self._names() if not name.endswith((".lock", ".tmp", "-probe"))]

    def unfinished(self) -> list[str]:
        """The names of writes under way, or left behind."""
        if self.server is not None:
            return [name.removeprefix(f"{_PREFIX}/") for name in self.server.uploads()]
        return [name for name in self._names() if name.endswith(".tmp")]

    def bury_writers(self) -> None:
        """Have it show that the writers which are dead are so: in a bucket, only time tells."""
        if self.server is not None:
            from triage_assets.bucket_store import LEFTOVER_AGE

            self.server.let_pass(LEFTOVER_AGE + timedelta(seconds=2))

    def _names(self) -> list[str]:
        if self.server is not None:
            return [name.removeprefix(f"{_PREFIX}/") for name in self.server.stored_keys()]
        root = Path(self.location)
        return sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a new store of each kind will be."""
    return make_place(request, request.param, tmp_path)


def make_place(request: pytest.FixtureRequest, kind: str, folder: Path) -> Place:
    """Where a new store of one kind will be."""
    if kind == "folder":
        return Place(str(folder / "store"))
    return Place(f"s3://{PLAIN}/{_PREFIX}", request.getfixturevalue("s3"))


class OvertakenStore(FolderStore):
    """A folder in which another run acts once, right before one file is written."""

    def __init__(self, root: Path, path: str, act: Callable[[], object]) -> None:
        super().__init__(root)
        self._path = path
        self._acts = [act]

    @override
    def write(self, path: str, data: bytes) -> None:
        if path == self._path and self._acts:
            self._acts.pop()()
        super().write(path, data)


@contextlib.contextmanager
def other_process(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another Python with a ``store`` at the first of the arguments; killed at the end."""
    source = "import sys\nfrom triage_assets.store import open_store\nstore = open_store(sys.argv[1])\n"
    process = subprocess.Popen(
        [sys.executable, "-c", source + textwrap.dedent(program), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
