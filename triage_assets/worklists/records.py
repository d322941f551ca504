"""What the split is made of: the lists, the promises, and one model's scores as they come in.

What lives here: names and values that others need without doing the split. What does not: the split (`build`), its
files (`export`), and anything that needs pandas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

REVIEW = "review"
UNLABELED = "unlabeled"

BACKLOG_COLUMNS = (
    "sequence_id", "organization_id", "organization_name", "camera_name", "recorded_at", "last_seen_at", "n_detections",
)  # fmt: skip
NOT_SCORED = "no model has scored it yet: run `triage run`, or materialize predictions"
OUT_OF_DATE = "its frames changed after it was scored: run `triage run`, or materialize predictions"

FOLDER = "worklists"
INVARIANTS = (
    "review_and_unlabeled_are_disjoint",
    "worklists_cover_the_backlog_once",
    "nothing_outside_the_backlog",
    "bulk_payload_is_the_unlabeled_list",
    "files_are_of_one_run",
)


@dataclass(frozen=True, slots=True)
class ModelScores:
    """One model's flat scores of the backlog.

    ``scores`` has one row per sequence with at least sequence_id, last_seen_at and n_detections as they were when it
    was scored, triage_score (null when dropped), best_logit, num_tubes_kept, trigger_frame_index, n_frames_unusable,
    dropped_reason and dropped_error. ``caution`` is what everybody who sees the scores must be told, if anything.
    ``provenance`` goes into model_config.json as it is.
    """

    name: str
    version: str
    scores: pa.Table
    provenance: Mapping[str, Any]
    caution: str | None = None


def score_names(models: Sequence[ModelScores]) -> tuple[str, ...]:
    """What each model is called among the scores: its version, or its full name where two share a version."""
    versions = [model.version for model in models]
    return tuple(model.version if versions.count(model.version) == 1 else model.name for model in models)
