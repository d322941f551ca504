"""What a folder to import consists of: which layouts it has, and the sequences in them.

What lives here: finding the layouts below a folder, and the list of sequences with those that are left out. What does
not: reading the files of a layout (`sources`, `packed`), and what becomes of the sequences (`importing`).
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from triage_assets.errors import ExchangeError
from triage_assets.exchange.packed import MANIFEST, PackedShards
from triage_assets.exchange.sources import LooseFiles, Place, Source, load_sequence
from triage_assets.progress import Progress

_LOOSE = "01_raw/sequences"
_PACKED = "02_shards/frames"


@dataclass(frozen=True, slots=True)
class Contents:
    """What can be imported from a folder: places by partition key, in order of id; and what cannot, and why."""

    places: dict[str, list[Place]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def n_sequences(self) -> int:
        """How many sequences can be imported."""
        return sum(map(len, self.places.values()))


def open_sources(folder: Path) -> list[Source]:
    """The layouts below a folder, the loose files first. Raises `ExchangeError` where there is none of them."""
    try:
        return _find_layouts(folder)
    except OSError as error:
        raise ExchangeError(
            f"{folder} cannot be imported", found=error.strerror or str(error), do="Check its owner and permissions."
        ) from None


def _find_layouts(folder: Path) -> list[Source]:
    if not folder.is_dir():
        raise ExchangeError(
            f"{folder} cannot be imported",
            found="no such folder" if not folder.exists() else "a file",
            expected="a folder",
            do="Correct the path.",
        )
    sources: list[Source] = []
    for base in (folder / "data", folder):
        if (base / _LOOSE).is_dir():
            sources.append(LooseFiles(base / _LOOSE))
        if (base / _PACKED / MANIFEST).is_file():
            sources.append(PackedShards(base / _PACKED))
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
            expected=f"{_LOOSE} or {_PACKED}/{MANIFEST}, perhaps below data/, or <organization>/<camera>/seq_<id>",
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
