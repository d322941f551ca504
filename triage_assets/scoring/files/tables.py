"""The Parquet form of predictions: one row per sequence and model, flat columns first, then the nested details.

What lives here: the schema, what one sequence came to, and both directions of the conversion side by side. What does
not: which file a row is in (`parts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from triage_assets.scoring.identity import ModelIdentity
from triage_assets.scoring.planning import SequenceTask
from triage_assets.scoring.records import PREDICT_FAILED, SequenceScore

KEY_PREFIX = "pyro-annotator_"

_WINDOW = pa.struct([(name, pa.float64()) for name in ("cx", "cy", "w", "h")])
_ENTRY = pa.struct(
    [
        ("frame_idx", pa.int32()),
        ("bbox", _WINDOW),
        ("is_gap", pa.bool_()),
        ("confidence", pa.float64()),
    ]
)
_TUBE = pa.struct(
    [
        ("tube_id", pa.int32()),
        ("start_frame", pa.int32()),
        ("end_frame", pa.int32()),
        ("logit", pa.float64()),
        ("probability", pa.float64()),
        ("first_crossing_frame", pa.int32()),
        ("stabilized_window", _WINDOW),
        ("entries", pa.list_(_ENTRY)),
    ]
)
_PREPROCESSING = pa.struct(
    [
        ("num_frames_input", pa.int32()),
        ("num_truncated", pa.int32()),
        ("padded_frame_indices", pa.list_(pa.int32())),
    ]
)
_TUBES = pa.struct([("num_candidates", pa.int32()), ("num_outside_roi", pa.int32()), ("kept", pa.list_(_TUBE))])
_DECISION = pa.struct([("aggregation", pa.string()), ("threshold", pa.float64()), ("trigger_tube_id", pa.int32())])

SCORE_FIELDS = [
    ("triage_score", pa.float64()),
    ("best_logit", pa.float64()),
    ("is_positive", pa.bool_()),
    ("num_tubes_kept", pa.int32()),
    ("trigger_frame_index", pa.int32()),
    ("n_frames", pa.int32()),
    ("n_frames_unusable", pa.int32()),
    ("n_boxes_skipped", pa.int32()),
    ("dropped_reason", pa.string()),
    ("dropped_error", pa.string()),
]
PART_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("sequence_id", pa.int64()),
        ("organization_key", pa.string()),
        ("organization_name", pa.string()),
        ("camera_name", pa.string()),
        ("started_at", pa.timestamp("us", "UTC")),
        ("model_version", pa.string()),
        ("model_sha256", pa.string()),
        ("detector", pa.string()),
        ("frames_fingerprint", pa.string()),
        *SCORE_FIELDS,
        ("runtime", pa.string()),
        ("preprocessing", _PREPROCESSING),
        ("tubes", _TUBES),
        ("decision", _DECISION),
    ]
)
DETAIL_COLUMNS = ("preprocessing", "tubes", "decision")


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What came of one sequence that was to be scored: a score, or the text of the error that there was instead."""

    task: SequenceTask
    score: SequenceScore | None
    error: str | None = None


def sequence_key(sequence_id: int) -> str:
    """The key of a sequence in every published file."""
    return f"{KEY_PREFIX}{sequence_id}"


def rows_to_table(outcomes: list[TaskOutcome], identity: ModelIdentity, detector: str, runtime: str | None) -> pa.Table:
    """Outcomes as a table of `PART_SCHEMA`; a dropped one has a reason, an error and no score.

    ``runtime`` is the label of what the network ran on, None where no network had a part in any of them.
    """
    rows = [{**_row(outcome, identity, detector), "runtime": runtime} for outcome in outcomes]
    return pa.Table.from_pylist(rows, schema=PART_SCHEMA)


def complete_columns(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """These columns of `PART_SCHEMA`, null where an earlier version did not write them."""
    schema = pa.schema([PART_SCHEMA.field(name) for name in names])
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows.select(schema.names).cast(schema)


def row_to_details(row: dict[str, Any]) -> dict[str, Any]:
    """The published form of the details, from the three nested columns of one row."""
    tubes = row["tubes"]
    return {
        "preprocessing": row["preprocessing"],
        "tubes": {**tubes, "kept": [_published_tube(tube) for tube in tubes["kept"]]},
        "decision": row["decision"],
    }


def _row(outcome: TaskOutcome, identity: ModelIdentity, detector: str) -> dict[str, Any]:
    task, score = outcome.task, outcome.score
    row: dict[str, Any] = {
        "key": sequence_key(task.sequence_id),
        "sequence_id": task.sequence_id,
        "organization_key": task.organization_key,
        "organization_name": task.organization_name,
        "camera_name": task.camera_name,
        "started_at": task.started_at,
        "model_version": identity.version,
        "model_sha256": identity.sha256,
        "detector": detector,
        "frames_fingerprint": task.frames_fingerprint,
        "n_frames": len(task.frames),
        "n_frames_unusable": task.n_frames_unusable,
        "n_boxes_skipped": task.n_boxes_skipped,
        "dropped_reason": PREDICT_FAILED if score is None else None,
        "dropped_error": outcome.error,
    }
    if score is not None:
        row |= _score_columns(score)
        row["n_frames_unusable"] = task.n_frames_unusable + score.n_frames_unusable
    return row


def _score_columns(score: SequenceScore) -> dict[str, Any]:
    details: dict[str, Any] = score.details.as_dict()
    return {
        "triage_score": score.max_probability,
        "best_logit": score.best_logit,
        "is_positive": score.is_positive,
        "num_tubes_kept": len(score.details.kept),
        "trigger_frame_index": score.trigger_frame_index,
        "n_frames": score.n_frames,
        "preprocessing": details["preprocessing"],
        "tubes": {**details["tubes"], "kept": [_stored_tube(tube) for tube in details["tubes"]["kept"]]},
        "decision": details["decision"],
    }


def _stored_tube(tube: dict[str, Any]) -> dict[str, Any]:
    entries = [{**entry, "bbox": _named(entry["bbox"])} for entry in tube["entries"]]
    return {**tube, "entries": entries, "stabilized_window": _named(tube["stabilized_window"])}


def _published_tube(tube: dict[str, Any]) -> dict[str, Any]:
    entries = [{**entry, "bbox": _listed(entry["bbox"])} for entry in tube["entries"]]
    window = _listed(tube["stabilized_window"])
    flat = {name: tube[name] for name in tube if name not in ("entries", "stabilized_window")}
    return {**flat, "entries": entries, "stabilized_window": window}


def _named(window: list[float] | None) -> dict[str, float] | None:
    return None if window is None else dict(zip(("cx", "cy", "w", "h"), window, strict=True))


def _listed(window: dict[str, float] | None) -> list[float] | None:
    return None if window is None else [window["cx"], window["cy"], window["w"], window["h"]]
