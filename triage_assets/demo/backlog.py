"""The demo's backlog: its sequences and detections, and what changes in it while a server shows it.

What lives here: identities, times, stages and mutations, safe to use from several threads. What does not: the JSON form
of any of it (`answers`), or the pictures (`render`).
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from triage_assets.annotator.records import Box, Organization
from triage_assets.demo.detections import FRAME_GAP_SECONDS, report_frame
from triage_assets.demo.places import VIEWS, Camera, View, random_stream
from triage_assets.demo.scenes import SMOKE_KINDS, Scene, Thing, build_scene

READY = "ready_to_annotate"
OTHER_STAGES = ("annotated", "seq_annotation_done", "imported", "no_annotation")
EPOCH = datetime(2026, 6, 1, tzinfo=UTC)
IMPORTED_AT = datetime(2026, 9, 1, 4, 37, 28, 247562, tzinfo=UTC)
_RECORDING_DAYS = 90
_IDS_PER_SEQUENCE = 1000
"""Detection ids are reserved by the thousand, so that growing one sequence moves no other sequence's ids."""
_OTHER_STAGE_EVERY = 6
_TWIN_EVERY = 40
_DUPLICATE_EVERY = 25
_REPORTS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """Which picture an image object holds; two detections may hold the same."""

    sequence_id: int
    frame: int


@dataclass(frozen=True, slots=True)
class DemoDetection:
    """One frame as the annotator serves it."""

    id: int
    sequence_id: int
    recorded_at: datetime
    created_at: datetime
    bucket_key: str
    picture: Picture
    boxes: tuple[Box, ...]
    other_boxes: tuple[Box, ...] | None


@dataclass(frozen=True, slots=True)
class DemoSequence:
    """One sequence: what the annotator lists of it, and the truth behind it that it does not know.

    ``heap_position`` is where the database happens to keep the row: it orders rows whose times are equal, and moves at
    any update. ``scene_id`` is the sequence whose pictures it shows, its own save for twins.
    """

    id: int
    view: View
    scene_id: int
    stage: str
    recorded_at: datetime
    created_at: datetime
    listed_at: datetime
    n_frames: int
    heap_position: int

    @property
    def organization(self) -> Organization:
        """The organization that the camera belongs to."""
        return self.view.camera.organization

    @property
    def camera(self) -> Camera:
        """The camera that recorded it."""
        return self.view.camera

    @property
    def last_seen_at(self) -> datetime:
        """When its last frame was recorded."""
        return self.recorded_at + timedelta(seconds=FRAME_GAP_SECONDS * _shown_frame(self.id, self.n_frames - 1))


def _shown_frame(sequence_id: int, frame: int) -> int:
    """Which frame of the scene a detection shows: some are stored twice, with the same time, boxes and picture."""
    return frame - 1 if frame == 3 and sequence_id % _DUPLICATE_EVERY == 0 else frame


