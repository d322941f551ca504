"""Newcomers: sequences that are in no group and may join one, each with the box that stands for it or why it has none.

What lives here: which sequences of the backlog are newcomers, and what grouping needs to know of each. What does not:
reading the backlog, and which group a newcomer goes to (`assignment`).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.groups.boxes import DETECTION_LEAVES, Flags, Integers, find_representatives
from triage_assets.review.records import SkippedReason

_MOMENT = pa.timestamp("us", "UTC")
# What of a sequence decides whether it can be grouped: unchanged, it need not be looked at again.
CONTENT = ("last_seen_at", "n_detections", "camera_id", "azimuth")
LISTED = ("sequence_id", *CONTENT)
DETAILED = (*LISTED, "camera_name", "organization_name", "recorded_at", *DETECTION_LEAVES)
NEWCOMERS = pa.schema(
    [
        ("id", pa.int64()),
        ("organization_key", pa.string()),
        ("organization_name", pa.string()),
        ("camera_id", pa.int64()),
        ("camera_name", pa.string()),
        ("azimuth", pa.int64()),
        ("recorded_at", _MOMENT),
        ("last_seen_at", _MOMENT),
        ("n_detections", pa.int32()),
        ("first_detection_id", pa.int64()),
        ("first_boxes", pa.string()),
        ("x1", pa.float64()),
        ("y1", pa.float64()),
        ("x2", pa.float64()),
        ("y2", pa.float64()),
        ("confidence", pa.float64()),
        ("skipped_reason", pa.string()),
    ]
)
SKIPPED_BEFORE = pa.schema(
    [
        ("id", pa.int64()),
        ("skipped_reason", pa.string()),
        ("last_seen_at", _MOMENT),
        ("n_detections", pa.int32()),
        ("camera_id", pa.int64()),
        ("azimuth", pa.int64()),
    ]
)


UNCHANGED = pa.schema([("id", pa.int64()), ("skipped_reason", pa.string())])


@dataclass(frozen=True, slots=True)
class Sighting:
    """Which rows are newcomers, and those that were skipped before and are as they were then (`UNCHANGED`).

    ``moved_ids`` are known, and were of another organization.
    """

    is_newcomer: Flags
    unchanged: pa.Table
    moved_ids: Integers


def sight(listed: pa.Table, settled: Integers, skipped: pa.Table, known_here: Integers) -> Sighting:
    """Tell newcomers from sequences that are settled: in a group or excluded.

    ``listed`` has the columns of `LISTED`, ``skipped`` those of `SKIPPED_BEFORE`. ``known_here`` are those that are
    known to be of this organization; they and the settled ones are ids in ascending order.
    """
    ids = listed["sequence_id"].to_numpy()
    places = pc.index_in(listed["sequence_id"], value_set=skipped["id"])
    # Nearly all are where they were, and these few ids are quicker to search than those of everybody.
    is_here = _is_among(ids, known_here)
    is_newcomer = is_here & pc.is_valid(places).to_numpy()
    is_newcomer[~is_here] = ~_is_among(ids[~is_here], settled)
    before = skipped.take(places)
    is_unchanged = pc.is_valid(before["skipped_reason"])
    for name in CONTENT:
        is_unchanged = pc.and_(is_unchanged, _equal(listed[name], before[name]))
    is_newcomer &= ~is_unchanged.to_numpy()
    moved_ids = ids[~is_newcomer & ~is_here]
    return Sighting(is_newcomer, before.select(UNCHANGED.names).filter(is_unchanged), moved_ids)


def _is_among(ids: Integers, ordered: Integers) -> Flags:
    places = np.searchsorted(ordered, ids)
    is_within = places < len(ordered)
    found = np.zeros(len(ids), np.bool_)
    found[is_within] = ordered[places[is_within]] == ids[is_within]
    return found


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether values are equal, null being equal to null alone."""
    return pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(pc.is_null(one), pc.is_null(other)))


def describe_newcomers(rows: pa.Table, organization_key: str) -> pa.Table:
    """A table of `NEWCOMERS` from rows of the backlog with the columns of `DETAILED`."""
    found = find_representatives(rows["detections"])
    x1, y1, x2, y2 = found.corners
    reason = pc.case_when(
        pc.make_struct(pc.is_null(rows["camera_id"]), pc.is_null(rows["azimuth"]), pa.array(~found.has_box)),
        *(pa.scalar(str(reason)) for reason in SkippedReason),  # in their order
    )
    columns = {
        "id": rows["sequence_id"],
        "organization_key": pa.repeat(organization_key, len(rows)),
        "first_detection_id": found.first_detection_ids,
        "first_boxes": found.first_boxes,
        "x1": x1, "y1": y1, "x2": x2, "y2": y2,
        "confidence": found.confidences,
        "skipped_reason": reason,
    }  # fmt: skip
    arrays = [columns[name] if name in columns else rows[name] for name in NEWCOMERS.names]
    return pa.table(arrays, schema=NEWCOMERS)
