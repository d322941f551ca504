"""One label for many sequences at once.

What lives here: which of them take it, what that means for the group that was named, and the answer. What does not:
decisions about one sequence or one group (`decisions`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from triage_assets.errors import InvalidDecision, LabelConflict
from triage_assets.groups.ports import Detections, Reader, Review, Writer
from triage_assets.groups.requirements import not_members, require_group
from triage_assets.groups.seeds import NO_PREDICTIONS, Seeds, describe_label, describe_sequences
from triage_assets.review.records import Action, Group, Label, Origin, SequenceState

MOST_SEQUENCES = 100_000
NOT_FOUND = "not found"
LOCKED_STAGE = "locked stage"


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """One label for sequences, each counted once; where ``group_id`` is given all of them are to be its members.

    ``force`` lets the label replace another one that the group carries.
    """

    sequence_ids: tuple[int, ...]
    label: Label
    is_unsure: bool = False
    group_id: int | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class BulkReport:
    """Every requested sequence once, in the order of the request: applied, or skipped with the reason."""

    applied: tuple[int, ...]
    skipped: Mapping[int, str]
    group_label_updated: bool


def annotate_many(review: Review, detections: Detections, request: BulkRequest, *, by: str) -> BulkReport:
    """Give the label to every sequence that is not locked, and to the named group if any of them took it.

    Where no group is named, the labels of the sequences' groups stay. Asked the same again, what was applied is locked
    by then: it is skipped, and nothing changes. Raises `InvalidDecision`, `NotInReview`, `NotMembers`, `LabelConflict`
    before anything is written, and `ReviewUnavailable`.
    """
    ids = tuple(dict.fromkeys(request.sequence_ids))
    if not 0 < len(ids) <= MOST_SEQUENCES:
        raise InvalidDecision(
            "A bulk annotation is of some sequences, and not of too many",
            found=f"{len(ids):,}",
            expected=f"1 to {MOST_SEQUENCES:,}",
        )
    seeds = Seeds(detections, request.label)
    with review.read() as read:
        states = read.sequences(ids)
        _check_group(read, request, ids, states)
    seeds.prepare(state for state in states.values() if not state.is_locked)
    with review.write(by) as write:
        states = write.sequences(ids)
        group = _check_group(write, request, ids, states)
        skipped: dict[int, str] = {}
        for sequence_id in ids:
            if reason := _reason_to_skip(states.get(sequence_id), seeds):
                skipped[sequence_id] = reason
        chosen = [states[sequence_id] for sequence_id in ids if sequence_id not in skipped]
        updated = False
        if chosen:
            write.save_annotations(seeds.annotate(chosen, is_unsure=request.is_unsure, origin=Origin.BULK))
            updated = group is not None and (group.label, group.is_unsure) != (request.label, request.is_unsure)
            if group and updated:
                write.set_label(group.id, request.label, request.is_unsure)
            left_out = Counter(states[each].group_id if each in states else None for each in skipped)
            _record(write, request, chosen, left_out, group if updated else None)
    return BulkReport(tuple(state.id for state in chosen), skipped, updated)


def _check_group(
    read: Reader, request: BulkRequest, ids: Sequence[int], states: Mapping[int, SequenceState]
) -> Group | None:
    """The named group, None where none is. A sequence that does not exist is no member of it either."""
    if request.group_id is None:
        return None
    group = require_group(read, request.group_id)
    members = {state.id for state in states.values() if state.group_id == group.id}
    if outsiders := [sequence_id for sequence_id in ids if sequence_id not in members]:
        raise not_members(group.id, outsiders)
    if group.label not in (None, request.label) and not request.force:
        raise LabelConflict(
            f"Group {group.id} carries another label",
            found=group.label,
            expected=request.label,
            do="With force=true the label replaces it, and goes to those of the named members that are not locked.",
        )
    return group


def _reason_to_skip(state: SequenceState | None, seeds: Seeds) -> str | None:
    if state is None:
        return NOT_FOUND
    if state.is_locked:
        return f"{LOCKED_STAGE}: {state.stage}"
    return None if seeds.of(state) else NO_PREDICTIONS


def _record(
    write: Writer,
    request: BulkRequest,
    chosen: Iterable[SequenceState],
    left_out: Mapping[int | None, int],
    relabelled: Group | None,
) -> None:
    """One line for each group that has a sequence which took the label, and one for those in no group."""
    applied: dict[int | None, list[int]] = {}
    for state in chosen:
        applied.setdefault(state.group_id, []).append(state.id)
    for group_id, sequence_ids in applied.items():
        replaced = {"replaced": str(relabelled.label)} if relabelled and relabelled.label else {}
        write.record(
            Action.BULK_ANNOTATE,
            group_id,
            None,
            **describe_label(request.label, request.is_unsure),
            **describe_sequences(sequence_ids),
            skipped=left_out.get(group_id, 0),
            group_label_updated=relabelled is not None,
            **replaced,
        )
