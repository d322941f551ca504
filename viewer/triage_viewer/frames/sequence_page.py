"""Everything that the store and the review database know of one sequence, put together.

What lives here: which source says what, and going on without one that cannot be read. What does not: the form in which
it is shown (`answers`).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import numpy as np

from triage_assets.annotator.records import Detection, Sequence
from triage_assets.errors import (
    BacklogError,
    ImageError,
    NotStored,
    NoWorklists,
    PackageError,
    ReviewError,
    ShardError,
    StoreError,
    TriageError,
)
from triage_assets.images import decode_rgb
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionReader
from triage_assets.review.records import Group, SequenceState
from triage_assets.shards.meta import SequenceMeta
from triage_assets.store import Store
from triage_viewer.backlog.live import LiveBacklog
from triage_viewer.backlog.load import StoredBacklog as Listed
from triage_viewer.backlog.rows import take_rows
from triage_viewer.frames.library import FrameLibrary
from triage_viewer.frames.records import LiveFrame, LiveSequence
from triage_viewer.frames.slots import frames_of_slots, n_frames_shown
from triage_viewer.frames.stored_backlog import StoredBacklog
from triage_viewer.frames.stored_scores import StoredScore, StoredScores

logger = logging.getLogger(__name__)

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class PageFrame:
    """A frame: what a shard has of it, what the backlog says of it, or both."""

    detection_id: int
    recorded_at: datetime
    stored: LiveFrame | None
    detection: Detection | None


@dataclass(frozen=True, slots=True)
class ModelWord:
    """What a model says. ``slots`` are the frames that it was shown, None where they cannot be told any more."""

    score: StoredScore
    is_current: bool
    is_listed: bool
    caution: str | None
    slots: tuple[PageFrame, ...] | None


@dataclass(frozen=True, slots=True)
class SequencePage:
    """One sequence. ``notices`` say what is missing here because it could not be read."""

    sequence_id: int
    organization_key: str
    backlog: Sequence | None
    meta: SequenceMeta | None
    frames: tuple[PageFrame, ...]
    state: SequenceState | None
    group: Group | None
    results: Mapping[str, Any] | None
    threshold: float | None
    models: tuple[ModelWord, ...]
    notices: tuple[str, ...]


class SequencePages:
    """Pages of single sequences. May be asked by many threads at once."""

    def __init__(self, store: Store, review: ReviewDatabase, library: FrameLibrary, worklists: LiveBacklog) -> None:
        self._review = review
        self._library = library
        self._backlog = StoredBacklog(store)
        self._scores = StoredScores(store)
        self._worklists = worklists

    def load(self, sequence_id: int) -> SequencePage:
        """One sequence's page. Raises `NotStored` where nothing has ever been heard of it.

        Where something of it cannot be read the page says so; where nothing can, the first error is raised.
        """
        sources = _Sources()
        state, group = sources.ask("review database", lambda: self._look_up(sequence_id)) or (None, None)
        live = sources.ask("shards", lambda: self._library.sequence(sequence_id))
        key = live.meta.organization_key if live else state.organization_key if state else None
        found = sources.ask("backlog", lambda: self._backlog.find(sequence_id, key))
        if found is None and live is None:
            sources.fail_unless_complete()
            raise NotStored(
                f"There is no sequence {sequence_id} in the store",
                do="Run `triage pull` to fetch what is new, or check the number.",
            )
        backlog = found[1] if found else None
        frames = _join(live, backlog)
        listed = sources.ask("worklists", self._load_listed)
        cautions = {} if listed is None else {model.name: model.caution for model in listed.record.models}
        return SequencePage(
            sequence_id=sequence_id,
            organization_key=found[0] if found else key or "",
            backlog=backlog,
            meta=sources.ask("shards", lambda: self._library.read_meta(live)) if live else None,
            frames=frames,
            state=state,
            group=group,
            results=None if listed is None else _find_listed(listed, sequence_id),
            threshold=None if listed is None else listed.record.threshold,
            models=sources.ask("predictions", lambda: self._models(sequence_id, backlog, frames, cautions, sources))
            or (),
            notices=tuple(sources.notices),
        )

    def _look_up(self, sequence_id: int) -> tuple[SequenceState | None, Group | None]:
        with self._review.read() as connection:
            read = DecisionReader(connection)
            state = read.sequences([sequence_id]).get(sequence_id)
            return state, read.group(state.group_id) if state and state.group_id is not None else None

    def _load_listed(self) -> Listed | None:
        try:
            return self._worklists.current().stored
        except NoWorklists:
            return None

    def _models(
        self,
        sequence_id: int,
        backlog: Sequence | None,
        frames: tuple[PageFrame, ...],
        listed: Mapping[str, str | None],
        sources: "_Sources",
    ) -> tuple[ModelWord, ...]:
        words = []
        for name in sorted(self._scores.models(), key=lambda name: (name not in listed, name)):
            score = sources.ask(f"predictions of {name}", partial(self._scores.find, name, sequence_id))
            if score is not None:
                row = backlog.row if backlog else None
                is_current = row is None or score.is_of(row.last_seen_at, len(backlog.detections if backlog else ()))
                slots = self._slots(score, frames) if is_current else None
                words.append(ModelWord(score, is_current, name in listed, listed.get(name), slots))
        return tuple(words)

    def _slots(self, score: StoredScore, frames: tuple[PageFrame, ...]) -> tuple[PageFrame, ...] | None:
        if score.details is None:
            return None
        preprocessing = score.details["preprocessing"]
        in_backlog = any(frame.detection for frame in frames)
        usable = [frame for frame in frames if frame.stored and frame.stored.image]
        usable = [frame for frame in usable if frame.detection or not in_backlog]
        if len(usable) != preprocessing["num_frames_input"]:
            # An index calls usable what has an image's header; scoring leaves out what then cannot be decoded.
            usable = [frame for frame in usable if self._is_image(frame)]
        is_enough = n_frames_shown(preprocessing) <= len(usable)
        return frames_of_slots(preprocessing, usable) if usable and is_enough else None

    def _is_image(self, frame: PageFrame) -> bool:
        assert frame.stored is not None
        try:
            decode_rgb(self._library.read(frame.stored).data)
        except (ImageError, ShardError, StoreError, NotStored):
            return False
        return True


class _Sources:
    """Asks for what can be done without, and notes what could not be had."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self._failures: list[TriageError] = []

    def ask(self, source: str, question: Callable[[], _Found]) -> _Found | None:
        """The answer, None where there is none to be had."""
        try:
            return question()
        except NotStored:
            return None
        except (BacklogError, ShardError, StoreError, ReviewError, PackageError) as error:
            logger.warning("%s: %s", source, error)
            self._failures.append(error)
            notice = f"The {source} cannot be read: what they say is missing here. {_remedy(source)}"
            if notice not in self.notices:
                self.notices.append(notice)
            return None

    def fail_unless_complete(self) -> None:
        """Raise the first failure: where something could not be read, that nothing was found says nothing."""
        if self._failures:
            raise self._failures[0]


