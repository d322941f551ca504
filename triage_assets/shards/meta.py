"""`meta.json`, the first member of every sequence in a shard: what the sequence is, and each of its frames.

What lives here: its encoding and decoding, the names of a sequence's members, and the index rows that follow from it.
What does not: the archive around it (`format`). It says enough for the index to be rebuilt from the archive alone.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from triage_assets.annotator.records import SequenceRow, camera_slug
from triage_assets.errors import ShardError
from triage_assets.shards.records import FrameRow, PackedSequence, StoredImage, UnusableFrame, UsableFrame

META_NAME = "meta.json"

_Frame = TypeVar("_Frame", UsableFrame, UnusableFrame)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class FrameMeta(_Frozen):
    """A usable frame; ``file`` is relative to the folder of meta.json."""

    file: str
    detection_id: int
    recorded_at: AwareDatetime
    bucket_key: str


class UnusableFrameMeta(_Frozen):
    """A frame that has no member in the shard, and why."""

    detection_id: int
    recorded_at: AwareDatetime
    bucket_key: str
    reason: str


class SequenceMeta(_Frozen):
    """The content of meta.json. ``sha256`` has the digest of each frame's bytes, in hex, by its ``file``."""

    key: str
    sequence_id: int
    source: Literal["pyro-annotator"] = "pyro-annotator"
    label: Literal["unknown"] = "unknown"
    camera_id: int | None
    camera_name: str
    organization_id: int
    organization_name: str
    started_at: AwareDatetime
    frames: tuple[FrameMeta, ...]
    unusable_frames: tuple[UnusableFrameMeta, ...]
    sha256: dict[str, str]


def encode_meta(meta: SequenceMeta) -> bytes:
    """The bytes of meta.json, the same for the same content."""
    return meta.model_dump_json(indent=1).encode() + b"\n"


def decode_meta(data: bytes | memoryview) -> SequenceMeta:
    """What `encode_meta` wrote. Raises `ShardError`."""
    try:
        meta = SequenceMeta.model_validate_json(bytes(data))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ShardError(
            f"{META_NAME} cannot be read", found=f"{where}: {fault['msg']}" if where else fault["msg"]
        ) from None
    if {frame.file for frame in meta.frames} != set(meta.sha256):
        raise ShardError(f"{META_NAME} contradicts itself", found="digests of other files than its frames")
    return meta


def describe_sequence(sequence: PackedSequence) -> SequenceMeta:
    """The meta.json of a sequence, its frames in order of (recorded_at, detection_id)."""
    row, usable = sequence.row, in_order(sequence.usable)
    return SequenceMeta(
        key=f"pyro-annotator_{row.id}",
        sequence_id=row.id,
        camera_id=row.camera_id,
        camera_name=row.camera_name,
        organization_id=row.organization_id,
        organization_name=row.organization_name,
        started_at=row.recorded_at,
        frames=tuple(
            FrameMeta(
                file=image_file(frame.detection_id),
                detection_id=frame.detection_id,
                recorded_at=frame.recorded_at,
                bucket_key=frame.bucket_key,
            )
            for frame in usable
        ),
        unusable_frames=tuple(
            UnusableFrameMeta(
                detection_id=frame.detection_id,
                recorded_at=frame.recorded_at,
                bucket_key=frame.bucket_key,
                reason=frame.reason,
            )
            for frame in in_order(sequence.unusable)
        ),
        sha256={image_file(frame.detection_id): frame.sha256 for frame in usable},
    )


def in_order(frames: Iterable[_Frame]) -> list[_Frame]:
    """The frames by (recorded_at, detection_id)."""
    return sorted(frames, key=attrgetter("recorded_at", "detection_id"))


def sequence_folder(row: SequenceRow) -> str:
    """The folder inside a shard that holds the sequence's meta.json and images."""
    return f"{camera_slug(row)}/seq_{row.id}"


def image_file(detection_id: int) -> str:
    """A frame's path below its sequence's folder, whatever format its bytes are in."""
    return f"images/detection_{detection_id}.jpg"


def index_rows(
    meta: SequenceMeta, meta_offset: int, meta_size: int, images: Mapping[int, StoredImage]
) -> list[FrameRow]:
    """A sequence's index rows by (recorded_at, detection_id); ``images`` has every usable frame by detection id."""

    def row(frame: FrameMeta | UnusableFrameMeta, image: StoredImage | None, reason: str | None) -> FrameRow:
        return FrameRow(meta.sequence_id, frame.detection_id, frame.recorded_at, image, reason, meta_offset, meta_size)

    rows = [row(frame, images[frame.detection_id], None) for frame in meta.frames]
    rows += [row(frame, None, frame.reason) for frame in meta.unusable_frames]
    return sorted(rows, key=attrgetter("recorded_at", "detection_id"))
