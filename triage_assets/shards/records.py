"""What a shard holds, as plain records: usable and unusable frames, and the sequences they belong to.

What lives here: immutable values shared by packing, writing and reading. What does not: their bytes (`format`, `meta`,
`index`), or where they are kept (`writer`, `catalog`).
"""

from dataclasses import dataclass
from datetime import datetime

from triage_assets.annotator.records import SequenceRow


@dataclass(frozen=True, slots=True)
class UsableFrame:
    """One frame with the bytes of its image, whose digest and size in pixels are known to be true."""

    detection_id: int
    recorded_at: datetime
    bucket_key: str
    image: bytes | memoryview
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class UnusableFrame:
    """One frame that is gone for good or is no readable image, and why."""

    detection_id: int
    recorded_at: datetime
    bucket_key: str
    reason: str


@dataclass(frozen=True, slots=True)
class PackedSequence:
    """A sequence with everything that a shard stores of it, in any order."""

    row: SequenceRow
    usable: tuple[UsableFrame, ...]
    unusable: tuple[UnusableFrame, ...]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """Where an image's bytes are in a shard, behind their header, and what they are."""

    member: str
    offset: int
    size: int
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One row of a shard's index; ``image`` is None exactly where ``unusable_reason`` is not."""

    sequence_id: int
    detection_id: int
    recorded_at: datetime
    image: StoredImage | None
    unusable_reason: str | None
    meta_offset: int
    meta_size: int
