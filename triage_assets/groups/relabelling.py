"""Correcting what a group is said to be, and the labels that came through it.

What lives here: what a person may set on a group, and carrying it out inside a write transaction. What does not: labels
that are given by annotating members (`decisions`, `bulk`).

Without this a slip could never be taken back: the label that spread has locked every member that it went to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from triage_assets.groups.annotations import derive_label, relabel_clusters
from triage_assets.groups.audit import describe_label, describe_sequences
from triage_assets.groups.ports import Writer
from triage_assets.review.records import Action, Annotation, Group, Label, Stage


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What a person sets on a group; what is None stays as it is.

    A label that is given, or cleared with ``clears_label``, is sure unless ``is_unsure`` says otherwise. With
    ``relabel_copies`` the members follow whose annotation came through the group: to its label, or, where it has none
    any more, back to being ready to annotate. What a person annotated, one by one or by naming it, stays.
    """

    is_validated: bool | None = None
    label: Label | None = None
    clears_label: bool = False
    is_unsure: bool | None = None
    relabel_copies: bool = False

    def label_of(self, group: Group) -> Label | None:
        """The label that the group is to have."""
        return None if self.clears_label else self.label or group.label

    def is_unsure_of(self, group: Group) -> bool:
        """Whether that is unsure."""
        if self.is_unsure is None:
            return group.is_unsure and self.label is None and not self.clears_label
        return self.is_unsure


def relabel(write: Writer, group: Group, change: GroupChange) -> None:
    """Carry out what the change says of the group's label, and record it where it changes anything."""
    label, is_unsure = change.label_of(group), change.is_unsure_of(group)
    copies = [member.id for member in write.members(group.id) if member.is_copy] if change.relabel_copies else []
    followed: list[int] = []

    def follow() -> Iterator[Annotation]:
        for stored in write.annotations(copies):
            annotation = _follow(stored.annotation, label, is_unsure)
            if annotation != stored.annotation:
                followed.append(annotation.sequence_id)
                yield annotation

    write.save_annotations(follow())
    is_news = (group.label, group.is_unsure) != (label, is_unsure)
    if is_news:
        write.set_label(group.id, label, is_unsure)
    if is_news or followed:
        replaced = {} if group.label is None else {"replaced": str(group.label)}
        write.record(
            Action.RELABEL,
            group.id,
            None,
            **describe_label(label, is_unsure),
            **replaced,
            replaced_is_unsure=group.is_unsure,
            relabel_copies=change.relabel_copies,
            **describe_sequences(followed),
        )


def _follow(copy: Annotation, label: Label | None, is_unsure: bool) -> Annotation:
    if label is None:
        return replace(copy, stage=Stage.READY_TO_ANNOTATE, clusters=(), is_unsure=False)
    clusters = copy.clusters if derive_label(copy) == label else relabel_clusters(copy.clusters, label)
    return replace(copy, clusters=clusters, is_unsure=is_unsure)
