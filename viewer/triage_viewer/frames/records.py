"""Frames as the viewer finds them: where their bytes are, or why there are none.

What lives here: plain values shared by finding, reading and showing. What does not: how any of them is found.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where an image's bytes are in its shard, and what they are; ``sha256`` in hex."""

    offset: int
    size: int
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """One row of a live shard's index; ``image`` is None exactly where ``unusable_reason`` is not."""

    organization_key: str
    shard: str
    sequence_id: int
    detection_id: int
    recorded_at: datetime
    image: ImagePlace | None
    unusable_reason: str | None


@dataclass(frozen=True, slots=True)
class MetaPlace:
    """Where the description of a sequence is in its shard."""

    organization_key: str
    shard: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class LiveSequence:
    """A sequence as its newest shard holds it, its frames by (recorded_at, detection_id)."""

    meta: MetaPlace
    frames: tuple[LiveFrame, ...]


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """What was read for a frame; ``is_intact`` is whether they are the bytes that the index promises."""

    data: bytes
    is_intact: bool
