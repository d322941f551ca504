"""A sequence's page as the API answers it.

What lives here: the form, under the names of the store's own files. What does not: where it comes from
(`sequence_page`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from triage_assets.annotator.records import Box
from triage_assets.review.records import FalsePositiveType, Origin, SmokeType, Stage
from triage_viewer.frames.sequence_page import ModelWord, PageFrame, SequencePage

_Corners = tuple[float, float, float, float]


class BoxRead(BaseModel):
    """A detected region: corners normalised to the image, as the annotator serves them; they may reach beyond it."""

    xyxyn: _Corners
    confidence: float
    class_name: str

    @classmethod
    def of(cls, box: Box) -> Self:
        """The box as it is shown."""
        return cls(xyxyn=(box.x1, box.y1, box.x2, box.y2), confidence=box.confidence, class_name=box.class_name)


class FrameRead(BaseModel):
    """One frame: it has a picture where ``is_stored``; else ``unusable_reason`` says why not, or it is yet to come.

    Sizes are in pixels and bytes. ``boxes`` are null where they are not known: the backlog no longer has the frame, or
    it was imported without them.
    """

    detection_id: int
    recorded_at: datetime
    is_stored: bool
    unusable_reason: str | None
    width: int | None
    height: int | None
    size: int | None
    boxes: list[BoxRead] | None
    other_boxes: list[BoxRead] | None

    @classmethod
    def of(cls, frame: PageFrame) -> Self:
        """The frame as it is shown."""
        image = frame.stored.image if frame.stored else None
        known = frame.detection if frame.detection and frame.detection.has_known_boxes else None
        return cls(
            detection_id=frame.detection_id,
            recorded_at=frame.recorded_at,
            is_stored=image is not None,
            unusable_reason=frame.stored.unusable_reason if frame.stored else None,
            width=image.width_px if image else None,
            height=image.height_px if image else None,
            size=image.size if image else None,
            boxes=_boxes(known.boxes) if known else None,
            other_boxes=_boxes(known.other_boxes) if known else None,
        )


class SlotRead(BaseModel):
    """What a model saw at one place of its input: a recorded frame, or a copy of one."""

    slot: int
    detection_id: int
    recorded_at: datetime
    is_padding: bool


class EntryRead(BaseModel):
    """A tube at one slot: centre and size of its box; a gap's is interpolated, with confidence 0."""

    frame_idx: int
    bbox: _Corners | None
    is_gap: bool
    confidence: float | None


class TubeRead(BaseModel):
    """One thing that a model followed through the slots ``start_frame`` to ``end_frame``; boxes as centre and size."""

    tube_id: int
    start_frame: int
    end_frame: int
    logit: float
    probability: float
    first_crossing_frame: int | None
    stabilized_window: _Corners | None
    entries: list[EntryRead]


class TubesRead(BaseModel):
    """The tubes that were scored, and how many there were before any was left out."""

    num_candidates: int
    kept: list[TubeRead]


class PreprocessingRead(BaseModel):
    """How frames became slots."""

    num_frames_input: int
    num_truncated: int
    padded_frame_indices: list[int]


class ModelDecisionRead(BaseModel):
    """How a model decides by itself; the worklists' threshold is another."""

    aggregation: str
    threshold: float
    trigger_tube_id: int | None


class DetailsRead(BaseModel):
    """Everything behind a score. Frame indices count slots."""

    preprocessing: PreprocessingRead
    tubes: TubesRead
    decision: ModelDecisionRead


class ModelRead(BaseModel):
    """One model's word on the sequence.

    ``is_current`` is whether it is about the frames that the backlog has now, ``is_listed`` whether the worklists were
    split by it. ``trigger_frame_index`` counts slots; ``trigger`` and ``slots`` name recorded frames, null where they
    cannot be told any more.
    """

    name: str
    version: str | None
    detector: str | None
    runtime: str | None
    caution: str | None
    is_listed: bool
    is_current: bool
    score: float | None
    logit: float | None
    is_positive: bool | None
    trigger_frame_index: int | None
    trigger: SlotRead | None
    n_frames: int | None
    n_frames_unusable: int | None
    n_boxes_skipped: int | None
    dropped_reason: str | None
    dropped_error: str | None
    slots: list[SlotRead] | None
    details: DetailsRead | None

    @classmethod
    def of(cls, word: ModelWord) -> Self:
        """The word as it is shown."""
        score, row = word.score, word.score.row
        details = DetailsRead.model_validate(score.details) if score.details else None
        slots = _slots(word.slots, details.preprocessing.padded_frame_indices) if word.slots and details else None
        trigger = row.get("trigger_frame_index")
        return cls(
            name=score.model,
            version=row.get("model_version"),
            detector=row.get("detector"),
            runtime=row.get("runtime"),
            caution=word.caution,
            is_listed=word.is_listed,
            is_current=word.is_current,
            score=row.get("triage_score"),
            logit=row.get("best_logit"),
            is_positive=row.get("is_positive"),
            trigger_frame_index=trigger,
            trigger=slots[trigger] if slots and trigger is not None and trigger < len(slots) else None,
            n_frames=row.get("n_frames"),
            n_frames_unusable=row.get("n_frames_unusable"),
            n_boxes_skipped=row.get("n_boxes_skipped"),
            dropped_reason=score.dropped_reason,
            dropped_error=score.dropped_error,
            slots=slots,
            details=details,
        )


