"""One label for many sequences at once.

What lives here: which of them take it, what that means for the group that was named, and the answer. What does not:
decisions about one sequence or one group (`decisions`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from triage_assets.errors import InvalidDecision, LabelConflict
from triage_assets.groups.audit import describe_label, describe_sequences
from triage_assets.groups.ports import Detections, Reader, Review, Writer
from triage_assets.groups.requirements import not_members, require_group
from triage_assets.groups.seeds import NO_PREDICTIONS, Seeds
from triage_assets.review.records import Action, Group, Label, Origin, SequenceState

MOST_SEQUENCES = 100_000
NOT_FOUND = "not found"
LOCKED_STAGE = "locked stage"

_NAMED_GROUPS = 100  # that an answer warns of by number; it counts all of them
_NAMED_SEQUENCES = 20  # of each such group


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
class Contradiction:
    """Sequences that took another label than their validated group carries; the first few, and how many."""

    group_id: int
    label: Label
    sequence_ids: tuple[int, ...]
    n_sequences: int


@dataclass(frozen=True, slots=True)
class BulkReport:
    """Every requested sequence once, in the order of the request: applied, or skipped with the reason.

    ``contradictions`` are the first of ``n_contradicted`` groups.
    """

    applied: tuple[int, ...]
    skipped: Mapping[int, str]
    group_label_updated: bool
    contradictions: tuple[Contradiction, ...] = ()
    n_contradicted: int = 0


def annotate_many(review: Review, detections: Detections, request: BulkRequest, *, by: str) -> BulkReport:
    """Give the label to every sequence that is not locked, and to the named group if any of them took it.

    Where no group is named, the labels of the sequences' groups stay, and the answer names the validated ones that say
    something else now than their members do. Asked the same again, what was applied is locked
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

    def find_unlocked(read: Reader) -> list[SequenceState]:
        states = read.sequences(ids)
        _check_group(read, request, ids, states)
        return [state for state in states.values() if not state.is_locked]

    with seeds.write(review, by, find_unlocked) as write:
        states = write.sequences(ids)
        group = _check_group(write, request, ids, states)
        skipped: dict[int, str] = {}
        for sequence_id in ids:
            if reason := _reason_to_skip(states.get(sequence_id), seeds):
                skipped[sequence_id] = reason
        chosen = [states[sequence_id] for sequence_id in ids if sequence_id not in skipped]
        updated = False
        applied: dict[int | None, list[int]] = {}
        contradicted: dict[int, Group] = {}
        if chosen:
            write.save_annotations(seeds.annotate(chosen, is_unsure=request.is_unsure, origin=Origin.BULK))
            updated = group is not None and (group.label, group.is_unsure) != (request.label, request.is_unsure)
            if group and updated:
                write.set_label(group.id, request.label, request.is_unsure)
            applied = _by_group(chosen)
            contradicted = {} if group else _find_contradicted(write, applied, request.label)
            left_out = Counter(states[each].group_id if each in states else None for each in skipped)
            _record(write, request, applied, left_out, contradicted, group if updated else None)
    named = [_describe_contradiction(each, applied[each.id]) for each in islice(contradicted.values(), _NAMED_GROUPS)]
    return BulkReport(tuple(state.id for state in chosen), skipped, updated, tuple(named), len(contradicted))


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


def _by_group(chosen: Iterable[SequenceState]) -> dict[int | None, list[int]]:
    applied: dict[int | None, list[int]] = {}
    for state in chosen:
        applied.setdefault(state.group_id, []).append(state.id)
    return applied


def _find_contradicted(read: Reader, group_ids: Iterable[int | None], label: Label) -> dict[int, Group]:
    """The validated ones of these groups that carry another label: a single annotation would have warned of them."""
    named = [group_id for group_id in group_ids if group_id is not None]
    groups = read.groups(named)
    found = (groups[group_id] for group_id in named)
    return {group.id: group for group in found if group.is_validated and group.label not in (None, label)}


def _describe_contradiction(group: Group, sequence_ids: Sequence[int]) -> Contradiction:
    assert group.label is not None
    return Contradiction(group.id, group.label, tuple(sequence_ids[:_NAMED_SEQUENCES]), len(sequence_ids))


def _record(
    write: Writer,
    request: BulkRequest,
    applied: Mapping[int | None, list[int]],
    left_out: Mapping[int | None, int],
    contradicted: Mapping[int, Group],
    relabelled: Group | None,
) -> None:
    """One line for each group that has a sequence which took the label, and one for those in no group."""
    replaced = {"replaced": str(relabelled.label)} if relabelled and relabelled.label else {}
    for group_id, sequence_ids in applied.items():
        conflict = contradicted.get(group_id) if group_id is not None else None
        write.record(
            Action.BULK_ANNOTATE,
            group_id,
            None,
            **describe_label(request.label, request.is_unsure),
            **describe_sequences(sequence_ids),
            skipped=left_out.get(group_id, 0),
            group_label_updated=relabelled is not None,
            **replaced,
            **({"conflicts_with": str(conflict.label)} if conflict else {}),
        )
