"""What a folder to import consists of: sequences in loose files, in the older packed archives, or both.

What lives here: finding the layouts below a folder, reading files of either without following a name to anywhere else,
and the list of sequences with those that are left out. What does not: the archives (`packed`), and what becomes of the
sequences (`importing`).
"""

import os
import stat
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from typing_extensions import override

from triage_assets.errors import ExchangeError
from triage_assets.exchange.loose_meta import MOST_META_BYTES, LooseSequence, decode_loose_meta
from triage_assets.progress import Progress
from triage_assets.shards.meta import META_NAME

# As much as a pull takes for an image, and 600 times as much as cameras send.
MOST_IMAGE_BYTES = 64_000_000
LOOSE = "01_raw/sequences"
PACKED = "02_shards/frames"
MANIFEST = "manifest.json"


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
        for path in (f"{self.folder}/{file}", f"{self.folder}/images/{file}"):
            if self.source.size(path) is not None:
                return path
        raise ExchangeError(f"{file} is missing")


@dataclass(frozen=True, slots=True)
class Contents:
    """What can be imported from a folder: places by partition key, in order of id; and what cannot, and why."""

    places: dict[str, list[Place]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def n_sequences(self) -> int:
        """How many sequences can be imported."""
        return sum(map(len, self.places.values()))


def load_sequence(source: Source, folder: str) -> LooseSequence:
    """The sequence in a folder, by its meta.json. Raises `ExchangeError`."""
    path = f"{folder}/{META_NAME}"
    if source.size(path) is None:
        raise ExchangeError(f"it has no {META_NAME}")
    return decode_loose_meta(source.read(path, MOST_META_BYTES), folder.rpartition("/")[2])


def open_sources(folder: Path) -> list[Source]:
    """The layouts below a folder, the loose files first. Raises `ExchangeError` where there is none of them."""
    try:
        return _find_layouts(folder)
    except OSError as error:
        raise ExchangeError(
            f"{folder} cannot be imported", found=error.strerror or str(error), do="Check its owner and permissions."
        ) from None


def _find_layouts(folder: Path) -> list[Source]:
    # Built on this module.
    from triage_assets.exchange.packed import PackedShards

    if not folder.is_dir():
        raise ExchangeError(
            f"{folder} cannot be imported",
            found="no such folder" if not folder.exists() else "a file",
            expected="a folder",
            do="Correct the path.",
        )
    sources: list[Source] = []
    for base in (folder / "data", folder):
        if (base / LOOSE).is_dir():
            sources.append(LooseFiles(base / LOOSE))
        if (base / PACKED / MANIFEST).is_file():
            sources.append(PackedShards(base / PACKED))
    if not sources and (folder / MANIFEST).is_file():
        sources.append(PackedShards(folder))
    if not sources and any(folder.glob("*/*/seq_*")):
        sources.append(LooseFiles(folder))
    if not sources:
        entries = sorted(entry.name for entry in folder.iterdir())
        raise ExchangeError(
            f"{folder} holds nothing that can be imported",
            found=", ".join(entries[:8]) + (f" and {len(entries) - 8} more" if entries[8:] else "")
            or "an empty folder",
            expected=f"{LOOSE} or {PACKED}/{MANIFEST}, perhaps below data/, or <organization>/<camera>/seq_<id>",
            do="Name the folder that holds them.",
        )
    return sources


def survey(sources: list[Source], progress: Progress) -> Contents:
    """Every sequence of the sources, by its meta.json and the names of its files; no image is read.

    A sequence that is in loose files is not looked for in archives, which were packed from them. Two of one source with
    the same id, or with a frame of the same id, are both left out: which of them is right cannot be told.
    """
    contents = Contents()
    found: dict[int, list[Place]] = defaultdict(list)
    owners: list[int] = []
    detections: list[int] = []
    n_seen = 0
    for source in sources:
        of_others = frozenset(found)
        for folder in source.folders():
            n_seen += 1
            progress("folders", n_seen, None)
            try:
                sequence = load_sequence(source, folder)
                if sequence.id in of_others:
                    continue
                n_frames, has_boxes = len(sequence.files), sequence.has_known_boxes
                place = Place(source, folder, sequence.id, sequence.key, n_frames, has_boxes)
                for file in sequence.files.values():
                    place.find(file)
            except ExchangeError as error:
                contents.left_out[f"{source.name}/{folder}"] = error.what
                continue
            found[sequence.id].append(place)
            owners += [sequence.id] * len(sequence.frames)
            detections += (frame.id for frame in sequence.frames)
        contents.left_out.update(source.left_out)
    doubtful = _share_a_frame(np.array(owners, np.int64), np.array(detections, np.int64))
    for sequence_id, places in sorted(found.items()):
        names = " and ".join(place.name for place in places)
        for place in places:
            if len(places) > 1:
                contents.left_out[place.name] = f"its id is there more than once: {names}"
            elif sequence_id in doubtful:
                contents.left_out[place.name] = doubtful[sequence_id]
            else:
                contents.places.setdefault(place.key, []).append(place)
    return contents


def _share_a_frame(
    owners: "np.ndarray[tuple[int], np.dtype[np.int64]]", detections: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> dict[int, str]:
    """The sequences that have a detection of another one's id, and which."""
    pairs = np.unique(np.stack([detections, owners], axis=1), axis=0) if len(owners) else np.empty((0, 2), np.int64)
    ids, counts = np.unique(pairs[:, 0], return_counts=True)
    shared = pairs[np.isin(pairs[:, 0], ids[counts > 1])]
    return {
        int(owner): f"its frame {detection} is another sequence's too" for detection, owner in shared[::-1].tolist()
    }
