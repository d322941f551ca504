"""Boxes: which ones count, and the one box that represents a sequence.

What lives here: the validity rule, and representative boxes of many sequences at once, from their nested detections.
What does not: which group a sequence belongs to (`assignment`), and where detections are kept.

A box is invalid when a corner is not a finite number, x1 > x2, y1 > y2, or all four are zero. Nothing else is: corners
outside 0..1 and boxes without an area are taken as they are.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FIRST_DETECTIONS = 10
_CORNERS = ("x1", "y1", "x2", "y2")
_ITEM = "list.element"
# What `find_representatives` needs of the backlog's nested detections, as Parquet names its leaves.
DETECTION_LEAVES = tuple(
    f"detections.{_ITEM}.{leaf}"
    for leaf in ("detection_id", "recorded_at", *(f"boxes.{_ITEM}.{name}" for name in (*_CORNERS, "confidence")))
)


@dataclass(frozen=True, slots=True)
class Representatives:
    """One entry per sequence.

    ``corners`` (x1, y1, x2, y2 by sequences) and ``confidences`` are NaN where ``has_box`` is not set.
    ``first_detection_ids`` (null without detections) and ``first_boxes`` (JSON text: a list of [x1, y1, x2, y2,
    confidence]) are the earliest frame and the valid boxes on it.
    """

    corners: Floats
    confidences: Floats
    has_box: Flags
    first_detection_ids: pa.Array
    first_boxes: pa.Array


def is_valid_box(x1: float, y1: float, x2: float, y2: float) -> bool:
    """Whether one box counts."""
    return all(map(math.isfinite, (x1, y1, x2, y2))) and x1 <= x2 and y1 <= y2 and any((x1, y1, x2, y2))


def valid_boxes(corners: Floats) -> Flags:
    """Which of many boxes count: `is_valid_box` of every column of x1, y1, x2, y2."""
    x1, y1, x2, y2 = corners
    flags: Flags = np.isfinite(corners).all(axis=0) & (x1 <= x2) & (y1 <= y2) & corners.any(axis=0)
    return flags


def find_representatives(detections: pa.Array | pa.ChunkedArray) -> Representatives:
    """The box that stands for each sequence, from its list of detections in the form of the backlog's snapshot.

    It is the median, corner by corner, of all valid boxes of the first detections in order of (recorded_at, id); its
    confidence is their median, within 0..1. A median beyond every float is none.
    """
    lists = detections.combine_chunks() if isinstance(detections, pa.ChunkedArray) else detections
    n_detections, frames = _unnest(lists)
    n_boxes, boxes = _unnest(frames.field("boxes"))
    ids = frames.field("detection_id").to_numpy()
    owners = np.repeat(np.arange(len(lists)), n_detections)
    ranks = _ranks(owners, n_detections, frames.field("recorded_at").cast(pa.int64()).to_numpy(), ids)

    corners = np.stack([boxes.field(name).to_numpy(zero_copy_only=False) for name in _CORNERS])
    sureness = np.nan_to_num(boxes.field("confidence").to_numpy(zero_copy_only=False), nan=0.0)
    is_valid = valid_boxes(corners)
    box_owners, box_ranks = np.repeat(owners, n_boxes), np.repeat(ranks, n_boxes)

    counts = is_valid & (box_ranks < FIRST_DETECTIONS)
    values = np.concatenate([corners[:, counts], sureness[None, counts]])
    medians = _medians(values, np.bincount(box_owners[counts], minlength=len(lists)))
    is_first = is_valid & (box_ranks == 0)
    has_box = np.logical_and.reduce(np.isfinite(medians[:4]), axis=0)
    return Representatives(
        corners=medians[:4],
        confidences=np.clip(medians[4], 0.0, 1.0),
        has_box=has_box,
        first_detection_ids=_first_ids(ids[ranks == 0], n_detections),
        first_boxes=_boxes_as_json(
            corners[:, is_first], sureness[is_first], np.bincount(box_owners[is_first], minlength=len(lists))
        ),
    )


def _unnest(lists: pa.Array) -> tuple[Integers, Any]:
    """The length of each list, and the items of all of them in one array."""
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64), lists.flatten()


def _ranks(owners: Integers, sizes: Integers, times: Integers, ids: Integers) -> Integers:
    """Each detection's place in its own sequence, in order of (time, id)."""
    places = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    is_later = (times[1:] > times[:-1]) | ((times[1:] == times[:-1]) & (ids[1:] >= ids[:-1]))
    if (is_later | (owners[1:] != owners[:-1])).all():  # as `pull` stores them
        return places
    ranks = np.empty_like(places)
    ranks[np.lexsort((ids, times, owners))] = places
    return ranks


def _medians(values: Floats, sizes: Integers) -> Floats:
    """The median of each run of columns, the runs being of the given sizes; NaN for an empty one.

    All runs of one size are sorted as one matrix: a sequence has few boxes, and its neighbours as many.
    """
    medians = np.full((len(values), len(sizes)), np.nan)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]).tolist():
        runs = np.flatnonzero(sizes == size)
        ordered = np.sort(values[:, starts[runs][:, None] + np.arange(size)], axis=-1)
        middle = ordered[..., size // 2]
        if size % 2 == 0:
            with np.errstate(over="ignore"):
                middle = (ordered[..., size // 2 - 1] + middle) / 2
        medians[:, runs] = middle
    return medians


def _first_ids(ids: Integers, n_detections: Integers) -> pa.Array:
    found = np.zeros(len(n_detections), np.int64)
    found[n_detections > 0] = ids
    return pa.array(found, mask=n_detections == 0)


def _boxes_as_json(corners: Floats, confidences: Floats, sizes: Integers) -> pa.Array:
    """One JSON text per run of boxes, written by Arrow: as Python objects a million of them take half a minute."""
    numbers = [pa.array(values).cast(pa.string()) for values in (*corners, np.clip(confidences, 0.0, 1.0))]
    each = pc.binary_join_element_wise("[", pc.binary_join_element_wise(*numbers, ","), "]", "")
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    together = pc.binary_join(pa.ListArray.from_arrays(offsets, each), ",")
    return pc.binary_join_element_wise("[", together, "]", "")
