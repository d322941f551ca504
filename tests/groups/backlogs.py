"""Backlogs for tests: snapshots in a store, of sequences that each raise the same alarm on every frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from triage_assets.annotator.records import Box, Detection, SequenceRow
from triage_assets.annotator.snapshot import SnapshotWriter, detections_array, snapshot_path
from triage_assets.store import Store

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
ANTENNA = (0.1, 0.1, 0.2, 0.3)
PLUME = (0.6, 0.5, 0.8, 0.6)


@dataclass(frozen=True)
class Alarm:
    """One sequence; ``boxes`` are those on each of its frames."""

    id: int
    boxes: tuple[tuple[float, ...], ...] = (ANTENNA,)
    camera_id: int | None = 7
    azimuth: int | None = 45
    minute: int | None = None
    n_frames: int = 3
    other_boxes: tuple[tuple[float, ...], ...] = ()

    @property
    def recorded_at(self) -> datetime:
        return NOON + timedelta(minutes=self.id if self.minute is None else self.minute)

    def boxes_with_confidence(self) -> list[tuple[float, ...]]:
        return [(*box[:4], box[4] if len(box) > 4 else 0.5) for box in self.boxes]

    def row(self, key: str) -> SequenceRow:
        return SequenceRow(
            id=self.id,
            organization_id=int(key.rpartition("-")[2]),
            organization_name=key.rpartition("-")[0].title(),
            camera_id=self.camera_id,
            camera_name=f"camera {self.camera_id}",
            azimuth=self.azimuth,
            recorded_at=self.recorded_at,
            last_seen_at=self.recorded_at + timedelta(seconds=30 * self.n_frames),
            created_at=None,
            lat=None,
            lon=None,
            source_api=None,
            alert_api_id=None,
            is_wildfire_alertapi=None,
            annotator_group_id=None,
        )

    def detections(self) -> tuple[Detection, ...]:
        return tuple(
            Detection(
                id=self.id * 100 + number,
                sequence_id=self.id,
                recorded_at=self.recorded_at + timedelta(seconds=30 * number),
                bucket_key=f"{self.id}/{number}.jpg",
                boxes=_boxes(self.boxes),
                other_boxes=_boxes(self.other_boxes),
            )
            for number in range(self.n_frames)
        )


def store_backlog(store: Store, alarms: Sequence[Alarm], key: str = "valley-1") -> None:
    """Make these the backlog of one organization."""
    ordered = sorted(alarms, key=lambda alarm: alarm.id)
    writer = SnapshotWriter(key, key.rpartition("-")[0].title(), "ready_to_annotate")
    if ordered:
        writer.write([alarm.row(key) for alarm in ordered], detections_array([a.detections() for a in ordered]))
    store.write(snapshot_path(key), writer.finish())


def _boxes(boxes: tuple[tuple[float, ...], ...]) -> tuple[Box, ...]:
    return tuple(Box(*box[:4], box[4] if len(box) > 4 else 0.5) for box in boxes)