class DemoBacklog:
    """A seeded backlog that can change while it is served.

    ``sequences`` of them are ready to annotate; a fifth more are in other stages. Sequence ids count from 1 and neither
    a sequence nor any of its bytes depends on how many there are. ``frames`` fixes the number of frames of every
    sequence; without it they have 1 to ``max_frames``, 8 on average. ``image_size`` is (width, height) in pixels.
    """

    def __init__(
        self,
        sequences: int = 60,
        seed: int = 0,
        frames: int | None = None,
        image_size: tuple[int, int] = (1280, 720),
        *,
        max_frames: int = 30,
    ) -> None:
        if frames is not None and not 1 <= frames <= _IDS_PER_SEQUENCE:
            raise ValueError(f"frames must be 1 to {_IDS_PER_SEQUENCE}, found {frames}")
        self.seed = seed
        self.frames = frames
        self.max_frames = max_frames
        self.image_size = image_size
        self.revision = 0
        self._lock = threading.RLock()
        self._sequences: dict[int, DemoSequence] = {}
        self._heap_end = 0
        self._reports: OrderedDict[int, tuple[DemoDetection, ...]] = OrderedDict()
        self.add_sequences(sequences)

    @property
    def sequences(self) -> tuple[DemoSequence, ...]:
        """All sequences in any stage, by id."""
        with self._lock:
            return tuple(self._sequences.values())

    def sequence(self, sequence_id: int) -> DemoSequence | None:
        """One sequence, if it exists."""
        return self._sequences.get(sequence_id)

    def ready_ids(self, organization: Organization | str | int | None = None) -> tuple[int, ...]:
        """Ids of the sequences ready to annotate, ascending; of one organization if given (itself, name or id)."""
        return tuple(
            sequence.id
            for sequence in self.sequences
            if sequence.stage == READY
            and (
                organization is None
                or organization in (sequence.organization, sequence.organization.name, sequence.organization.id)
            )
        )

    def scene(self, sequence_id: int) -> Scene:
        """What the sequence's frames show."""
        sequence = self._sequences[sequence_id]
        return build_scene(self.seed, sequence.view, sequence.scene_id)

    def subject(self, sequence_id: int) -> Thing:
        """The true thing behind a sequence's alarm; its ``id`` is shared by all alarms that it raises."""
        return self.scene(sequence_id).subject

    def is_smoke(self, sequence_id: int) -> bool:
        """Whether the alarm is a true one."""
        return self.subject(sequence_id).kind in SMOKE_KINDS

    def detections(self, sequence_id: int) -> tuple[DemoDetection, ...]:
        """A sequence's detections by frame; empty for a sequence that does not exist."""
        with self._lock:
            sequence = self._sequences.get(sequence_id)
            if sequence is None:
                return ()
            known = self._reports.get(sequence_id)
            if known is None or len(known) != sequence.n_frames:
                known = self._report(sequence)
                self._reports[sequence_id] = known
                if len(self._reports) > _REPORTS_KEPT:
                    self._reports.popitem(last=False)
            self._reports.move_to_end(sequence_id)
            return known

    def detection(self, detection_id: int) -> DemoDetection | None:
        """One detection, if it exists."""
        for detection in self.detections(detection_id // _IDS_PER_SEQUENCE):
            if detection.id == detection_id:
                return detection
        return None

    def add_sequences(self, n: int) -> tuple[int, ...]:
        """Let ``n`` more sequences become ready to annotate; returns their ids, without those of other stages."""
        added: list[int] = []
        with self._lock:
            while len(added) < n:
                sequence = self._make_sequence(len(self._sequences) + 1)
                self._sequences[sequence.id] = sequence
                if sequence.stage == READY:
                    added.append(sequence.id)
            self.revision += 1
        return tuple(added)

    def remove_sequence(self, sequence_id: int) -> None:
        """Let a sequence leave the backlog the way it does in reality: somebody annotated it."""
        self.set_stage(sequence_id, "annotated")

    def delete_sequence(self, sequence_id: int) -> None:
        """Let a sequence disappear from the annotator altogether, in whatever stage it is."""
        with self._lock:
            del self._sequences[sequence_id]
            self.revision += 1

    def set_stage(self, sequence_id: int, stage: str) -> None:
        """Move a sequence to another stage."""
        self._update((sequence_id,), lambda sequence: replace(sequence, stage=stage))

    def add_frames(self, sequence_id: int, n: int) -> tuple[int, ...]:
        """Let a sequence go on for ``n`` frames, which moves its last_seen_at; returns the new detections' ids."""
        before = {detection.id for detection in self.detections(sequence_id)}
        self._update((sequence_id,), lambda sequence: replace(sequence, n_frames=sequence.n_frames + n))
        return tuple(detection.id for detection in self.detections(sequence_id) if detection.id not in before)

    def tie_times(self, sequence_ids: Iterable[int]) -> None:
        """Give sequences one recorded_at and one created_at in the listing; their frames keep their times."""
        chosen = tuple(sequence_ids)
        first = self._sequences[chosen[0]]
        self._update(chosen, lambda row: replace(row, listed_at=first.listed_at, created_at=first.created_at))

    def touch(self, sequence_ids: Iterable[int]) -> None:
        """Update sequences without changing them, which re-orders them among rows of equal times."""
        self._update(tuple(sequence_ids), lambda sequence: sequence)

    def _update(self, sequence_ids: tuple[int, ...], change: Callable[[DemoSequence], DemoSequence]) -> None:
        with self._lock:
            for sequence_id in sequence_ids:
                self._heap_end += 1
                changed = change(self._sequences[sequence_id])
                self._sequences[sequence_id] = replace(changed, heap_position=self._heap_end)
            self.revision += 1

    def _make_sequence(self, sequence_id: int) -> DemoSequence:
        draw = random_stream(self.seed, "sequence", sequence_id)
        view = draw.choice(VIEWS)
        recorded_at = EPOCH + timedelta(
            days=draw.randrange(_RECORDING_DAYS), seconds=draw.randrange(5 * 3600, 20 * 3600)
        )
        if draw.random() < 0.1:
            recorded_at += timedelta(microseconds=draw.randrange(1_000_000))
        n_frames = self.frames or min(self.max_frames, 1 + int(draw.expovariate(1 / 7.8)))
        scene_id = sequence_id
        if sequence_id % _TWIN_EVERY == 0:
            twin = self._sequences[sequence_id - 1]
            view, recorded_at, scene_id = twin.view, twin.recorded_at, twin.id
        stage = READY
        if sequence_id % _OTHER_STAGE_EVERY == 0:
            stage = OTHER_STAGES[sequence_id // _OTHER_STAGE_EVERY % len(OTHER_STAGES)]
        # Three rows are imported at one instant, so ties in created_at are always there to be met.
        created_at = IMPORTED_AT + timedelta(seconds=0.731519 * (sequence_id // 3))
        self._heap_end += 1
        return DemoSequence(
            sequence_id, view, scene_id, stage, recorded_at, created_at, recorded_at, n_frames, self._heap_end
        )

    def _report(self, sequence: DemoSequence) -> tuple[DemoDetection, ...]:
        scene = self.scene(sequence.id)
        detections = []
        for frame in range(sequence.n_frames):
            shown = _shown_frame(sequence.id, frame)
            report = report_frame(self.seed, scene, sequence.id, shown)
            picture = Picture(sequence.scene_id, shown)
            # In some sequences neighbouring frames swap their ids: ids do not follow time.
            number = frame ^ 1 if sequence.id % 4 == 0 else frame
            detection_id = sequence.id * _IDS_PER_SEQUENCE + number
            recorded_at = sequence.recorded_at + timedelta(seconds=FRAME_GAP_SECONDS * shown)
            digest = hashlib.blake2b(f"{self.seed}/{picture}".encode(), digest_size=4).hexdigest()
            detections.append(
                DemoDetection(
                    id=detection_id,
                    sequence_id=sequence.id,
                    recorded_at=recorded_at,
                    created_at=sequence.created_at + timedelta(milliseconds=140 * (number + 1)),
                    bucket_key=f"detections/sequence_{sequence.id}/{recorded_at:%Y%m%d_%H%M%S}_det{detection_id}_{digest}.jpg",
                    picture=picture,
                    boxes=report.boxes,
                    other_boxes=report.other_boxes,
                )
            )
        return tuple(detections)
