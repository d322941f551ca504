"""What decisions require of what they are about, and the errors that say so.

What lives here: checks that change nothing. What does not: anything that depends on what others decided in between but
existence (`decisions` and `bulk` look at that in their own transactions).
"""

from collections.abc import Sequence

from triage_assets.annotator.records import TrackedBoxes
from triage_assets.errors import InvalidDecision, NotInReview, NotMembers
from triage_assets.groups.boxes import is_valid_box
from triage_assets.groups.ports import Reader
from triage_assets.groups.seeds import NO_PREDICTIONS
from triage_assets.review.records import (
    Annotation,
    BoxOnFrame,
    FalsePositiveType,
    Group,
    Label,
    SequenceState,
    SmokeType,
    Stage,
    StoredAnnotation,
)

_NAMED = 5  # sequences that an error names


def make_label(smoke_type: SmokeType | None, false_positive_type: FalsePositiveType | None) -> Label:
    """The label that two fields are. Raises `InvalidDecision` for both or neither."""
    if (smoke_type is None) == (false_positive_type is None):
        raise InvalidDecision(
            "A label is a smoke type or a false-positive type",
            found="neither" if smoke_type is None else f"both, {smoke_type} and {false_positive_type}",
            expected="exactly one of smoke_type and false_positive_type",
        )
    return Label(smoke_type, false_positive_type)


def require_group(read: Reader, group_id: int) -> Group:
    """The group. Raises `NotInReview`."""
    group = read.group(group_id)
    if group is None:
        raise NotInReview(f"There is no group {group_id}")
    return group


def not_members(group_id: int, sequence_ids: Sequence[int]) -> NotMembers:
    """The error that names some of the outsiders."""
    some = ", ".join(map(str, sequence_ids[:_NAMED]))
    more = f" and {len(sequence_ids) - _NAMED:,} more" if len(sequence_ids) > _NAMED else ""
    return NotMembers(f"Not members of group {group_id}: {some}{more}", do="Load the group again: it may have changed.")


def require_sequence(read: Reader, sequence_id: int) -> SequenceState:
    """Where the sequence stands. Raises `NotInReview`."""
    state = read.sequences([sequence_id]).get(sequence_id)
    if state is None:
        raise NotInReview(
            f"There is no sequence {sequence_id} in the review database",
            do="Sequences come in with the next assignment after they were pulled.",
        )
    return state


def require_clusters(annotation: Annotation) -> None:
    """Refuse a label for a sequence without boxes to stamp it on. Raises `InvalidDecision`."""
    if not annotation.clusters:
        raise InvalidDecision(
            f"Sequence {annotation.sequence_id} cannot be annotated with a label alone",
            found=NO_PREDICTIONS,
            do="Give the annotation itself: its clusters, with boxes or without.",
        )


def check_clusters(annotation: Annotation, tracked: TrackedBoxes | None, stored: StoredAnnotation | None) -> None:
    """Refuse clusters that contradict themselves or are of other frames, and a done annotation that says nothing.

    Boxes that the sequence's detections or its stored annotation have are taken as they are: the annotator's reach over
    the border at times, and a sequence may have left the backlog since. Raises `InvalidDecision`.
    """
    if annotation.stage == Stage.SEQ_ANNOTATION_DONE and not annotation.clusters and not annotation.is_unsure:
        raise InvalidDecision("An annotation that is done says something", found="no clusters, and not unsure")
    known = frozenset(tracked.detection_ids) if tracked else frozenset()
    own = {BoxOnFrame(*box) for box in tracked.boxes if is_valid_box(*box[1])} if tracked else set()
    if stored is not None:
        own.update(box for cluster in stored.annotation.clusters for box in cluster.boxes)
    for number, cluster in enumerate(annotation.clusters, start=1):
        if cluster.is_smoke and cluster.false_positive_types:
            raise InvalidDecision(f"Cluster {number} is smoke, and has false-positive types")
        if not cluster.is_smoke and cluster.smoke_type:
            raise InvalidDecision(f"Cluster {number} is no smoke, and has a smoke type")
        for box in cluster.boxes:
            if box not in own:
                _check_box(box, number, annotation.sequence_id, known)


def _check_box(box: BoxOnFrame, number: int, sequence_id: int, known: frozenset[int]) -> None:
    if not is_valid_box(*box.xyxyn):
        raise InvalidDecision(f"Cluster {number} has a box that is reversed or all zeros", found=list(box.xyxyn))
    if not all(0 <= corner <= 1 for corner in box.xyxyn):
        raise InvalidDecision(
            f"Cluster {number} has a box that reaches over the border",
            found=list(box.xyxyn),
            expected="corners from 0 to 1, or a box that was detected",
        )
    if box.detection_id not in known:
        raise InvalidDecision(
            f"Cluster {number} has a box on a frame that sequence {sequence_id} does not have",
            found=f"detection {box.detection_id}",
            expected=f"one of the {len(known)} detections of the present backlog",
        )