class TriageRead(BaseModel):
    """Where the sequence is in the worklists as they were last written; ``bucket`` is null for a dropped one."""

    threshold: float | None
    bucket: Literal["review", "unlabeled", "labeled"] | None
    score: float | None
    dropped_reason: str | None
    dropped_error: str | None
    annotation_stage: Stage | None
    annotation_origin: Origin | None
    smoke_types: list[SmokeType] | None
    false_positive_types: list[FalsePositiveType] | None
    is_unsure: bool | None


class SequenceRead(BaseModel):
    """One sequence. ``group_id`` is its group at this moment; ``triage`` is as of the worklists.

    Whatever only the backlog knows is null where the sequence has left it. ``notices`` say what is missing here
    because it could not be read.
    """

    sequence_id: int
    key: str
    organization_key: str
    organization_id: int | None
    organization_name: str | None
    camera_id: int | None
    camera_name: str | None
    azimuth: int | None
    lat: float | None
    lon: float | None
    started_at: datetime | None
    last_seen_at: datetime | None
    created_at: datetime | None
    platform_score: float | None
    platform_model_version: str | None
    is_in_backlog: bool
    group_id: int | None
    is_group_excluded: bool
    n_frames: int
    n_frames_stored: int
    n_frames_unusable: int
    frames: list[FrameRead]
    triage: TriageRead | None
    models: list[ModelRead]
    notices: list[str]

    @classmethod
    def of(cls, page: SequencePage) -> Self:
        """The page as it is shown."""
        row, meta = page.backlog.row if page.backlog else None, page.meta
        frames = [FrameRead.of(frame) for frame in page.frames]
        azimuth = row.azimuth if row else page.group.azimuth if page.group else None
        return cls(
            sequence_id=page.sequence_id,
            key=f"pyro-annotator_{page.sequence_id}",
            organization_key=page.organization_key,
            organization_id=row.organization_id if row else meta.organization_id if meta else None,
            organization_name=row.organization_name if row else meta.organization_name if meta else None,
            camera_id=row.camera_id if row else meta.camera_id if meta else None,
            camera_name=row.camera_name if row else meta.camera_name if meta else None,
            azimuth=azimuth,
            lat=row.lat if row else None,
            lon=row.lon if row else None,
            started_at=row.recorded_at if row else meta.started_at if meta else None,
            last_seen_at=row.last_seen_at if row else None,
            created_at=row.created_at if row else None,
            platform_score=row.temporal_model_score if row else None,
            platform_model_version=row.temporal_model_version if row else None,
            is_in_backlog=row is not None,
            group_id=page.state.group_id if page.state else None,
            is_group_excluded=bool(page.state and page.state.is_group_excluded),
            n_frames=len(frames),
            n_frames_stored=sum(frame.is_stored for frame in frames),
            n_frames_unusable=sum(frame.unusable_reason is not None for frame in frames),
            frames=frames,
            triage=_triage(page),
            models=[ModelRead.of(word) for word in page.models],
            notices=list(page.notices),
        )


def _triage(page: SequencePage) -> TriageRead | None:
    if page.results is None:
        return None
    flat = {name: page.results.get(name) for name in TriageRead.model_fields}
    named = {"bucket": page.results["triage_bucket"], "score": page.results["triage_score"]}
    return TriageRead.model_validate({**flat, **named, "threshold": page.threshold})


def _slots(frames: tuple[PageFrame, ...], copies: list[int]) -> list[SlotRead]:
    return [
        SlotRead(slot=slot, detection_id=frame.detection_id, recorded_at=frame.recorded_at, is_padding=slot in copies)
        for slot, frame in enumerate(frames)
    ]


def _boxes(boxes: Iterable[Box]) -> list[BoxRead]:
    return [BoxRead.of(box) for box in boxes]
