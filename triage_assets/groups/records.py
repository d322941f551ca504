"""What grouping takes and gives, as plain records: the joining policy, the tables of its snapshot, what was done.

What lives here: immutable values that composers and other packages need. What does not: rules, or any SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from triage_assets.review.records import SkippedReason

FOLDER = "groups"
# Of new sequences 30% joined a group at 0.3 and 14% at 0.5; `python -m benchmarks.groups` measures precision and
# recall over thresholds on scenes whose true things are known.
IOU_THRESHOLD = 0.3

_MOMENT = pa.timestamp("us", "UTC")
GROUPS = pa.schema(
    [
        ("group_id", pa.int64()),
        ("camera_id", pa.int64()),
        ("camera_name", pa.string()),
        ("azimuth", pa.int64()),
        ("organization_key", pa.string()),
        ("organization_name", pa.string()),
        ("x1", pa.float64()),
        ("y1", pa.float64()),
        ("x2", pa.float64()),
        ("y2", pa.float64()),
        ("confidence", pa.float64()),
        ("smoke_type", pa.string()),
        ("false_positive_type", pa.string()),
        ("is_unsure", pa.bool_()),
        ("label_state", pa.string()),
        ("is_validated", pa.bool_()),
        ("validated_at", _MOMENT),
        ("validated_by", pa.string()),
        ("labeled_at", _MOMENT),
        ("labeled_by", pa.string()),
        ("created_at", _MOMENT),
        ("updated_at", _MOMENT),
        ("member_count", pa.int32()),
    ]
)
MEMBERS = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("group_id", pa.int64()),
        ("organization_key", pa.string()),
        ("camera_id", pa.int64()),
        ("azimuth", pa.int64()),
        ("recorded_at", _MOMENT),
    ]
)
UNGROUPED = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("is_group_excluded", pa.bool_()),
        ("excluded_from", pa.int64()),
        ("skipped_reason", pa.string()),
        ("organization_key", pa.string()),
        ("camera_id", pa.int64()),
        ("azimuth", pa.int64()),
        ("recorded_at", _MOMENT),
    ]
)
SEQUENCES = pa.unify_schemas([MEMBERS, UNGROUPED])  # all that are known; their group is null where they are in none
ANNOTATIONS = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("stage", pa.string()),
        ("has_smoke", pa.bool_()),
        ("has_false_positives", pa.bool_()),
        ("smoke_types", pa.list_(pa.string())),
        ("false_positive_types", pa.list_(pa.string())),
        ("is_unsure", pa.bool_()),
        ("origin", pa.string()),
        ("annotation", pa.string()),  # the clusters as JSON text
        ("updated_at", _MOMENT),
    ]
)


class Joining(StrEnum):
    """What joining a group that people have judged means for a newcomer.

    `INHERIT`: a newcomer of a labelled group gets its label. `FREEZE`: a validated group takes no newcomers, and
    assignment never writes a label.
    """

    INHERIT = "inherit"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class AssignmentReport:
    """What one assignment did; nothing at all where another was running already.

    ``processed`` sequences had no group and were not excluded; each founded a group, joined one, or was skipped.
    ``skipped_no_bbox`` counts all that were skipped, ``skipped`` the same by reason.
    """

    already_running: bool
    processed: int
    new_groups: int
    joined_existing: int
    inherited_annotations: int
    skipped_no_bbox: int
    skipped: Mapping[SkippedReason, int]


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """Which review database, and how many writes it had seen.

    ``token`` was drawn by the last of them: a database that was restored from a copy comes to the same revision again,
    with other rows and another token.
    """

    database_id: str
    revision: int
    token: str


@dataclass(frozen=True, slots=True)
class ReviewChanges:
    """Rows of the review database in one state: all, or those that changed since another; each by id.

    ``sequences`` are of `SEQUENCES`, the other tables of the schema of their name. The counts are of all rows.
    """

    state: DatabaseState
    groups: pa.Table
    sequences: pa.Table
    annotations: pa.Table
    n_groups: int
    n_sequences: int
    n_annotations: int

    @property
    def n_rows(self) -> int:
        """How many rows came with it."""
        return len(self.groups) + len(self.sequences) + len(self.annotations)


INVARIANTS = (
    "members_are_of_their_groups_camera_and_azimuth",
    "member_counts_agree_with_members",
    "nobody_is_in_two_groups",
    "excluded_and_skipped_are_in_no_group",
    "labels_are_one_or_none",
    "regions_are_boxes",
)


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise of the groups, whether the snapshot keeps it, and what was found."""

    name: str
    holds: bool
    found: str
