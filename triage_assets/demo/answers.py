"""What the annotator's API says about the demo backlog, as JSON bytes, in the form of either server version.

What lives here: filters, order, paging, validation and the shape of every answer. What does not: tokens, faults and
sockets (`server`).
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from triage_assets.annotator.records import Box
from triage_assets.demo.backlog import DemoBacklog, DemoDetection, DemoSequence
from triage_assets.demo.faults import BadRow, Faults
from triage_assets.demo.places import random_stream, source_of
from triage_assets.demo.queries import (
    Answer,
    JsonObject,
    Query,
    Rejection,
    boolean,
    choice,
    fault,
    integer,
    json_answer,
    moment,
    paging,
    path_id,
)
from triage_assets.demo.scenes import SMOKE_KINDS, recurring_things

Version = Literal["newer", "older"]

_ANNOTATION_STAGES: dict[Version, tuple[str, ...]] = {
    "newer": ("imported", "ready_to_annotate", "seq_annotation_done", "annotated"),
    "older": (
        "imported",
        "ready_to_annotate",
        "under_annotation",
        "seq_annotation_done",
        "in_review",
        "needs_manual",
        "annotated",
    ),
}
_NEWER_ONLY = (
    "platform_alert_id",
    "temporal_model_score",
    "temporal_model_version",
    "temporal_api_version",
    "is_manual",
)
_LISTINGS_KEPT = 64


class Answers:
    """The read side of the API over one backlog."""

    def __init__(self, backlog: DemoBacklog, version: Version, faults: Faults) -> None:
        self._backlog = backlog
        self._version = version
        self._faults = faults
        self._listings: OrderedDict[tuple[object, ...], tuple[DemoSequence, ...]] = OrderedDict()
        self._rows: dict[int, tuple[DemoSequence, bytes]] = {}

    def sequences(self, query: Query) -> Answer:
        """The paged listing of sequences."""
        page, size = paging(query)
        with_annotation = boolean(query, "include_annotation")
        order_by = choice(query, "order_by", ("created_at", "recorded_at"), "created_at")
        descending = choice(query, "order_direction", ("asc", "desc"), "desc") == "desc"
        rows = self._listing(self._filters(query), order_by, descending)
        shown = rows[(page - 1) * size : page * size]
        pages = -(-len(rows) // size)
        if with_annotation:
            # This branch of the real server encodes rows by itself: times and NaN take another form.
            items = [self._row_with_annotation(row) for row in shown]
            return json_answer({"items": items, "page": page, "pages": pages, "size": size, "total": len(rows)})
        body = b",".join(self._row_bytes(row) for row in shown)
        tail = f'],"total":{len(rows)},"page":{page},"size":{size},"pages":{pages}}}'
        return Answer(200, b'{"items":[' + body + tail.encode())

    def one_sequence(self, sequence_id: str) -> Answer:
        """One row by id."""
        row = self._backlog.sequence(path_id(sequence_id, "sequence_id"))
        if row is None:
            raise Rejection(404, "Sequence not found.")
        return Answer(200, self._row_bytes(row))

    def detections(self, query: Query) -> Answer:
        """The paged detections of a sequence."""
        page, size = paging(query)
        order_by = choice(query, "order_by", ("created_at", "recorded_at"), "created_at")
        descending = choice(query, "order_direction", ("asc", "desc"), "desc") == "desc"
        wanted = integer(query, "sequence_id")
        ids = [wanted] if wanted is not None else [row.id for row in self._backlog.sequences]
        found = [detection for sequence_id in ids for detection in self._backlog.detections(sequence_id)]
        found.sort(key=lambda detection: getattr(detection, order_by), reverse=descending)
        items = [self._detection(detection) for detection in found[(page - 1) * size : page * size]]
        return json_answer(_envelope(items, len(found), page, size))

    def organizations(self) -> Answer:
        """Organizations that have a sequence, by name."""
        known = {row.organization for row in self._backlog.sequences}
        return json_answer([{"id": one.id, "name": one.name} for one in sorted(known, key=lambda one: one.name)])

    def cameras(self) -> Answer:
        """Cameras that have a sequence, by name."""
        known = {row.camera for row in self._backlog.sequences}
        return json_answer([{"id": one.id, "name": one.name} for one in sorted(known, key=lambda one: one.name)])

    def annotations(self, query: Query) -> Answer:
        """The paged sequence annotations; unlike the listing of sequences it knows its stages."""
        page, size = paging(query)
        stage = query.get("processing_stage", [None])[-1]
        allowed = _ANNOTATION_STAGES[self._version]
        if stage is not None and stage not in allowed:
            words = ", ".join(f"'{one}'" for one in allowed[:-1]) + f" or '{allowed[-1]}'"
            raise Rejection(422, [fault("enum", "processing_stage", f"Input should be {words}", stage, expected=words)])
        wanted = integer(query, "sequence_id")
        rows = [
            row
            for row in self._listing((), "created_at", descending=True)
            if row.stage != "no_annotation"
            and (stage is None or row.stage == stage)
            and (wanted is None or row.id == wanted)
        ]
        items = [self._annotation(row, _z_time) for row in rows[(page - 1) * size : page * size]]
        return json_answer(_envelope(items, len(rows), page, size))

    def _filters(self, query: Query) -> tuple[tuple[str, object], ...]:
        filters: list[tuple[str, object]] = [
            (name, query[name][-1]) for name in ("organisation_name", "camera_name", "source_api") if name in query
        ]
        numbers = [(name, integer(query, name)) for name in ("organisation_id", "camera_id")]
        filters += [(name, number) for name, number in numbers if number is not None]
        times = ("recorded_at_gte", "recorded_at_lte")
        filters += [(name, moment(query[name][-1], name)) for name in times if name in query]
        known = {*_ANNOTATION_STAGES[self._version], "no_annotation"}
        asked = query.get("processing_stage", ())
        # The older server takes one stage, the last; both ignore what they do not know, and then list everything.
        stages = frozenset(asked if self._version == "newer" else asked[-1:]) & known
        if stages:
            filters.append(("processing_stage", stages))
        return tuple(filters)

    def _listing(
        self, filters: tuple[tuple[str, object], ...], order_by: str, descending: bool
    ) -> tuple[DemoSequence, ...]:
        key = (self._backlog.revision, filters, order_by, descending)
        rows = self._listings.get(key)
        if rows is None:
            tests = [_filter_test(name, value) for name, value in filters]
            chosen = [row for row in self._backlog.sequences if all(test(row) for test in tests)]
            chosen.sort(key=lambda row: row.heap_position)
            chosen.sort(key=_listed_created_at if order_by == "created_at" else _listed_at, reverse=descending)
            rows = self._listings[key] = tuple(chosen)
            if len(self._listings) > _LISTINGS_KEPT:
                self._listings.popitem(last=False)
        return rows

    def _row_bytes(self, row: DemoSequence) -> bytes:
        bad = self._faults.rows.get(row.id)
        if bad is not None:
            return json_answer(self._row(row, _z_time, bad)).body
        known = self._rows.get(row.id)
        if known is None or known[0] is not row:
            known = self._rows[row.id] = (row, json_answer(self._row(row, _z_time, None)).body)
        return known[1]

    def _row_with_annotation(self, row: DemoSequence) -> JsonObject:
        listed = self._row(row, str, self._faults.rows.get(row.id), nan=float("nan"))
        listed["annotation"] = None if row.stage == "no_annotation" else self._annotation(row, str)
        return listed

    def _row(
        self, row: DemoSequence, time: Callable[[datetime], str], bad: BadRow | None, nan: float | None = None
    ) -> JsonObject:
        draw = random_stream(self._backlog.seed, "listed", row.id)
        scored = draw.random() < 0.6
        item: JsonObject = {
            "azimuth": row.view.azimuth,
            "id": row.id,
            "source_api": source_of(row.organization),
            "alert_api_id": 10_000 + row.id,
            "created_at": time(row.created_at),
            "recorded_at": time(row.listed_at),
            "last_seen_at": time(row.last_seen_at),
            "camera_name": row.camera.name,
            "camera_id": row.camera.id,
            "lat": row.camera.lat,
            "lon": row.camera.lon,
            "is_wildfire_alertapi": draw.choice(("wildfire_smoke", "other_smoke", "other", None)),
            "organisation_name": row.organization.name,
            "organisation_id": row.organization.id,
            "platform_alert_id": 10_000 + row.id,
            "sequence_group_id": self._group(row),
            "temporal_model_score": round(draw.random(), 4) if scored else None,
            "temporal_model_version": "0.1.0" if scored else None,
            "temporal_api_version": None,
            "is_manual": draw.random() < 0.02,
        }
        if self._version == "older":
            for name in _NEWER_ONLY:
                del item[name]
        if bad == "null_lat":
            item["lat"] = None
        elif bad == "nan":
            item["lat"] = nan
        elif bad == "rubbish":
            item["recorded_at"] = "yesterday, at dusk"
        return item

    def _group(self, row: DemoSequence) -> int | None:
        subject = self._backlog.subject(row.id)
        known = {thing.id for thing in recurring_things(self._backlog.seed, row.view)}
        if subject.id not in known:
            return None
        return row.camera.id * 100 + row.camera.azimuths.index(row.view.azimuth) * 10 + int(subject.id.split("#")[1])

    def _annotation(self, row: DemoSequence, time: Callable[[datetime], str]) -> JsonObject:
        # Before a person has looked, the server itself says that every box is smoke.
        by_person = row.stage in ("annotated", "seq_annotation_done")
        kind = self._backlog.subject(row.id).kind
        is_smoke = not by_person or kind in SMOKE_KINDS
        types = [kind] if by_person else []
        boxes = [
            {"detection_id": detection.id, "xyxyn": _xyxyn(detection.boxes[0])}
            for detection in self._backlog.detections(row.id)
            if detection.boxes
        ]
        found: JsonObject = {
            "is_smoke": is_smoke,
            "smoke_type": kind if by_person and is_smoke else None,
            "false_positive_types": [] if is_smoke else types,
            "bboxes": boxes,
        }
        return {
            "id": row.id,
            "sequence_id": row.id,
            "has_smoke": is_smoke,
            "has_false_positives": not is_smoke,
            "false_positive_types": [] if is_smoke else types,
            "smoke_types": types if is_smoke else [],
            "has_missed_smoke": False,
            "is_unsure": False,
            "annotation": {"sequences_bbox": [found] if boxes else []},
            "processing_stage": row.stage,
            "created_at": time(row.created_at),
            "updated_at": None,
            "contributors": [{"id": 1, "username": "demo"}] if by_person else [],
            "group_propagation_warning": None,
        }

    def _detection(self, detection: DemoDetection) -> JsonObject:
        others = detection.other_boxes
        item: JsonObject = {
            "id": detection.id,
            "sequence_id": detection.sequence_id,
            "recorded_at": _z_time(detection.recorded_at),
            "alert_api_id": (10_000 + detection.sequence_id) * 1000 + detection.picture.frame,
            "bucket_key": detection.bucket_key,
            "algo_predictions": _predictions(detection.boxes),
            "others_bboxes": None if others is None else _predictions(others),
        }
        if self._version == "newer":
            item["auto_predictions"] = None
        item["created_at"] = _z_time(detection.created_at)
        return item


def _filter_test(name: str, value: object) -> Callable[[DemoSequence], bool]:
    tests: dict[str, Callable[[DemoSequence], bool]] = {
        "organisation_name": lambda row: row.organization.name == value,
        "organisation_id": lambda row: row.organization.id == value,
        "camera_name": lambda row: row.camera.name == value,
        "camera_id": lambda row: row.camera.id == value,
        "source_api": lambda row: source_of(row.organization) == value,
        "recorded_at_gte": lambda row: isinstance(value, datetime) and row.listed_at >= value,
        "recorded_at_lte": lambda row: isinstance(value, datetime) and row.listed_at <= value,
        "processing_stage": lambda row: isinstance(value, frozenset) and row.stage in value,
    }
    return tests[name]


def _listed_created_at(row: DemoSequence) -> datetime:
    return row.created_at


def _listed_at(row: DemoSequence) -> datetime:
    return row.listed_at


def _envelope(items: list[JsonObject], total: int, page: int, size: int) -> JsonObject:
    return {"items": items, "total": total, "page": page, "size": size, "pages": -(-total // size)}


def _z_time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _xyxyn(box: Box) -> list[float]:
    return [box.x1, box.y1, box.x2, box.y2]


def _predictions(boxes: tuple[Box, ...]) -> JsonObject:
    return {
        "predictions": [
            {"xyxyn": _xyxyn(box), "confidence": box.confidence, "class_name": box.class_name} for box in boxes
        ]
    }
