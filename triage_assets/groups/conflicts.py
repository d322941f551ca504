"""When a sequence's annotation contradicts its group.

What lives here: the rule, as a function of both alone. What does not: what is done about it (`decisions`).
"""

from triage_assets.groups.annotations import derive_label
from triage_assets.review.records import DECIDED_STAGES, Annotation, Group, Label


def find_conflict(group: Group | None, annotation: Annotation) -> Label | None:
    """The label of the validated group that a decided annotation has another label than; None where they agree.

    An annotation that stands for no one label contradicts nothing.
    """
    if group is None or not group.is_validated or annotation.stage not in DECIDED_STAGES:
        return None
    return group.label if derive_label(annotation) not in (None, group.label) else None
