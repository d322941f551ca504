"""Grouping as a whole: the stored backlog, the rules and the review database together.

What lives here: one assignment, planned from one state of the database and written in one transaction; and the snapshot
that follows. What does not: the rule (`groups.assignment`), SQL (`review`), and who asks for it: an asset, or a person.

A sequence that is in a group stays there whatever becomes of it on the annotator: when it leaves the backlog, and when
its camera or azimuth is corrected.
"""

import logging
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from triage_assets.errors import ReviewMismatch
from triage_assets.groups.assignment import Regions, assign
from triage_assets.groups.boxes import Flags, Integers
from triage_assets.groups.inheritance import Heir, Inheritance, describe_inheritances, inherit
from triage_assets.groups.records import IOU_THRESHOLD, AssignmentReport, Joining
from triage_assets.groups.snapshot import (
    SnapshotReport,
    advance,
    is_complete,
    open_if_readable,
    require_same_database,
    store_snapshot,
)
from triage_assets.review.aggregates import refresh_aggregates
from triage_assets.review.annotations import save_annotations
from triage_assets.review.assignments import (
    add_groups,
    claim,
    highest_group_id,
    load_groups,
    load_known,
    load_labels,
    load_revision,
    load_settled_since,
    load_stages,
    move_sequences,
    record_assignment,
    record_inheritance,
    save_sequences,
)
from triage_assets.review.database import ReviewDatabase, Write
from triage_assets.review.export import has_been, load_changes, load_state
from triage_assets.review.records import LOCKED_STAGES, SkippedReason
from triage_assets.store import Store
from triage_assets.stored_detections import StoredDetections
from triage_assets.stored_newcomers import read_newcomers

_logger = logging.getLogger(__name__)

