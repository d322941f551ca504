"""People's decisions: validating a group, correcting its members, annotating one sequence.

What lives here: what each decision changes and answers. What does not: what it requires (`requirements`, `seen`), one
label for many sequences (`bulk`), correcting a group's label (`relabelling`), SQL (`triage_assets.review.decisions`),
and HTTP.

Detections are read before a decision's write transaction begins, and everything else is looked at again inside it: what
others decided in between counts. A decision is carried out whole or not at all, and leaves its lines in the audit; one
that finds its effect there already changes nothing and leaves none.
"""

from dataclasses import dataclass

from triage_assets.groups.annotations import derive_label, generate_clusters
from triage_assets.groups.audit import describe_label, describe_replaced, describe_sequences
from triage_assets.groups.bulk import BulkReport, BulkRequest, annotate_many
from triage_assets.groups.ports import Detections, Reader, Review, Writer
from triage_assets.groups.propagation import plan_propagation
from triage_assets.groups.relabelling import GroupChange, relabel
from triage_assets.groups.requirements import (
    check_clusters,
    not_members,
    require_clusters,
    require_group,
    require_sequence,
)
from triage_assets.groups.seeds import Seeds
from triage_assets.groups.seen import Seen, require_seen_annotation, require_seen_group
from triage_assets.review.records import (
    Action,
    Annotation,
    Cluster,
    Group,
    Label,
    Origin,
    SequenceState,
    Stage,
    StoredAnnotation,
)


@dataclass(frozen=True, slots=True)
class Annotated:
    """An annotation as it was saved, and why its label did not spread where it should have.

    ``group`` is the sequence's as it was found, before any label spread to it.
    """

    stored: StoredAnnotation
    group: Group | None
    warning: str | None


class Decisions:
    """What people may decide. Methods raise `ReviewUnavailable`, and `NotInReview` for what does not exist."""

    def __init__(self, review: Review, detections: Detections) -> None:
        self._review = review
        self._detections = detections

    def set_validated(self, group_id: int, is_validated: bool, *, by: str) -> Group:
        """Validate a group, or take that back. Whoever validated it first stays its reviewer."""
        return self.update_group(group_id, GroupChange(is_validated), by=by)

    def relabel(
        self, group_id: int, label: Label | None, *, is_unsure: bool = False, relabel_copies: bool = False, by: str
    ) -> Group:
        """Correct what a group is said to be, validated or not; None takes its label away."""
        change = GroupChange(None, label, label is None, is_unsure, relabel_copies)
        return self.update_group(group_id, change, by=by)

    def update_group(self, group_id: int, change: GroupChange, *, seen: Seen | None = None, by: str) -> Group:
        """Set what a person says of a group, all of it or nothing.

        Raises `ChangedMeanwhile` where the group is not what was ``seen``.
        """
        with self._review.write(by) as write:
            group = require_group(write, group_id)
            require_seen_group(write, group, seen)
            if change.is_validated not in (None, group.is_validated):
                write.set_validated(group_id, not group.is_validated)
                action = Action.UNVALIDATE if group.is_validated else Action.VALIDATE
                write.record(action, group_id, None, member_count=group.member_count)
            relabel(write, group, change)
            return require_group(write, group_id)

    def remove_member(self, group_id: int, sequence_id: int, *, by: str) -> None:
        """Take a sequence out of its group, and keep it out until somebody re-includes it. Its annotation stays.

        Taking it out a second time changes nothing. Raises `NotMembers`.
        """
        with self._review.write(by) as write:
            require_group(write, group_id)
            state = require_sequence(write, sequence_id)
            if state.excluded_from == group_id:
                return
            if state.group_id != group_id:
                raise not_members(group_id, [sequence_id])
            write.exclude(sequence_id, group_id)
            write.record(Action.REMOVE_MEMBER, group_id, sequence_id)

    def re_include(self, sequence_id: int, *, by: str) -> None:
        """Undo the removal of a sequence: back into the group that it was taken from, validated or not.

        Where that group is gone it is in none, and the next assignment places it. A sequence that is not excluded stays
        where it is.
        """
        with self._review.write(by) as write:
            state = require_sequence(write, sequence_id)
            if state.is_group_excluded:
                write.re_include(sequence_id, state.excluded_from)
                write.record(Action.RE_INCLUDE, state.excluded_from, sequence_id)

    def annotate(
        self,
        sequence_id: int,
        given: Label | tuple[Cluster, ...],
        *,
        is_unsure: bool = False,
        stage: Stage = Stage.SEQ_ANNOTATION_DONE,
        seen: Seen | None = None,
        by: str,
    ) -> Annotated:
        """Save a person's annotation of one sequence over whatever it has, and spread its label where that should.

        A label is stamped on clusters of the sequence's own boxes; clusters are taken as given. What is replaced is
        kept in the audit. Raises `InvalidDecision`, and `ChangedMeanwhile` where the annotation is not what was
        ``seen``.
        """
        with self._review.read() as read:
            state, stored = require_sequence(read, sequence_id), read.annotation(sequence_id)
        tracked = self._detections.load({sequence_id: state.organization_key}).get(sequence_id)
        is_label = isinstance(given, Label)
        clusters = generate_clusters(tracked.boxes if tracked else (), given) if isinstance(given, Label) else given
        annotation = Annotation(sequence_id, stage, clusters, is_unsure, Origin.PERSON)
        if is_label:
            require_clusters(annotation)
        else:
            check_clusters(annotation, tracked, stored)
        label = derive_label(annotation)
        if label is None:
            with self._review.write(by) as write:
                return _carry_out(write, annotation, None, seen)
        seeds = Seeds(self._detections, label)
        with seeds.write(self._review, by, lambda read: _find_receivers(read, annotation)) as write:
            return _carry_out(write, annotation, seeds, seen)

    def annotate_many(self, request: BulkRequest, *, by: str) -> BulkReport:
        """One label for many sequences: see `bulk.annotate_many`."""
        return annotate_many(self._review, self._detections, request, by=by)


