"""Rows as they are shown and downloaded: the worklists' own columns, with the split made at the asked threshold.

What lives here: any rows of the table as one Arrow table. What does not: which rows (`selection`), and files of them
(`downloads`).
"""

import numpy as np
import pyarrow as pa

from triage_viewer.backlog.selection import KEY_PREFIX
from triage_viewer.backlog.table import BUCKETS, DROPPED, BacklogTable, Coded, Positions

_TEXTS = pa.list_(pa.string())


def take_rows(table: BacklogTable, positions: Positions, threshold: float) -> pa.Table:
    """These rows in this order, in the columns of results.parquet and what the page shows beside them.

    ``triage_bucket`` is null for what no model could score, as in the worklists.
    """
    ids = table.sequence_ids[positions]
    best = table.best[positions]
    says_review = table.says_review(threshold, positions)
    n_review = says_review.sum(axis=0, dtype=np.int64)
    n_scored = (~np.isnan(table.scores[:, positions])).sum(axis=0)
    is_scored = ~np.isnan(best)
    labels = table.labels.take(positions)
    columns = {
        "key": pa.array([f"{KEY_PREFIX}{number}" for number in ids.tolist()], pa.string()),
        "sequence_id": pa.array(ids),
        "decision": pa.array(np.where(n_review > 0, "keep", "discard"), pa.string(), mask=~is_scored),
        "triage_bucket": _buckets(table, positions, threshold),
        "triage_score": _nullable(best),
        "model_scores": _model_scores(table, positions),
        "n_models_review": pa.array(n_review),
        "models_disagree": pa.array((n_review > 0) & (n_review < n_scored)),
        "model_version": _texts(table.versions, positions),
        "score": _nullable(table.logits[positions]),
        "num_tubes_kept": table.n_tubes_kept.take(pa.array(positions)),
        "trigger_frame_index": table.trigger_frames.take(pa.array(positions)),
        "n_frames_unusable": table.n_unusable.take(pa.array(positions)),
        "organization_key": pa.array([each.key for each in table.organizations.take(positions)], pa.string()),
        "organization_name": pa.array([each.name for each in table.spellings.take(positions)], pa.string()),
        "organization_id": pa.array([each.id for each in table.spellings.take(positions)], pa.int64()),
        "camera_name": _texts(table.cameras, positions),
        "azimuth": table.azimuths.take(pa.array(positions)),
        "started_at": pa.array(table.started_at[positions]).cast(pa.timestamp("us", "UTC")),
        "dropped_reason": _texts(table.dropped_reasons, positions),
        "dropped_error": table.dropped_errors.take(pa.array(positions)).cast(pa.string()),
        "group_id": table.groups.ids.take(pa.array(positions)),
        "group_size": table.groups.sizes.take(pa.array(positions)),
        "group_label_state": _texts(table.groups.states, positions),
        "group_is_validated": pa.array(table.groups.is_validated[positions]),
        "annotation_stage": pa.array([label and label.stage for label in labels], pa.string()),
        "annotation_origin": pa.array([label and label.origin for label in labels], pa.string()),
        "smoke_types": pa.array([label and list(label.smoke_types) for label in labels], _TEXTS),
        "false_positive_types": pa.array([label and list(label.false_positive_types) for label in labels], _TEXTS),
        "is_unsure": pa.array([label and label.is_unsure for label in labels], pa.bool_()),
    }
    return pa.table({name: column for name, column in columns.items() if column is not None})


def _buckets(table: BacklogTable, positions: Positions, threshold: float) -> pa.Array:
    names = pa.array([None if bucket == DROPPED else bucket for bucket in BUCKETS], pa.string())
    return names.take(pa.array(table.buckets_of(positions, threshold)))


def _model_scores(table: BacklogTable, positions: Positions) -> pa.Array | None:
    """A struct with each model's score; None without any model, as no file can hold a struct of nothing."""
    if not table.models:
        return None
    return pa.StructArray.from_arrays(
        [_nullable(scores) for scores in table.scores[:, positions]], names=list(table.models)
    )


def _nullable(numbers: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> pa.Array:
    return pa.array(numbers, from_pandas=True)


def _texts(column: Coded[str] | Coded[str | None], positions: Positions) -> pa.Array:
    return pa.array(column.take(positions), pa.string())
