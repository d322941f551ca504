"""What the annotator knows, as plain records: organizations, sequences, detections and their boxes.

What lives here: immutable values shared by all packages, and the names derived from them (partition keys, slugs).
What does not: parsing of HTTP answers (`parse`), their Parquet form (`snapshot`), or any request.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Organization:
    """One spelling of one organization, as the annotator lists it."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Box:
    """A detected region: corners normalised to the image (x to the right, y down), as the annotator serves it.

    Values are finite but not otherwise checked: a box may be reversed, empty, or reach over the border.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    confidence: float
    class_name: str = "smoke"


@dataclass(frozen=True, slots=True)
class Detection:
    """One frame of a sequence. ``boxes`` may be empty; times are UTC.

    Where ``has_known_boxes`` is False, nobody has said which boxes there are: an import may come without them.
    """

    id: int
    sequence_id: int
    recorded_at: datetime
    bucket_key: str
    boxes: tuple[Box, ...]
    other_boxes: tuple[Box, ...] = ()
    has_known_boxes: bool = True


@dataclass(frozen=True, slots=True)
class TrackedBoxes:
    """What was tracked in one sequence: the ids of its detections, and each box with the id of its detection.

    Both are in order of (recorded_at, detection id), boxes of one frame in the annotator's. A box is its corners x1,
    y1, x2, y2, of which no more is known than of a `Box`'s.
    """

    detection_ids: tuple[int, ...]
    boxes: tuple[tuple[int, Corners], ...]


@dataclass(frozen=True, slots=True)
class SequenceRow:
    """One listed sequence, without its frames. Names are untrusted text; times are UTC.

    The last five fields are served by newer annotators only.
    """

    id: int
    organization_id: int
    organization_name: str
    camera_id: int | None
    camera_name: str
    azimuth: int | None
    recorded_at: datetime
    last_seen_at: datetime
    created_at: datetime | None
    lat: float | None
    lon: float | None
    source_api: str | None
    alert_api_id: int | None
    is_wildfire_alertapi: str | None
    annotator_group_id: int | None
    platform_alert_id: int | None = None
    temporal_model_score: float | None = None
    temporal_model_version: str | None = None
    temporal_api_version: str | None = None
    is_manual: bool | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence with its detections, ordered by (recorded_at, id), each detection id once."""

    row: SequenceRow
    detections: tuple[Detection, ...]

    @property
    def id(self) -> int:
        """The annotator's sequence id."""
        return self.row.id


@dataclass(frozen=True, slots=True)
class WantedSequence:
    """A sequence whose frames are to be downloaded, save those already ``held`` (detection ids)."""

    sequence: Sequence
    held: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class DownloadedFrame:
    """The bytes of one frame, proven to be a readable image of ``width_px`` x ``height_px``."""

    detection_id: int
    image: bytes
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class DownloadedSequence:
    """What came of one `WantedSequence`.

    Every wanted detection is in exactly one of: ``frames``; ``unusable``, gone for good or no readable image, with
    the reason by detection id; ``failed``, not fetched for a passing reason, with the error's text by detection id.
    """

    wanted: WantedSequence
    frames: tuple[DownloadedFrame, ...]
    unusable: Mapping[int, str]
    failed: Mapping[int, str]


def slugify(text: str) -> str:
    """Lower-case ASCII letters and digits in words joined by hyphens; empty where nothing of the text remains."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:80].strip("-")


def partition_key(organization: Organization) -> str:
    """The organization's Dagster partition key and folder name: readable, unique, safe as a path component.

    Every spelling that slugs alike under one id has one key. A name without any ASCII letter or digit is called
    ``organization``.
    """
    return f"{slugify(organization.name) or 'organization'}-{organization.id}"


def camera_slug(row: SequenceRow) -> str:
    """The folder of a sequence's camera inside a shard."""
    return slugify(row.camera_name) or f"camera-{row.camera_id or 0}"