def _find_receivers(read: Reader, annotation: Annotation) -> list[SequenceState]:
    """The members that the annotation's label is about to be copied to, if they have boxes."""
    group = _group_of(read, require_sequence(read, annotation.sequence_id))
    if group is None or plan_propagation(group, annotation).label is None:
        return []
    return [each for each in read.members(group.id) if not each.is_locked and each.id != annotation.sequence_id]


def _carry_out(write: Writer, annotation: Annotation, seeds: Seeds | None, seen: Seen | None) -> Annotated:
    sequence_id = annotation.sequence_id
    state, before = require_sequence(write, sequence_id), write.annotation(sequence_id)
    require_seen_annotation(write, sequence_id, before, seen)
    group = _group_of(write, state)
    plan = plan_propagation(group, annotation)
    write.save_annotations([annotation])
    write.record(
        Action.ANNOTATE,
        state.group_id,
        sequence_id,
        **describe_label(derive_label(annotation), annotation.is_unsure),
        stage=annotation.stage,
        clusters=len(annotation.clusters),
        **({"conflicts_with": str(group.label)} if group and plan.warning else {}),
        **describe_replaced(before, annotation),
    )
    if group and plan.label and seeds:
        _spread(write, group, plan.label, annotation, seeds)
    stored = write.annotation(sequence_id)
    assert stored is not None
    return Annotated(stored, group, plan.warning)


def _spread(write: Writer, group: Group, label: Label, source: Annotation, seeds: Seeds) -> None:
    """Write the label on a group without one, and copy it to every other member that is not locked and has boxes.

    A group that carries the label already keeps whoever gave it, and their certainty: one member's doubt is about that
    member. Copies are as certain as the group.
    """
    is_news = group.label is None
    is_unsure = source.is_unsure if is_news else group.is_unsure
    n_others = sum(member.id != source.sequence_id for member in write.members(group.id))
    receivers = _find_receivers(write, source)
    chosen = [member for member in receivers if seeds.of(member)]
    if is_news:
        write.set_label(group.id, label, is_unsure)
    if chosen:
        write.save_annotations(seeds.annotate(chosen, is_unsure=is_unsure, origin=Origin.PROPAGATED))
    if is_news or chosen:
        write.record(
            Action.PROPAGATE,
            group.id,
            source.sequence_id,
            **describe_label(label, is_unsure),
            **describe_sequences([member.id for member in chosen]),
            locked=n_others - len(receivers),
            without_boxes=len(receivers) - len(chosen),
        )


def _group_of(read: Reader, state: SequenceState) -> Group | None:
    return None if state.group_id is None else read.group(state.group_id)
