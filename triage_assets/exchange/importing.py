"""Taking a folder into a store: frames into shards, sequences into the backlog, scores beside those of models.

What lives here: what is compared before anything is written, the order of writing, and the report. What does not:
reading the folder (`survey`), and what the scores are (`imported_scores`).

A sequence is imported whole or not at all. Shards come first, then the backlog that names their sequences, then scores:
an import that is killed anywhere is gone on with by the next, and leaves nothing that shows half a sequence.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from triage_assets.annotator.merging import add_sequences
from triage_assets.annotator.records import DownloadedFrame, DownloadedSequence, Sequence, WantedSequence
from triage_assets.annotator.snapshot import read_snapshot, stored_keys
from triage_assets.errors import ExchangeError, ImageError, NewerFormat, ShardError, StoreError, StoreUnwritable
from triage_assets.exchange.held_frames import HeldFrames
from triage_assets.exchange.imported_scores import ScoresImport, import_scores
from triage_assets.exchange.loose_meta import LooseSequence
from triage_assets.exchange.sources import Place
from triage_assets.exchange.survey import Contents, open_sources, survey
from triage_assets.images import inspect_image
from triage_assets.progress import Progress, report_progress
from triage_assets.shards.packing import pack_frames
from triage_assets.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import found and did.

    ``n_imported`` sequences are in the store's backlog and shards now, of which ``n_added`` were not in the backlog
    before; ``left_out`` says of everything else why not, by its place in the folder, or all at once of an organization
    of which the store cannot be read. ``n_frames_new`` are in shards that this import has written, and were in none
    before. ``n_without_boxes`` came without a word on which boxes they have.
    """

    n_imported: int
    n_added: int
    n_frames: int
    n_frames_new: int
    n_without_boxes: int
    scores: tuple[ScoresImport, ...]
    left_out: Mapping[str, str]

    @property
    def changed(self) -> bool:
        """Whether the store is other than before."""
        return bool(
            self.n_added or self.n_frames_new or any(model.n_added or model.is_repaired for model in self.scores)
        )


def import_folder(store: Store, folder: Path, progress: Progress | None = None) -> ImportReport:
    """Import what a folder holds and the store does not; what the store has stays as it is.

    An organization of which the store cannot be read is left out, the others are imported. Raises `ExchangeError` for a
    folder that holds nothing to import, `StoreError` for a store that cannot be written, or that cannot be listed.
    """
    progress = progress or report_progress(_log.info)
    sources = open_sources(folder)
    try:
        contents = survey(sources, progress)
        if not contents.n_sequences and not contents.left_out:
            raise ExchangeError(
                f"{folder} holds no sequence",
                found="no folder <organization>/<camera>/seq_<id>",
                do="Copy it again, or name the folder that holds them.",
            )
        return _import_contents(store, folder, contents, progress)
    finally:
        for source in sources:
            source.close()


def _import_contents(store: Store, folder: Path, contents: Contents, progress: Progress) -> ImportReport:
    left_out = dict(contents.left_out)
    listed, damaged = _list_backlogs(store)
    for key in damaged.keys() - contents.places.keys():
        left_out[f"organization {key}"] = f"what was imported is not compared with its backlog: {damaged[key]}"
    imported: list[Place] = []
    n_added = n_new = n_done = 0
    for key, found in sorted(contents.places.items()):
        elsewhere = {which: other for other, ids in listed.items() if other != key for which in ids}
        tell = _Telling(progress, n_done, contents.n_sequences)
        n_done += len(found)
        try:
            if key in damaged:
                raise damaged[key]
            done = _import_organization(store, key, found, elsewhere, tell)
        except (NewerFormat, StoreUnwritable):
            raise
        except (ShardError, StoreError) as error:
            left_out[f"organization {key}"] = f"nothing of it is imported ({len(found):,} in the folder): {error}"
            continue
        left_out |= done.left_out
        imported += done.places
        n_added += done.n_added
        n_new += done.n_frames_new
    scores, unscored = import_scores(store, folder, frozenset(place.sequence_id for place in imported), progress)
    return ImportReport(
        n_imported=len(imported),
        n_added=n_added,
        n_frames=sum(place.n_frames for place in imported),
        n_frames_new=n_new,
        n_without_boxes=sum(not place.has_known_boxes for place in imported),
        scores=scores,
        left_out=unscored | left_out,
    )


def _list_backlogs(store: Store) -> tuple[dict[str, frozenset[int]], dict[str, StoreError]]:
    """The sequences in the backlog of each organization, and what is wrong with those that cannot be read."""
    listed: dict[str, frozenset[int]] = {}
    damaged: dict[str, StoreError] = {}
    for key in stored_keys(store):
        try:
            # All of it: it is to be known before frames are packed whether it can be added to.
            stored = read_snapshot(store, key)
            listed[key] = frozenset(() if stored is None else stored["sequence_id"].to_pylist())
        except NewerFormat:
            raise
        except StoreError as error:
            damaged[key] = error
    return listed, damaged


