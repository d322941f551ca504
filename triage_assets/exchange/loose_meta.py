"""`meta.json` of a sequence in a folder of loose files: what it is, its frames, and what the backlog says of it.

What lives here: its encoding and decoding, and the sequence that it stands for. What does not: where the file is
(`sources`, `packed`), and the images beside it.

What the older layout has is enough. ``backlog``, ``unusable_frames`` and ``sha256`` are written besides, so that a
sequence comes back as it was: without them nothing is known of its boxes, nor of where its camera looks.
"""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from triage_assets.annotator.records import Box, Detection, Organization, Sequence, SequenceRow, partition_key
from triage_assets.errors import ExchangeError, StoreError
from triage_assets.scoring.files.tables import sequence_key
from triage_assets.shards.meta import META_NAME, SequenceMeta

IMPORTED_STAGE = "imported"
# A frame of a sequence is some hundred bytes here, and a sequence has some dozen: this is a thousand times as much.
MOST_META_BYTES = 16_000_000
_MOST_NAME_BYTES = 255  # what file systems allow one name
_SECOND_MOMENT = datetime(1, 1, 1, microsecond=1, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    """The annotator's own times are UTC and do not always say so."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # the first or the last day there is, in a zone where it is already another one
        raise ValueError("beyond the calendar in UTC") from None


def _storable(text: str) -> str:
    """As a pull takes it: no half surrogate pair, which no file holds, and no U+0000, which no PostgreSQL holds."""
    return text.encode().decode().replace("\0", "\ufffd")


def _check_file(file: str) -> str:
    """A path below the sequence's folder; it never becomes one that leads anywhere else."""
    parts = file.split("/")
    is_name = all(part not in ("", ".", "..") and len(part.encode()) <= _MOST_NAME_BYTES for part in parts)
    if not is_name or len(parts) > 4 or re.search(r"[\x00-\x1f\x7f\\:]", file):
        raise ValueError(f"{file[:80]!r} is no file name below the sequence's folder")
    return file


Id = Annotated[int, Field(strict=True, ge=1, lt=2**63)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
# The annotator bounds no text; ten times as much as S3 allows the longest key.
Name = Annotated[str, Field(max_length=10_000), AfterValidator(_storable)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
File = Annotated[str, AfterValidator(_check_file)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Frame(_Frozen):
    file: File
    detection_id: Id
    recorded_at: Moment
    bucket_key: Name = ""


class _UnusableFrame(_Frozen):
    detection_id: Id
    recorded_at: Moment
    bucket_key: Name = ""
    reason: Name


class _Box(_Frozen):
    x1: FiniteFloat
    y1: FiniteFloat
    x2: FiniteFloat
    y2: FiniteFloat
    confidence: FiniteFloat
    class_name: Name


class _Detection(_Frozen):
    detection_id: Id
    recorded_at: Moment
    bucket_key: Name
    boxes: tuple[_Box, ...] | None
    other_boxes: tuple[_Box, ...] = ()


class _Backlog(_Frozen):
    """What a snapshot has of the sequence and the layout of loose files has no place for."""

    stage: Name
    azimuth: Whole | None
    lat: FiniteFloat | None
    lon: FiniteFloat | None
    last_seen_at: Moment
    created_at: Moment | None
    source_api: Name | None
    alert_api_id: Whole | None
    is_wildfire_alertapi: Name | None
    annotator_group_id: Whole | None
    platform_alert_id: Whole | None = None
    temporal_model_score: FiniteFloat | None = None
    temporal_model_version: Name | None = None
    temporal_api_version: Name | None = None
    is_manual: bool | None = None
    detections: tuple[_Detection, ...]


_IN_BACKLOG = tuple(name for name in _Backlog.model_fields if name not in ("stage", "detections"))


class _Meta(_Frozen):
    key: str | None = None
    sequence_id: Id
    source: str = "pyro-annotator"
    label: str = "unknown"
    camera_id: Whole | None = None
    camera_name: Name
    organization_id: Annotated[int, Field(strict=True, ge=0, lt=2**63)]
    organization_name: Name
    started_at: Moment
    frames: tuple[_Frame, ...]
    unusable_frames: tuple[_UnusableFrame, ...] = ()
    sha256: dict[str, str] = {}
    backlog: _Backlog | None = None


@dataclass(frozen=True, slots=True)
class LooseSequence:
    """A sequence of a folder: as the backlog has it, and its frames, whose images are yet to be looked at.

    ``files`` are the usable frames' files below the sequence's folder, ``sha256`` their digests as far as they are
    promised, ``unusable`` the reasons of the others; each by detection id. ``frames`` are all of them, by time.
    """

    backlog: Sequence
    stage: str
    frames: tuple[Detection, ...]
    files: dict[int, str]
    sha256: dict[int, str]
    unusable: dict[int, str]

    @property
    def id(self) -> int:
        """The annotator's sequence id."""
        return self.backlog.id

    @property
    def key(self) -> str:
        """The partition key of the sequence's organization."""
        row = self.backlog.row
        return partition_key(Organization(row.organization_id, row.organization_name))

    @property
    def has_known_boxes(self) -> bool:
        """Whether the folder says which boxes there are."""
        return all(detection.has_known_boxes for detection in self.backlog.detections)


def decode_loose_meta(data: bytes, folder: str) -> LooseSequence:
    """The sequence that a meta.json describes; ``folder`` is the name of its folder. Raises `ExchangeError`."""
    try:
        meta = _Meta.model_validate_json(data)
    except ValidationError as error:
        raise ExchangeError(f"its {META_NAME} is broken: {_first_fault(error)}") from None
    if meta.key not in (None, sequence_key(meta.sequence_id)) or folder != f"seq_{meta.sequence_id}":
        raise ExchangeError(
            f"its {META_NAME} is of another sequence: {meta.key or sequence_key(meta.sequence_id)}, in {folder}"
        )
    described: list[_Frame | _UnusableFrame] = [*meta.frames, *meta.unusable_frames]
    frames = sorted((_detection_of(meta.sequence_id, one) for one in described), key=_by_time)
    ids = [frame.id for frame in frames]
    if len(set(ids)) < len(ids) or len({frame.file for frame in meta.frames}) < len(meta.frames):
        raise ExchangeError(f"its {META_NAME} names a frame twice")
    told = frames
    if meta.backlog is not None:
        told = sorted((_backlog_detection_of(meta.sequence_id, one) for one in meta.backlog.detections), key=_by_time)
        if len({detection.id for detection in told}) < len(told):
            raise ExchangeError(f"its {META_NAME} names a detection twice")
    return LooseSequence(
        backlog=Sequence(_row_of(meta), tuple(told)),
        stage=meta.backlog.stage if meta.backlog else IMPORTED_STAGE,
        frames=tuple(frames),
        files={frame.detection_id: frame.file for frame in meta.frames},
        sha256={frame.detection_id: meta.sha256[frame.file] for frame in meta.frames if frame.file in meta.sha256},
        unusable={frame.detection_id: frame.reason for frame in meta.unusable_frames},
    )


def encode_loose_meta(sequence: Sequence, stage: str, stored: SequenceMeta | None) -> bytes:
    """The meta.json of a sequence of the backlog, and of its frames what a shard says of them.

    Raises `StoreError` for what the store has and no import would take.
    """
    row = sequence.row
    try:
        meta = _Meta(
            key=sequence_key(row.id),
            sequence_id=row.id,
            camera_id=row.camera_id,
            camera_name=row.camera_name,
            organization_id=row.organization_id,
            organization_name=row.organization_name,
            started_at=row.recorded_at,
            frames=tuple(_Frame(**frame.model_dump()) for frame in stored.frames) if stored else (),
            unusable_frames=tuple(_UnusableFrame(**one.model_dump()) for one in stored.unusable_frames)
            if stored
            else (),
            sha256=stored.sha256 if stored else {},
            backlog=_Backlog(
                stage=stage,
                **{name: getattr(row, name) for name in _IN_BACKLOG},
                detections=tuple(map(_describe_detection, sequence.detections)),
            ),
        )
    except ValidationError as error:
        raise StoreError(f"No {META_NAME} can hold it", found=_first_fault(error)) from None
    return meta.model_dump_json(indent=1).encode() + b"\n"


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, fault["loc"]))
    text = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _by_time(detection: Detection) -> tuple[datetime, int]:
    return detection.recorded_at, detection.id


def _detection_of(sequence_id: int, frame: _Frame | _UnusableFrame) -> Detection:
    """A frame of the layout, which has no place for boxes."""
    return Detection(frame.detection_id, sequence_id, frame.recorded_at, frame.bucket_key, (), has_known_boxes=False)


def _backlog_detection_of(sequence_id: int, told: _Detection) -> Detection:
    return Detection(
        id=told.detection_id,
        sequence_id=sequence_id,
        recorded_at=told.recorded_at,
        bucket_key=told.bucket_key,
        boxes=tuple(Box(**box.model_dump()) for box in told.boxes or ()),
        other_boxes=tuple(Box(**box.model_dump()) for box in told.other_boxes),
        has_known_boxes=told.boxes is not None,
    )


def _describe_detection(detection: Detection) -> _Detection:
    return _Detection(
        detection_id=detection.id,
        recorded_at=detection.recorded_at,
        bucket_key=detection.bucket_key,
        boxes=tuple(_Box(**asdict(box)) for box in detection.boxes) if detection.has_known_boxes else None,
        other_boxes=tuple(_Box(**asdict(box)) for box in detection.other_boxes),
    )


def _row_of(meta: _Meta) -> SequenceRow:
    told: dict[str, Any] = {name: None if meta.backlog is None else getattr(meta.backlog, name) for name in _IN_BACKLOG}
    if meta.backlog is None:
        # Earlier than it can have been seen last: a pull takes the sequence for one that has gone on, and asks for what
        # is not known of it.
        told["last_seen_at"] = max(meta.started_at, _SECOND_MOMENT) - timedelta(microseconds=1)
    return SequenceRow(
        id=meta.sequence_id,
        organization_id=meta.organization_id,
        organization_name=meta.organization_name,
        camera_id=meta.camera_id,
        camera_name=meta.camera_name,
        recorded_at=meta.started_at,
        **told,
    )
