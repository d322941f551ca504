"""The tracked boxes of many sequences at once, from nested detections in the form of a snapshot.

What lives here: which leaves of the nesting that takes, and putting them in order of time. What does not: finding
sequences in a snapshot (`snapshot`), and which boxes are of any use.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from triage_assets.annotator.records import TrackedBoxes

_CORNERS = ("x1", "y1", "x2", "y2")
_ITEM = "list.element"
TRACKED_LEAVES = tuple(
    f"detections.{_ITEM}.{leaf}"
    for leaf in ("detection_id", "recorded_at", *(f"boxes.{_ITEM}.{name}" for name in _CORNERS))
)
"""The columns to read, as Parquet names its leaves."""


def list_tracked_boxes(detections: pa.Array) -> Iterator[TrackedBoxes]:
    """What was tracked in each sequence, from its list of detections.

    Column by column: one Python object per frame and box with all its fields takes ten times as long.
    """
    n_frames, frames = _unnest(detections)
    lists_of_boxes = frames.field("boxes")
    n_boxes = pc.fill_null(pc.list_value_length(lists_of_boxes), 0).to_numpy()
    ids = frames.field("detection_id").to_numpy()
    owners = np.repeat(np.arange(len(detections)), n_frames)
    order = np.lexsort((ids, frames.field("recorded_at").cast(pa.int64()).to_numpy(), owners))
    if (order[1:] < order[:-1]).any():  # not as `pull` stores them
        ids, n_boxes, lists_of_boxes = ids[order], n_boxes[order], lists_of_boxes.take(pa.array(order))
    boxes = lists_of_boxes.flatten()
    corners = zip(*(boxes.field(name).to_pylist() for name in _CORNERS), strict=True)
    all_ids = ids.tolist()
    all_boxes = list(zip(np.repeat(ids, n_boxes).tolist(), corners, strict=True))
    frame_ends = np.cumsum([0, *n_frames])
    box_ends = np.cumsum([0, *n_boxes])[frame_ends]
    for (first_frame, frame_end), (first_box, box_end) in zip(
        pairwise(frame_ends.tolist()), pairwise(box_ends.tolist()), strict=True
    ):
        yield TrackedBoxes(tuple(all_ids[first_frame:frame_end]), tuple(all_boxes[first_box:box_end]))


def _unnest(lists: pa.Array) -> tuple[NDArray[np.int64], Any]:
    """The length of each list, and the items of all of them in one array."""
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64), lists.flatten()
