"""What grouping takes and gives, as plain records: the joining policy and the report of one assignment.

What lives here: immutable values that composers and other packages need. What does not: rules, or any SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from triage_assets.review.records import SkippedReason

FOLDER = "groups"
# Of new sequences 30% joined a group at 0.3 and 14% at 0.5; `python -m benchmarks.groups` measures precision and
# recall over thresholds on scenes whose true things are known.
IOU_THRESHOLD = 0.3


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