def _find_listed(listed: Listed, sequence_id: int) -> Mapping[str, Any] | None:
    """The sequence's row as it was split, None where it is not listed."""
    place = listed.table.place_of(sequence_id)
    if place is None:
        return None
    row: dict[str, Any] = take_rows(listed.table, np.array([place], np.int32), listed.record.threshold).to_pylist()[0]
    return row


def _remedy(source: str) -> str:
    if source == "shards":
        return "Run `triage shards verify`."
    return (
        "The server's log says why." if source == "review database" else "Run `triage run`; the server's log says why."
    )


def _join(live: LiveSequence | None, backlog: Sequence | None) -> tuple[PageFrame, ...]:
    """Each frame that a shard or the backlog has, once, in time order: the backlog's where both tell it."""
    stored = {frame.detection_id: frame for frame in (live.frames if live else ())}
    detections = {detection.id: detection for detection in (backlog.detections if backlog else ())}
    frames = []
    for detection_id in stored.keys() | detections.keys():
        detection, frame = detections.get(detection_id), stored.get(detection_id)
        at = detection.recorded_at if detection else frame.recorded_at if frame else None
        assert at is not None
        frames.append(PageFrame(detection_id, at, frame, detection))
    return tuple(sorted(frames, key=lambda frame: (frame.recorded_at, frame.detection_id)))
