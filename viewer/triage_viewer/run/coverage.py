"""What was made of the backlog as it is now: by each model, by grouping, by the worklists.

What lives here: comparisons of ids, and of what the backlog says of a sequence now with what it said then. What does
not: the backlog itself (`waiting`), and how counts are shown (`stored`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from triage_assets.errors import StoreError
from triage_assets.groups.snapshot import load_columns
from triage_assets.review.records import LabelState
from triage_assets.scoring.records import INCOMPLETE
from triage_assets.store import Store
from triage_viewer.backlog.load import StoredBacklog
from triage_viewer.frames.stored_scores import StoredCurrent
from triage_viewer.run.waiting import Integers, Waiting

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of each sequence that waits, whether a model has scored it as it is now, or cannot; ``reasons`` say why not."""

    is_scored: Flags
    is_dropped: Flags
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GroupsFigures:
    """Counts of one snapshot; ``known`` are the ids of all sequences that it has, in order."""

    revision: int
    groups: int
    recurring: int
    by_state: Mapping[str, int]
    validated: int
    clicks_saved: int
    members: int
    excluded: int
    skipped: Mapping[str, int]
    known: Integers


def cover(store: Store, model: str, waiting: Waiting) -> Coverage:
    """What a model's present table says of the backlog. Raises `StoreError`, and `NewerFormat`."""
    current = StoredCurrent.open(store, model)
    ids: Integers = current.read("sequence_id").to_numpy()
    if not len(ids):
        nothing = np.zeros(len(waiting), np.bool_)
        return Coverage(nothing, nothing, {})
    order = np.argsort(ids, kind="stable")
    places, is_there = _find(ids[order], waiting.ids)
    rows = order[places]
    for name, present in (("last_seen_at", waiting.last_seen_us), ("n_detections", waiting.n_detections)):
        then = current.read(name).cast(pa.int64()).fill_null(-1).to_numpy()
        is_there &= then[rows] == present
    has_score = pc.is_valid(current.read("triage_score")).to_numpy()[rows]
    reasons = current.read("dropped_reason")
    is_dropped = is_there & pc.not_equal(reasons, INCOMPLETE).fill_null(False).to_numpy()[rows]
    counts = Counter(reasons.take(pa.array(rows[is_dropped])).to_pylist())
    return Coverage(is_there & has_score, is_dropped, dict(sorted(counts.items())))


def count_groups(store: Store) -> GroupsFigures | None:
    """The figures of the groups' snapshot, None where there is none. Raises `StoreError`, and `NewerFormat`."""
    groups = load_columns(store, "groups", ("label_state", "is_validated", "member_count"))
    members = load_columns(store, "members", ("sequence_id",))
    ungrouped = load_columns(store, "ungrouped", ("sequence_id", "is_group_excluded", "skipped_reason"))
    if groups is None and members is None and ungrouped is None:
        return None
    if groups is None or members is None or ungrouped is None or len({groups[0], members[0], ungrouped[0]}) > 1:
        raise StoreError(
            "The groups' files are not all of one revision",
            do="Wait while a run is under way; otherwise materialize sequence_groups.",
        )
    sizes: Integers = groups[1]["member_count"].to_numpy()
    known = np.concatenate([members[1]["sequence_id"].to_numpy(), ungrouped[1]["sequence_id"].to_numpy()])
    states = Counter(groups[1]["label_state"].to_pylist())
    return GroupsFigures(
        revision=groups[0].revision,
        groups=len(sizes),
        recurring=int((sizes >= 2).sum()),
        by_state={state: states[state] for state in LabelState},
        validated=pc.sum(groups[1]["is_validated"]).as_py() or 0,
        clicks_saved=int(np.maximum(sizes.astype(np.int64) - 1, 0).sum()),
        members=len(members[1]),
        excluded=pc.sum(ungrouped[1]["is_group_excluded"]).as_py() or 0,
        skipped=dict(Counter(ungrouped[1]["skipped_reason"].drop_null().to_pylist())),
        known=np.sort(known),
    )


def count_scored_since(backlog: StoredBacklog, waiting: Waiting, coverages: Mapping[str, Coverage]) -> int:
    """How many sequences of the worklists have a score by one of their models now that they had not."""
    table = backlog.table
    places, is_there = _find(table.sequence_ids, waiting.ids)
    is_new = np.zeros(len(waiting), np.bool_)
    for number, model in enumerate(backlog.record.models):
        if model.name in coverages and len(table):
            is_new |= is_there & coverages[model.name].is_scored & np.isnan(table.scores[number, places])
    return int(is_new.sum())


def count_missing(ids: Integers, among: Integers) -> int:
    """How many of the ids are not among the others, which are in order."""
    return int((~_find(among, ids)[1]).sum())


def _find(ordered: Integers, wanted: Integers) -> tuple[Integers, Flags]:
    """Of each wanted id the last place that it has, and whether it is there at all."""
    places = np.maximum(ordered.searchsorted(wanted, "right") - 1, 0)
    is_there = ordered[places] == wanted if len(ordered) else np.zeros(len(wanted), np.bool_)
    return places, is_there
