"""What the split is made of: the lists, the promises, one model's scores and people's decisions as they come in.

What lives here: names and values that others need without doing the split. What does not: the split (`build`), its
files (`export`), and anything that needs pandas.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.groups.records import ANNOTATIONS, GROUPS, MEMBERS, DatabaseState
from triage_assets.review.records import DECIDED_STAGES, LOCKED_STAGES, Stage

REVIEW = "review"
UNLABELED = "unlabeled"
LABELED = "labeled"

BACKLOG_COLUMNS = (
    "sequence_id", "organization_id", "organization_name", "camera_name", "azimuth", "recorded_at", "last_seen_at",
    "n_detections",
)  # fmt: skip
NOT_SCORED = "no model has scored it yet: run `triage run`, or materialize predictions"
OUT_OF_DATE = "its frames changed after it was scored: run `triage run`, or materialize predictions"

FOLDER = "worklists"
INVARIANTS = (
    "review_and_unlabeled_are_disjoint",
    "worklists_cover_the_backlog_once",
    "nothing_outside_the_backlog",
    "labeled_is_in_labels_alone",
    "under_annotation_is_in_review",
    "review_groups_cover_review_once",
    "bulk_payload_is_the_unlabeled_list",
    "label_payloads_are_the_labels_list",
    "files_are_of_one_run",
)
# The triage scores of a group's members, one thing as far as its boxes tell, are far apart from here on; see
# docs/groups.md for how often that is so among demo alarms of one thing and of several.
FAR_APART = 0.5


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


@dataclass(frozen=True, slots=True)
class ReviewTables:
    """What was grouped and decided so far: three tables of the snapshot of the review database.

    ``groups`` has one row per group, ``members`` one per sequence in a group, ``annotations`` one per sequence that has
    an annotation. Sequences may be among them that have left the backlog. ``state`` is the database's as of which they
    are, None where nothing was ever grouped.
    """

    groups: pa.Table
    members: pa.Table
    annotations: pa.Table
    state: DatabaseState | None = None

    def decided_ids(self) -> frozenset[int]:
        """The sequences that somebody, or what somebody decided, has labelled."""
        return self._ids_at(DECIDED_STAGES)

    def begun_ids(self) -> frozenset[int]:
        """The sequences that somebody is annotating."""
        return self._ids_at(LOCKED_STAGES - DECIDED_STAGES)

    def _ids_at(self, stages: AbstractSet[Stage]) -> frozenset[int]:
        is_there = pc.is_in(self.annotations["stage"], pa.array(sorted(stages)))
        return frozenset(self.annotations["sequence_id"].filter(is_there).to_pylist())


NOT_GROUPED = ReviewTables(GROUPS.empty_table(), MEMBERS.empty_table(), ANNOTATIONS.empty_table())


def score_names(models: Sequence[ModelScores]) -> tuple[str, ...]:
    """What each model is called among the scores: its version, or its full name where two share a version."""
    versions = [model.version for model in models]
    return tuple(model.version if versions.count(model.version) == 1 else model.name for model in models)
