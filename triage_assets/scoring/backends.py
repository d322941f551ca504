"""Where scoring runs: sequences to score in, what came of each out, whatever does the work in between.

What lives here: the interface, its implementation in this process, and reading frames out of shards. What does not:
what is to be scored (`planning`) and where results are kept (`predictions`).
"""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from triage_assets.errors import ImageError, ScoringError, ShardError, StoreError
from triage_assets.scoring.failures import failing_alone
from triage_assets.scoring.planning import SequenceTask
from triage_assets.scoring.records import (
    DETECTOR_BUNDLED,
    INCOMPLETE,
    PREDICT_FAILED,
    FrameInput,
    ScoringBox,
    SequenceInput,
    SequenceScore,
)
from triage_assets.store import Store

if TYPE_CHECKING:
    from triage_assets.scoring.engine import ScoringEngine

logger = logging.getLogger(__name__)

BoxFinder = Callable[[bytes], tuple[ScoringBox, ...]]

# Between two frames of a sequence lie a header and padding only; more than this between them is something else.
_GAP_BYTES = 4096


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What came of one task: a score, or a reason to drop it with the error's text.

    The reason is ``predict_failed`` where scoring failed, which is worth keeping, and ``incomplete`` where the frames
    could not be read, which the next run tries again.
    """

    task: SequenceTask
    score: SequenceScore | None
    dropped_reason: str | None = None
    dropped_error: str | None = None


class ScoringBackend(Protocol):
    """Something that scores sequences and gives each back with what came of it, in any order."""

    def score(self, tasks: Iterable[SequenceTask]) -> Iterator[TaskOutcome]:
        """Score the tasks, reading them no further ahead than needed."""


class LocalBackend:
    """Scores in this process. The model is loaded with the first task, and not at all without one."""

    def __init__(
        self,
        store: Store,
        model: Path,
        *,
        detector: str,
        allow_uncalibrated: bool = False,
        allow_unsafe_load: bool = False,
        device: str = "cpu",
    ) -> None:
        self._store = store
        self._model = model
        self._detector = detector
        self._allow_uncalibrated = allow_uncalibrated
        self._allow_unsafe_load = allow_unsafe_load
        self._device = device
        self._engine: ScoringEngine | None = None
        self._find_boxes: BoxFinder | None = None

    def score(self, tasks: Iterable[SequenceTask]) -> Iterator[TaskOutcome]:
        """Score the tasks in order; frames of the next ones are read and decoded beside the network."""
        engine = self._load()
        under_way: deque[SequenceTask] = deque()
        unprepared: deque[TaskOutcome] = deque()

        def inputs() -> Iterator[SequenceInput]:
            for task in tasks:
                try:
                    with failing_alone(f"sequence {task.sequence_id}", StoreError, ShardError):
                        sequence = read_sequence(self._store, task, self._find_boxes)
                except (StoreError, ShardError) as error:
                    logger.warning("Sequence %d cannot be read: %s", task.sequence_id, error)
                    unprepared.append(TaskOutcome(task, None, INCOMPLETE, str(error)))
                    continue
                except ScoringError as error:
                    unprepared.append(TaskOutcome(task, None, PREDICT_FAILED, str(error)))
                    continue
                under_way.append(task)
                yield sequence

        for outcome in engine.score(inputs()):
            yield from _drain(unprepared)
            task = under_way.popleft()
            if outcome.error is None:
                yield TaskOutcome(task, outcome.score)
            else:
                yield TaskOutcome(task, None, PREDICT_FAILED, str(outcome.error))
        yield from _drain(unprepared)

    def close(self) -> None:
        """End the engine's threads."""
        if self._engine is not None:
            self._engine.close()

    def _load(self) -> "ScoringEngine":
        if self._engine is None:
            from triage_assets.scoring.engine import ScoringEngine
            from triage_assets.scoring.package import load_package

            package = load_package(
                self._model,
                allow_uncalibrated=self._allow_uncalibrated,
                allow_unsafe_load=self._allow_unsafe_load,
            )
            if self._detector == DETECTOR_BUNDLED:
                from triage_assets.scoring.detector import load_detector

                self._find_boxes = load_detector(package, allow_unsafe_load=self._allow_unsafe_load)
            self._engine = ScoringEngine(package, self._device)
        return self._engine


def read_sequence(store: Store, task: SequenceTask, find_boxes: BoxFinder | None = None) -> SequenceInput:
    """The frames of a task from their shard, in one read where they lie together.

    With ``find_boxes`` the boxes are those it finds in each image; an image that it cannot decode has none, and the
    engine will leave it out. Raises `StoreError` where the shard cannot be read, and `ShardError` where a frame's bytes
    are not those of the index.
    """
    frames = []
    for frame, image in zip(task.frames, _read_images(store, task), strict=True):
        if hashlib.sha256(image).hexdigest() != frame.sha256:
            path = shard_path(task.organization_key, frame.shard)
            raise ShardError(
                f"Shard {path} does not hold frame {frame.detection_id} where its index says",
                found=f"other bytes at offset {frame.offset}",
                expected=f"{frame.size} bytes with SHA-256 {frame.sha256}",
                do="Run `triage shards verify`, then `triage shards reindex`.",
            )
        frames.append(FrameInput(image, frame.boxes if find_boxes is None else _detect(find_boxes, image)))
    return SequenceInput(f"sequence {task.sequence_id}", tuple(frames))


def _read_images(store: Store, task: SequenceTask) -> list[bytes]:
    first = min(task.frames, key=lambda frame: frame.offset)
    end = max(frame.offset + frame.size for frame in task.frames)
    payload = sum(frame.size for frame in task.frames)
    is_together = end - first.offset <= payload + _GAP_BYTES * len(task.frames)
    if is_together and all(frame.shard == first.shard for frame in task.frames):
        path = shard_path(task.organization_key, first.shard)
        data = memoryview(store.read_range(path, first.offset, end - first.offset))
        starts = [frame.offset - first.offset for frame in task.frames]
        return [bytes(data[start : start + frame.size]) for start, frame in zip(starts, task.frames, strict=True)]
    paths = [shard_path(task.organization_key, frame.shard) for frame in task.frames]
    return [store.read_range(path, frame.offset, frame.size) for path, frame in zip(paths, task.frames, strict=True)]


def shard_path(organization_key: str, shard: str) -> str:
    """Where a shard's tar is in the store. Says the same as the shards' own rule, which a test holds against it."""
    return f"shards/organization={organization_key}/{shard}.tar"


def _detect(find_boxes: BoxFinder, image: bytes) -> tuple[ScoringBox, ...]:
    try:
        return find_boxes(image)
    except ImageError:
        return ()


def _drain(outcomes: deque[TaskOutcome]) -> Iterator[TaskOutcome]:
    while outcomes:
        yield outcomes.popleft()
