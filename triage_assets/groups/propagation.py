"""What the annotation of one member means for its group.

What lives here: the rule, as a function of the group and the annotation alone. What does not: carrying it out
(`decisions`).
"""

from dataclasses import dataclass

from triage_assets.groups.annotations import derive_label
from triage_assets.review.records import Annotation, Group, Label, Stage


@dataclass(frozen=True, slots=True)
class Propagation:
    """What is to happen to the group: at most one of the two.

    ``label`` is copied to its other members, and written on it where it has none; ``warning`` says why nothing spreads
    although a label was given.
    """

    label: Label | None = None
    warning: str | None = None


def plan_propagation(group: Group | None, annotation: Annotation) -> Propagation:
    """What a member's new annotation means for its group, as that is now.

    Only the stage seq_annotation_done speaks for a group, and only in a validated one: somebody has looked whether its
    members are one thing. An annotation without one label says nothing of the group, unsure or not.
    """
    if group is None or not group.is_validated or annotation.stage != Stage.SEQ_ANNOTATION_DONE:
        return Propagation()
    label = derive_label(annotation)
    if label is None:
        return Propagation()
    if group.label not in (None, label):
        return Propagation(
            warning=f"Group {group.id} is labelled {group.label}, and this sequence is now {label}. The sequence's own "
            "annotation is saved; the group and its other members stay as they are until somebody gives the group "
            "another label, or takes the sequence out of it."
        )
    return Propagation(label=label)