_CORNERS = ("x1", "y1", "x2", "y2")
_FOUNDED = ("camera_id", "camera_name", "azimuth", "organization_key", "organization_name", *_CORNERS, "confidence")
_KEPT = (
    "id", "organization_key", "camera_id", "azimuth", "recorded_at", "last_seen_at", "n_detections",
    "first_detection_id", "first_boxes", "skipped_reason",
)  # fmt: skip
_NOTHING = AssignmentReport(False, 0, 0, 0, 0, 0, dict.fromkeys(SkippedReason, 0))


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that an assignment will write, made from the state that the database had at ``revision``.

    ``sequences`` have a ``group_id``, null where they are skipped. ``refreshed`` are the groups whose members only the
    database can count and score.
    """

    revision: int
    sequences: pa.Table
    founded: pa.Table
    refreshed: list[int]
    inheritances: tuple[Inheritance, ...]


def regroup(
    store: Store,
    review: ReviewDatabase,
    joining: Joining = Joining.INHERIT,
    iou_threshold: float = IOU_THRESHOLD,
    *,
    by: str | None = None,
) -> AssignmentReport:
    """Place every sequence of the stored backlog that is in no group and not excluded, in order of recorded_at and id.

    All of it is written in one transaction; nothing is where nothing is new, or another assignment is under way. Where
    a person asked for it, ``by`` is their name, and the audit has what was done.
    A sequence that is under another organization's key than before is known under that one. Raises `ReviewMismatch`
    where the database has the sequences of another annotator, `StoreError` and `ReviewUnavailable` with their children.
    """
    with review.try_assignment_lock() as is_alone:
        if not is_alone:
            return replace(_NOTHING, already_running=True)
        with review.read() as connection:
            known = load_known(connection)
        annotator = store.annotator()
        _require_same_annotator(review, known.annotator, annotator)
        backlog = read_newcomers(store, known.settled, known.waiting, known.by_organization)
        if not len(backlog.newcomers) and not len(backlog.moved):
            return _report(None, backlog.skipped_again)

        def make_plan(connection: Connection) -> _Plan:
            since = load_settled_since(connection, known.revision)
            newcomers = backlog.newcomers.filter(
                pc.invert(pc.is_in(backlog.newcomers["id"], value_set=pa.array(since)))
            )
            return _plan(connection, StoredDetections(store), newcomers, known.waiting["id"], joining, iou_threshold)

        with review.read() as connection:
            plan = make_plan(connection)
        with review.write() as write:
            if write.revision != plan.revision + 1:  # somebody decided something in between
                plan = make_plan(write.connection)
            _carry_out(write, plan, known.waiting["id"])
            move_sequences(write, backlog.moved)
            if annotator is not None:
                claim(write, annotator)
            if by is not None and len(plan.sequences):
                record_assignment(write, by, {**_count(plan), "joining": joining, "iou_threshold": iou_threshold})
        return _report(plan, backlog.skipped_again)


def _require_same_annotator(review: ReviewDatabase, found: str | None, expected: str | None) -> None:
    if found is not None and expected is not None and found != expected:
        raise ReviewMismatch(
            f"The review database {review.name} has the sequences of another annotator than the store",
            found=found,
            expected=expected,
            do="Correct TRIAGE_REVIEW_DB, or TRIAGE_STORE.",
        )


def write_snapshot(store: Store, review: ReviewDatabase) -> SnapshotReport:
    """Bring the stored snapshot to the present state; nothing is written where no row has changed since it was made.

    What cannot be read, or is of a state that the database was never in, is made anew. Raises `ReviewMismatch` where it
    holds what people decided in another database, `StoreError`, `NewerFormat` for files that a newer version wrote, and
    `ReviewUnavailable`.
    """
    stored = open_if_readable(store)
    before = None if stored is None else stored.snapshot
    with review.read() as connection:
        if before is None or not has_been(connection, before.state):
            require_same_database(store, load_state(connection))
            before = None
        changes = load_changes(connection, None if before is None else before.state.revision)
        snapshot = advance(before, changes)
        if not is_complete(snapshot, changes):
            before, snapshot = None, advance(None, load_changes(connection))
    if stored is not None and before is not None and not changes.n_rows:
        return SnapshotReport(before, has_changed=False, data_version=stored.data_version)
    return SnapshotReport(snapshot, has_changed=True, data_version=store_snapshot(store, snapshot))


def _plan(
    connection: Connection,
    detections: StoredDetections,
    newcomers: pa.Table,
    known_ids: pa.ChunkedArray,
    joining: Joining,
    iou_threshold: float,
) -> _Plan:
    is_skipped = pc.is_valid(newcomers["skipped_reason"])
    placed = newcomers.filter(pc.invert(is_skipped))
    groups = load_groups(connection, _views(placed), with_validated=joining is Joining.INHERIT)
    assignment = assign(_regions(placed), _regions(groups), iou_threshold)
    places, n_founded = assignment.places, len(assignment.founders)
    founded_ids = highest_group_id(connection) + 1 + np.arange(n_founded)
    group_ids = np.concatenate([groups["id"].to_numpy(), founded_ids])[places]

    founded = placed.select(_FOUNDED).take(assignment.founders)
    founded = founded.add_column(0, "id", pa.array(founded_ids))
    n_members = np.bincount(places, minlength=len(groups) + n_founded)[len(groups) :]
    # New sequences have no score yet; those that were known may.
    is_known = pc.is_in(placed["id"], value_set=known_ids).to_numpy()
    joins = places < len(groups)
    heirs: list[Heir] = []
    if joining is Joining.INHERIT:
        heirs = _find_heirs(connection, placed.filter(pa.array(joins)), group_ids[joins])
    return _Plan(
        revision=load_revision(connection),
        sequences=newcomers.select(_KEPT).append_column("group_id", _spread(group_ids, is_skipped.to_numpy())),
        founded=founded.append_column("member_count", pa.array(n_members, pa.int32())),
        refreshed=np.unique(group_ids[joins | is_known]).tolist(),
        inheritances=tuple(inherit(heirs, detections)),
    )


def _find_heirs(connection: Connection, joining: pa.Table, group_ids: Integers) -> list[Heir]:
    """Which of those that join a group that was there get its label: their annotation is none or a placeholder."""
    labels = load_labels(connection, np.unique(group_ids).tolist())
    rows = np.flatnonzero(np.isin(group_ids, list(labels)))
    newcomers = joining.select(["id", "organization_key"]).take(rows)
    stages = load_stages(connection, newcomers["id"].to_pylist())
    return [
        Heir(sequence_id, key, group_id, labels[group_id].label, labels[group_id].is_unsure)
        for sequence_id, key, group_id in zip(
            *(column.to_pylist() for column in newcomers.columns), group_ids[rows].tolist(), strict=True
        )
        if stages.get(sequence_id) not in LOCKED_STAGES
    ]


def _views(rows: pa.Table) -> pa.Table:
    """Each camera angle with the box around all boxes on it: who shares no area with that overlaps none of them."""
    extremes = [(name, "min" if name in ("x1", "y1") else "max") for name in _CORNERS]
    views = rows.group_by(["camera_id", "azimuth"]).aggregate(extremes)
    return views.rename_columns([name.removesuffix("_min").removesuffix("_max") for name in views.column_names])


def _regions(rows: pa.Table) -> Regions:
    corners = np.stack([rows[name].to_numpy() for name in _CORNERS])
    return Regions(rows["camera_id"].to_numpy(), rows["azimuth"].to_numpy(), corners)


def _spread(group_ids: Integers, is_skipped: Flags) -> pa.Array:
    """The group of every sequence, null for those that are skipped."""
    spread = np.zeros(len(is_skipped), np.int64)
    spread[~is_skipped] = group_ids
    return pa.array(spread, mask=is_skipped)


def _carry_out(write: Write, plan: _Plan, known_ids: pa.ChunkedArray) -> None:
    add_groups(write, plan.founded)
    save_sequences(write, plan.sequences, known_ids)
    refresh_aggregates(write, plan.refreshed)
    save_annotations(write, (inheritance.annotation for inheritance in plan.inheritances), None)
    record_inheritance(write, describe_inheritances(plan.inheritances))


def _count(plan: _Plan) -> dict[str, int]:
    n_placed, n_founded = len(plan.sequences) - plan.sequences["group_id"].null_count, len(plan.founded)
    return {
        "new_groups": n_founded,
        "joined_existing": n_placed - n_founded,
        "inherited_annotations": len(plan.inheritances),
    }


def _report(plan: _Plan | None, skipped_again: pa.ChunkedArray) -> AssignmentReport:
    """What was done, the sequences counted that were left as they were skipped before."""
    reasons = Counter(skipped_again.to_pylist())
    counts = {"new_groups": 0, "joined_existing": 0, "inherited_annotations": 0}
    if plan is not None:
        reasons.update(plan.sequences["skipped_reason"].drop_null().to_pylist())
        counts = _count(plan)
    n_skipped = reasons.total()
    report = AssignmentReport(
        already_running=False,
        processed=counts["new_groups"] + counts["joined_existing"] + n_skipped,
        **counts,
        skipped_no_bbox=n_skipped,
        skipped={reason: reasons[reason] for reason in SkippedReason},
    )
    _logger.info("%s", report)
    return report
