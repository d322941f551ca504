"""People's decisions: validating a group, correcting its members, annotating one sequence.

What lives here: what each decision changes and answers. What does not: what it requires (`requirements`), one label for
many sequences (`bulk`), SQL (`triage_assets.review.decisions`), and HTTP.

Detections are read before a decision's write transaction begins, and everything else is looked at again inside it: what
others decided in between counts. A decision is carried out whole or not at all, and leaves its lines in the audit; one
that finds its effect there already changes nothing and leaves none.
"""

from dataclasses import dataclass

from triage_assets.groups.annotations import derive_label, generate_clusters
from triage_assets.groups.bulk import BulkReport, BulkRequest, annotate_many
from triage_assets.groups.ports import Detections, Reader, Review, Writer
from triage_assets.groups.propagation import plan_propagation
from triage_assets.groups.requirements import (
    check_clusters,
    not_members,
    require_clusters,
    require_group,
    require_sequence,
)
from triage_assets.groups.seeds import Seeds, describe_label, describe_sequences
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
    """An annotation as it was saved, the sequence's group, and why its label did not spread where it should have."""

    stored: StoredAnnotation
    group_id: int | None
    warning: str | None


class Decisions:
    """What people may decide. Methods raise `ReviewUnavailable`, and `NotInReview` for what does not exist."""

    def __init__(self, review: Review, detections: Detections) -> None:
        self._review = review
        self._detections = detections

    def set_validated(self, group_id: int, is_validated: bool, *, by: str) -> Group:
        """Validate a group, or take that back. Whoever validated it first stays its reviewer."""
        with self._review.write(by) as write:
            group = require_group(write, group_id)
            if group.is_validated != is_validated:
                write.set_validated(group_id, is_validated)
                action = Action.VALIDATE if is_validated else Action.UNVALIDATE
                write.record(action, group_id, None, member_count=group.member_count)
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
        by: str,
    ) -> Annotated:
        """Save a person's annotation of one sequence over whatever it has, and spread its label where that should.

        A label is stamped on clusters of the sequence's own boxes; clusters are taken as given. Raises
        `InvalidDecision`.
        """
        with self._review.read() as read:
            state = require_sequence(read, sequence_id)
        detections = self._detections.load({sequence_id: state.organization_key}).get(sequence_id, ())
        clusters = generate_clusters(detections, given) if isinstance(given, Label) else given
        annotation = Annotation(sequence_id, stage, clusters, is_unsure, Origin.PERSON)
        if isinstance(given, Label):
            require_clusters(annotation)
        else:
            check_clusters(annotation, detections)
        seeds = self._prepare_spread(annotation)
        with self._review.write(by) as write:
            return _carry_out(write, annotation, seeds)

    def annotate_many(self, request: BulkRequest, *, by: str) -> BulkReport:
        """One label for many sequences: see `bulk.annotate_many`."""
        return annotate_many(self._review, self._detections, request, by=by)

    def _prepare_spread(self, annotation: Annotation) -> Seeds | None:
        """The boxes of the other members, where the annotation's label is about to spread; None where it has none."""
        label = derive_label(annotation)
        if label is None:
            return None
        seeds = Seeds(self._detections, label)
        with self._review.read() as read:
            group = _group_of(read, require_sequence(read, annotation.sequence_id))
            is_spreading = group is not None and plan_propagation(group, annotation).label is not None
            others = read.members(group.id) if group and is_spreading else ()
        seeds.prepare(other for other in others if not other.is_locked and other.id != annotation.sequence_id)
        return seeds


def _carry_out(write: Writer, annotation: Annotation, seeds: Seeds | None) -> Annotated:
    sequence_id, is_unsure = annotation.sequence_id, annotation.is_unsure
    state = require_sequence(write, sequence_id)
    group = _group_of(write, state)
    plan = plan_propagation(group, annotation)
    write.save_annotations([annotation])
    said = describe_label(derive_label(annotation), is_unsure)
    conflict = {"conflicts_with": str(group.label)} if group and plan.warning else {}
    clusters = len(annotation.clusters)
    write.record(
        Action.ANNOTATE, state.group_id, sequence_id, **said, stage=annotation.stage, clusters=clusters, **conflict
    )
    if group and plan.label and seeds:
        _spread(write, group, plan.label, annotation, seeds)
    elif group and plan.is_undecidable and not group.is_unsure:
        write.set_label(group.id, None, is_unsure=True)
        write.record(Action.PROPAGATE, group.id, sequence_id, **said, **describe_sequences([]))
    stored = write.annotation(sequence_id)
    assert stored is not None
    return Annotated(stored, state.group_id, plan.warning)


def _spread(write: Writer, group: Group, label: Label, source: Annotation, seeds: Seeds) -> None:
    """Write the label on the group, and copy it to every other member that is not locked and has boxes."""
    others = [member for member in write.members(group.id) if member.id != source.sequence_id]
    unlocked = [member for member in others if not member.is_locked]
    chosen = [member for member in unlocked if seeds.of(member)]
    is_news = (group.label, group.is_unsure) != (label, source.is_unsure)
    if is_news:
        write.set_label(group.id, label, source.is_unsure)
    if chosen:
        write.save_annotations(seeds.annotate(chosen, is_unsure=source.is_unsure, origin=Origin.PROPAGATED))
    if is_news or chosen:
        write.record(
            Action.PROPAGATE,
            group.id,
            source.sequence_id,
            **describe_label(label, source.is_unsure),
            **describe_sequences([member.id for member in chosen]),
            locked=len(others) - len(unlocked),
            without_boxes=len(unlocked) - len(chosen),
        )


def _group_of(read: Reader, state: SequenceState) -> Group | None:
    return None if state.group_id is None else read.group(state.group_id)
