"""Where the files of sequences to import are, and reading them without following a name to anywhere else.

What lives here: what every source can be asked, files that lie loose, and one sequence in either. What does not: the
archives (`packed`), and which sources a folder has, and which sequences they have (`survey`).
"""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from triage_assets.errors import ExchangeError
from triage_assets.exchange.loose_meta import MOST_META_BYTES, LooseSequence, decode_loose_meta
from triage_assets.shards.meta import META_NAME

# As much as a pull takes for an image, and 600 times as much as cameras send.
MOST_IMAGE_BYTES = 64_000_000


class Source(ABC):
    """Sequences' folders by their names, ``<organization>/<camera>/seq_<id>``, and the files in them.

    ``left_out`` says of what is there and no sequence why not.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.left_out: dict[str, str] = {}

    @abstractmethod
    def folders(self) -> Iterator[str]:
        """The folders of all sequences. Raises `ExchangeError` where they cannot be listed."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """The size of a file in bytes, None where there is no such file."""

    @abstractmethod
    def read(self, path: str, most_bytes: int) -> bytes:
        """A whole file of at most so many bytes. Raises `ExchangeError`, saying what is the matter with it."""

    @abstractmethod
    def close(self) -> None:
        """Give up what is open."""

    @abstractmethod
    def refusal(self, path: str) -> str | None:
        """Why a file is not taken that is there all the same, None for any other.

        Whoever asks reports it: it is then not in ``left_out`` as well.
        """


class LooseFiles(Source):
    """Files as they are. A link is followed: the folder is its owner's, and may well keep its files elsewhere."""

    def __init__(self, root: Path) -> None:
        super().__init__(root.name)
        self._root = root

    @override
    def folders(self) -> Iterator[str]:
        for organization in self._subfolders(""):
            for camera in self._subfolders(organization):
                yield from (folder for folder in self._subfolders(camera) if folder.rpartition("/")[2][:4] == "seq_")

    @override
    def size(self, path: str) -> int | None:
        try:
            found = (self._root / path).stat()
        except (OSError, ValueError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @override
    def read(self, path: str, most_bytes: int) -> bytes:
        name = path.rpartition("/")[2]
        try:
            # A pipe would be waited for.
            descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise ExchangeError(f"{name} is no file")
                require_size(name, found.st_size, most_bytes)
                return file.read(most_bytes)
        except OSError as error:
            raise ExchangeError(f"{name} cannot be read: {error.strerror or error}") from None

    @override
    def close(self) -> None:
        pass

    @override
    def refusal(self, path: str) -> str | None:
        return None

    def _subfolders(self, folder: str) -> list[str]:
        try:
            found = sorted(entry.name for entry in os.scandir(self._root / folder) if entry.is_dir())
            return [f"{folder}/{name}" if folder else name for name in found if _is_text(name)]
        except OSError as error:
            self.left_out[f"{self.name}/{folder}"] = f"the folder cannot be read: {error.strerror or error}"
            return []


def require_size(name: str, size: int, most_bytes: int) -> None:
    """Refuse a file that is too large to be what it is said to be. Raises `ExchangeError`."""
    if size > most_bytes:
        raise ExchangeError(f"{name} has {size:,} bytes, and at most {most_bytes:,} are read")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sequence is, and what is known of it at any time: the rest is read from there when it is needed."""

    source: Source
    folder: str
    sequence_id: int
    key: str
    n_frames: int
    has_known_boxes: bool

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.source.name}/{self.folder}"

    def load(self) -> LooseSequence:
        """The sequence by its meta.json. Raises `ExchangeError`."""
        return load_sequence(self.source, self.folder)

    def read_image(self, file: str) -> bytes:
        """An image of the sequence. Raises `ExchangeError`."""
        return self.source.read(self.find(file), MOST_IMAGE_BYTES)

    def find(self, file: str) -> str:
        """The path of a file that meta.json names, which may or may not begin with images/. Raises `ExchangeError`."""
        paths = (f"{self.folder}/{file}", f"{self.folder}/images/{file}")
        for path in paths:
            if self.source.size(path) is not None:
                return path
        refusal = next(filter(None, map(self.source.refusal, paths)), None)
        raise ExchangeError(f"{file} is {refusal or 'missing'}")


def load_sequence(source: Source, folder: str) -> LooseSequence:
    """The sequence in a folder, by its meta.json. Raises `ExchangeError`."""
    path = f"{folder}/{META_NAME}"
    if source.size(path) is None:
        refusal = source.refusal(path)
        raise ExchangeError(f"its {META_NAME} is {refusal}" if refusal else f"it has no {META_NAME}")
    return decode_loose_meta(source.read(path, MOST_META_BYTES), folder.rpartition("/")[2])
