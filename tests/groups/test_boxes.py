"""A sequence's box is the median of its first valid ones, to the last bit, whatever else is in the backlog."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage_assets.annotator.snapshot import DETECTIONS_TYPE
from triage_assets.groups.boxes import find_representatives, is_valid_box, valid_boxes

from . import literal

CASES = [
    ((0.1, 0.2, 0.3, 0.4), True),
    ((0.3, 0.2, 0.1, 0.4), False),  # reversed from left to right
    ((0.1, 0.4, 0.3, 0.2), False),  # reversed from top to bottom
    ((0.0, 0.0, 0.0, 0.0), False),  # all zero: what a detector writes for none
    ((-0.0, 0.0, -0.0, 0.0), False),  # zero has two signs
    ((0.2, 0.2, 0.2, 0.2), True),  # without an area, and still somewhere
    ((0.0, 0.0, 0.0, 0.5), True),  # a line at the border
    ((-0.5, 0.2, 1.5, 0.4), True),  # over the border
    ((math.nan, 0.2, 0.3, 0.4), False),
    ((0.1, 0.2, math.inf, 0.4), False),
    ((-math.inf, 0.2, 0.3, 0.4), False),
]


def nested(sequences):
    """Sequences of (recorded_at, id, boxes) in the form of the backlog's snapshot."""
    names = ("x1", "y1", "x2", "y2", "confidence")
    return pa.array(
        [
            [
                {
                    "recorded_at": time,
                    "detection_id": number,
                    "boxes": [dict(zip(names, box, strict=True)) for box in boxes],
                    "other_boxes": [dict(zip(names, (0.9, 0.9, 1.0, 1.0, 1.0), strict=True))],
                }
                for time, number, boxes in detections
            ]
            for detections in sequences
        ],
        DETECTIONS_TYPE,
    )


def found_box(found, number):
    return (*found.corners[:, number].tolist(), float(found.confidences[number])) if found.has_box[number] else None


@pytest.mark.parametrize(("box", "is_valid"), CASES)
def test_which_boxes_count(box, is_valid):
    assert is_valid_box(*box) is is_valid
    assert valid_boxes(np.array([box]).T).tolist() == [is_valid]
    assert literal.is_valid(*box) is is_valid


corner = st.one_of(
    st.sampled_from((0.0, -0.0, 0.1, 0.5, 1.0)),
    st.floats(-2, 2),
    st.floats(-1e300, 1e300),
    st.sampled_from((math.nan, math.inf, -math.inf)),
)
box = st.tuples(corner, corner, corner, corner, st.floats(-1, 2))
detection = st.tuples(st.integers(0, 5), st.integers(1, 10**12), st.lists(box, max_size=3))
sequence = st.lists(detection, max_size=14, unique_by=lambda one: one[1])


@settings(deadline=None)
@given(st.lists(sequence, max_size=6))
def test_boxes_are_those_of_the_rule_word_by_word(sequences):
    found = find_representatives(nested(sequences))
    for number, detections in enumerate(sequences):
        assert found_box(found, number) == literal.representative(detections)


@settings(deadline=None)
@given(st.lists(sequence, min_size=1, max_size=6))
def test_the_first_frame_is_the_earliest_and_shows_its_valid_boxes(sequences):
    found = find_representatives(nested(sequences))
    for number, detections in enumerate(sequences):
        first = min(detections, key=lambda one: one[:2], default=(None, None, []))
        shown = [[*box[:4], min(max(box[4], 0.0), 1.0)] for box in first[2] if literal.is_valid(*box[:4])]
        assert found.first_detection_ids[number].as_py() == first[1]
        assert json.loads(found.first_boxes[number].as_py()) == shown


def test_a_box_on_the_eleventh_frame_does_not_count():
    frames = [(second, second + 1, [(0.1, 0.1, 0.2, 0.2, 0.5)]) for second in range(10)]
    late = [(10, 11, [(0.5, 0.5, 0.9, 0.9, 0.9)])] * 1
    found = find_representatives(nested([frames + late, late]))
    assert found_box(found, 0) == (0.1, 0.1, 0.2, 0.2, 0.5)
    assert found_box(found, 1) == (0.5, 0.5, 0.9, 0.9, 0.9)


def test_a_median_beyond_every_float_is_no_box():
    huge = (-1.7e308, -1.0, 1.7e308, 1.0, 0.5)
    found = find_representatives(nested([[(0, 1, [huge, huge])], [(0, 2, [huge])]]))
    assert found.has_box.tolist() == [False, True]


def test_a_piece_of_a_longer_table_gives_what_it_gives_alone():
    sequences = [[(0, number, [(0.1, 0.1, 0.1 + number, 0.9, 0.5)])] for number in range(1, 8)]
    whole = pa.chunked_array([nested(sequences[:3]), nested(sequences[3:])])
    piece = find_representatives(whole.slice(2, 4))
    assert piece.corners.tolist() == find_representatives(nested(sequences[2:6])).corners.tolist()


def test_no_sequences_give_nothing():
    found = find_representatives(nested([]))
    assert found.corners.shape == (4, 0)
    assert len(found.first_boxes) == pc.count(found.first_detection_ids).as_py() == 0