@dataclass(frozen=True, slots=True)
class _Imported:
    """What was imported of one organization, and what was not; ``n_frames_new`` are those that no shard held."""

    places: tuple[Place, ...]
    n_added: int
    n_frames_new: int
    left_out: Mapping[str, str]


def _import_organization(
    store: Store, key: str, found: list[Place], elsewhere: Mapping[int, str], tell: "_Telling"
) -> _Imported:
    """Raises `ShardError` and `StoreError` where what the store has of the organization cannot be read or written."""
    left_out: dict[str, str] = {}
    held = HeldFrames(store, key)
    agreeing = []
    for number, place in enumerate(found, 1):
        if fault := _find_conflict(place, held, elsewhere):
            left_out[place.name] = fault
        else:
            agreeing.append(place)
        tell("compared", number)
    if not agreeing:
        return _Imported((), 0, 0, left_out)
    places = _Places(agreeing, lambda number: tell("sequences", len(found) - len(agreeing) + number))
    packed = pack_frames(store, key, places, _Reading(places, held), retry_unusable=True)
    left_out |= {places.by_id[which].name: why for which, why in packed.incomplete.items()}
    whole = tuple(place for place in agreeing if place.sequence_id not in packed.incomplete)
    n_added = 0
    if whole:
        first = whole[0].load()
        n_added = add_sequences(store, key, first.backlog.row.organization_name, first.stage, _InBacklog(whole))
    return _Imported(whole, n_added, held.count_new(packed.shards_written), left_out)


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells how far the import is, of one organization after the ``n_before`` sequences of others."""

    progress: Progress
    n_before: int
    n_sequences: int

    def __call__(self, unit: str, number: int) -> None:
        self.progress(unit, self.n_before + number, self.n_sequences)


class _Places:
    """Sequences of one organization as they are packed, read from the folder as often as they are asked for."""

    def __init__(self, places: Iterable[Place], tell: Callable[[int], None]) -> None:
        self.by_id = {place.sequence_id: place for place in places}
        self._tell = tell

    def __iter__(self) -> Iterator[Sequence]:
        for number, place in enumerate(self.by_id.values(), 1):
            self._tell(number)
            sequence = place.load()
            named = {detection.id for detection in sequence.frames}
            # A frame that the backlog has and the folder does not is asked for too, and found to be missing.
            others = (detection for detection in sequence.backlog.detections if detection.id not in named)
            yield Sequence(sequence.backlog.row, (*sequence.frames, *others))


@dataclass(frozen=True, slots=True)
class _InBacklog:
    """The same, as the backlog has them."""

    places: tuple[Place, ...]

    def __iter__(self) -> Iterator[Sequence]:
        return (place.load().backlog for place in self.places)


def _find_conflict(place: Place, held: HeldFrames, elsewhere: Mapping[int, str]) -> str | None:
    """What the store says otherwise than the folder, None where they agree as far as both know the sequence."""
    if place.sequence_id in elsewhere:
        return f"the store has it in the backlog of another organization: {elsewhere[place.sequence_id]}"
    digests = held.digests(place.sequence_id)
    if not digests:
        return None
    try:
        sequence = place.load()
        for detection_id in digests.keys() & sequence.files.keys():
            found = sequence.sha256.get(detection_id) or _digest(place.read_image(sequence.files[detection_id]))
            if found != digests[detection_id]:
                expected = digests[detection_id]
                return f"the store holds frame {detection_id} with other bytes: sha256 {expected}, not {found}"
    except ExchangeError as error:
        return error.what
    return None


class _Reading:
    """The frames that no shard holds, from the folder; stands where a pull downloads."""

    def __init__(self, places: _Places, held: HeldFrames) -> None:
        self._places = places
        self._held = held

    def __call__(self, wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
        for item in wanted:
            place = self._places.by_id[item.sequence.id]
            sequence, known = place.load(), self._held.reasons(item.sequence.id)
            frames: list[DownloadedFrame] = []
            unusable: dict[int, str] = {}
            failed: dict[int, str] = {}
            for detection in item.sequence.detections:
                if detection.id in item.held:
                    continue
                if detection.id in sequence.unusable:
                    unusable[detection.id] = known.get(detection.id, sequence.unusable[detection.id])
                    continue
                try:
                    frames.append(_read_frame(place, sequence, detection.id))
                except ExchangeError as error:
                    failed[detection.id] = error.what
            yield DownloadedSequence(item, tuple(frames), unusable, failed)


def _read_frame(place: Place, sequence: LooseSequence, detection_id: int) -> DownloadedFrame:
    """A frame's image, proven to be one, and the one that was exported. Raises `ExchangeError`."""
    file = sequence.files.get(detection_id)
    if file is None:
        raise ExchangeError(f"frame {detection_id} has no file")
    image = place.read_image(file)
    digest = _digest(image)
    if digest != sequence.sha256.get(detection_id, digest):
        raise ExchangeError(f"{file} has other bytes than were exported: sha256 {digest}")
    try:
        size = inspect_image(image)
    except ImageError as error:
        raise ExchangeError(f"{file}: {error}") from None
    return DownloadedFrame(detection_id, image, digest, size.width_px, size.height_px)


def _digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()
