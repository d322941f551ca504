"""Small backlogs with real images, and a download that answers from them."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from PIL import Image

from triage_assets.annotator.records import (
    Detection,
    DownloadedFrame,
    DownloadedSequence,
    Sequence,
    SequenceRow,
    WantedSequence,
)
from triage_assets.folder_store import FolderStore
from triage_assets.store import Store, StoredObject

KEY = "sdis-ardeche-3"
SEAL_BYTES = 15_000
EPOCH = datetime(2026, 8, 23, 14, 46, 23, 123456, tzinfo=UTC)


@cache
def tiny_jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16 + seed % 5, 8), (seed % 256, seed // 256 % 256, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def make_sequence(sequence_id: int, detection_ids: Iterable[int], camera: str = "Mont Gerbier / 2") -> Sequence:
    started = EPOCH + timedelta(minutes=sequence_id)
    row = SequenceRow(
        id=sequence_id,
        organization_id=3,
        organization_name="SDIS Ardèche",
        camera_id=12,
        camera_name=camera,
        azimuth=45,
        recorded_at=started,
        last_seen_at=started,
        created_at=None,
        lat=None,
        lon=None,
        source_api=None,
        alert_api_id=None,
        is_wildfire_alertapi=None,
        annotator_group_id=None,
    )
    detections = tuple(
        Detection(detection_id, sequence_id, started + timedelta(seconds=30 * index), f"bucket/{detection_id}.jpg", ())
        for index, detection_id in enumerate(detection_ids)
    )
    return Sequence(row, detections)


def make_backlog(n_sequences: int, n_frames: int = 3, first: int = 1) -> list[Sequence]:
    return [
        make_sequence(which, range(which * 100, which * 100 + n_frames)) for which in range(first, first + n_sequences)
    ]


@dataclass
class Downloads:
    """Answers every wanted sequence with its images, save the detections named; remembers what it was asked."""

    unusable: Mapping[int, str] = field(default_factory=dict)
    failed: Mapping[int, str] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    calls: int = 0

    def __call__(self, wanted: Iterable[WantedSequence]) -> Iterator[DownloadedSequence]:
        self.calls += 1
        for item in wanted:
            ids = [detection.id for detection in item.sequence.detections if detection.id not in item.held]
            self.asked += ids
            yield DownloadedSequence(
                wanted=item,
                frames=tuple(downloaded(which) for which in ids if which not in {*self.unusable, *self.failed}),
                unusable={which: self.unusable[which] for which in ids if which in self.unusable},
                failed={which: self.failed[which] for which in ids if which in self.failed},
            )


def downloaded(detection_id: int) -> DownloadedFrame:
    image = tiny_jpeg(detection_id)
    return DownloadedFrame(detection_id, image, hashlib.sha256(image).hexdigest(), 16 + detection_id % 5, 8)


def shard_objects(store: Store) -> dict[str, tuple[bytes, StoredObject]]:
    """Every object below shards/, in a store of either kind, with its bytes and when it was written."""
    return {found.path: (store.read(found.path), found) for found in store.list("shards")}


def shard_files(store: FolderStore) -> dict[str, tuple[bytes, int]]:
    """Every file below shards/ with its bytes and mtime."""
    files = [file for file in (store.root / "shards").rglob("*") if file.is_file()]
    return {str(file.relative_to(store.root)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}
