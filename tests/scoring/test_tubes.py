from dataclasses import replace

import pytest

from triage_assets.scoring.config import TubesConfig
from triage_assets.scoring.records import Roi, ScoringBox
from triage_assets.scoring.tubes import fill_gaps, find_tubes, intersection_over_union, track_boxes, union_window

CONFIG = TubesConfig(
    iou_threshold=0.2,
    max_misses=2,
    infer_min_tube_length=2,
    min_detected_entries=2,
    interpolate_gaps=True,
    merge_iomin=0.3,
    merge_prox_factor=1.0,
    merge_max_gap=10,
)
UNMERGED = CONFIG.model_copy(update={"merge_max_gap": None})


def box(cx, cy=0.5, side=0.1, confidence=0.5):
    return ScoringBox(cx, cy, side, side, confidence)


HERE, THERE = box(0.2), box(0.8)


@pytest.mark.parametrize(
    ("slots", "spans"),
    [
        # nothing anywhere
        ([[], []], []),
        # seen in every slot
        ([[HERE], [HERE], [HERE]], [(0, 2)]),
        # two objects stay apart
        ([[HERE, THERE], [THERE, HERE]], [(0, 1), (0, 1)]),
        # two misses are bridged, three are not
        ([[HERE], [], [], [HERE]], [(0, 3)]),
        ([[HERE], [], [], [], [HERE]], [(0, 0), (4, 4)]),
        # misses at the end belong to no tube
        ([[HERE], [HERE], [], []], [(0, 1)]),
        # too little overlap starts another tube
        ([[box(0.2)], [box(0.27)]], [(0, 0), (1, 1)]),
        # overlap of just the threshold continues: two squares shifted by two thirds share a fifth of their union
        ([[ScoringBox(0.5, 0.5, 0.375, 0.5, 0.5)], [ScoringBox(0.75, 0.5, 0.375, 0.5, 0.5)]], [(0, 1)]),
    ],
)
def test_boxes_are_followed_from_slot_to_slot(slots, spans):
    assert [(tube.start, tube.end) for tube in track_boxes(slots, 0.2, 2)] == spans


def test_the_best_overlap_is_matched_first():
    near, nearer = box(0.23), box(0.21)
    first, second = track_boxes([[HERE], [near, nearer]], 0.2, 2)
    assert [entry.box for entry in first.entries] == [HERE, nearer]
    assert [entry.box for entry in second.entries] == [near]


def test_equal_overlaps_go_to_the_older_tube_and_the_earlier_box():
    twin, other_twin = box(0.2, confidence=0.9), box(0.2, confidence=0.1)
    first, second = track_boxes([[HERE, HERE], [twin, other_twin]], 0.2, 2)
    assert first.entries[1].box is twin
    assert second.entries[1].box is other_twin


@pytest.mark.parametrize(
    ("slots", "n_kept"),
    [
        # one detection in the middle is no tube
        ([[], [HERE], []], 0),
        # two detections are
        ([[], [HERE], [HERE]], 1),
        # a tube of three slots with two detections too
        ([[HERE], [], [HERE]], 1),
    ],
)
def test_tubes_need_length_and_detections(slots, n_kept):
    assert len(find_tubes(slots, UNMERGED).tubes) == n_kept


def fragments(gap, shift):
    """Two fragments of two slots each, the second starting ``gap`` slots after the end of the first."""
    return [[HERE], [HERE], *[[]] * (gap - 1), [box(0.2 + shift)], [box(0.2 + shift)]]


@pytest.mark.parametrize(
    ("slots", "n_kept"),
    [
        # ten slots from end to start is near enough, eleven is not
        (fragments(10, 0.0), 1),
        (fragments(11, 0.0), 2),
        # centres within one side are the same plume, further apart they are not
        (fragments(5, 0.0999), 1),
        (fragments(5, 0.1001), 2),
        # a fragment with a single detection is dropped before it could be merged
        ([[HERE], [HERE], [], [], [], [HERE]], 1),
    ],
)
def test_fragments_of_one_plume_are_merged(slots, n_kept):
    assert len(find_tubes(slots, CONFIG).tubes) == n_kept


def test_a_dropped_fragment_leaves_no_trace():
    (tube,) = find_tubes([[HERE], [HERE], [], [], [], [HERE]], CONFIG).tubes
    assert (tube.start, tube.end) == (0, 1)


def test_a_small_box_inside_a_large_one_is_the_same_plume_however_far_the_centres():
    large = ScoringBox(0.5, 0.5, 0.1, 0.9, 0.5)
    inside = ScoringBox(0.5, 0.9, 0.02, 0.02, 0.5)
    assert len(find_tubes([[large, inside]] * 2, CONFIG).tubes) == 1


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        # the larger area
        (box(0.2, side=0.1, confidence=0.9), box(0.2, side=0.11, confidence=0.1), 1),
        # then the higher confidence
        (box(0.2, confidence=0.4), box(0.2, confidence=0.5), 1),
        # then the larger cx
        (box(0.21), box(0.2), 0),
    ],
)
def test_where_fragments_overlap_one_box_wins(a, b, winner):
    # Matching would keep a and b apart only if both tubes live at once.
    (tube,) = find_tubes([[a, b], [a, b]], CONFIG).tubes
    assert tube.entries[0].box == (a, b)[winner]


def test_all_three_merge_values_are_needed():
    for name in ("merge_iomin", "merge_prox_factor", "merge_max_gap"):
        assert len(find_tubes(fragments(5, 0.0), CONFIG.model_copy(update={name: None})).tubes) == 2


def test_merged_tubes_are_numbered_by_start_then_end():
    late, early = box(0.2), box(0.8)
    slots = [[early], [early], [late, early], [late, early], [late]]
    found = find_tubes(slots, CONFIG).tubes
    assert [(tube.tube_id, tube.start, tube.end) for tube in found] == [(0, 0, 3), (1, 2, 4)]


def test_gaps_are_filled_on_a_straight_line():
    tube = replace(track_boxes([[box(0.2)], [], [], [box(0.23, 0.53)]], 0.2, 2)[0])
    filled = fill_gaps(tube)
    assert [entry.is_gap for entry in filled.entries] == [False, True, True, False]
    assert [entry.box.confidence for entry in filled.entries] == [0.5, 0.0, 0.0, 0.5]
    assert [entry.box.cx for entry in filled.entries] == pytest.approx([0.2, 0.21, 0.22, 0.23])
    assert [entry.box.cy for entry in filled.entries] == pytest.approx([0.5, 0.51, 0.52, 0.53])


def test_without_interpolation_gaps_stay_empty():
    (tube,) = find_tubes([[HERE], [], [HERE]], CONFIG.model_copy(update={"interpolate_gaps": False})).tubes
    assert [entry.box for entry in tube.entries] == [HERE, None, HERE]


def test_the_window_ignores_interpolated_boxes():
    tube = fill_gaps(track_boxes([[box(0.2, side=0.2)], [], [box(0.3, side=0.2)]], 0.2, 2)[0])
    window = union_window(tube)
    assert window.as_list() == pytest.approx([0.25, 0.5, 0.3, 0.2])


@pytest.mark.parametrize(
    ("roi", "ids"),
    [
        (None, [0, 1]),
        # touching counts
        (Roi(0.0, 0.0, HERE.cx - HERE.w / 2, 1.0), [0]),
        (Roi(0.0, 0.0, 0.14, 1.0), []),
        # ids stay as they were
        (Roi(0.5, 0.0, 1.0, 1.0), [1]),
    ],
)
def test_a_region_of_interest_leaves_tubes_out(roi, ids):
    found = find_tubes([[HERE, THERE]] * 3, CONFIG, roi)
    assert [tube.tube_id for tube in found.tubes] == ids
    assert found.num_outside_roi == 2 - len(ids)
    assert found.num_candidates == 2


def test_boxes_that_do_not_meet_share_nothing():
    assert intersection_over_union(HERE, THERE) == 0.0
    assert intersection_over_union(HERE, HERE) == pytest.approx(1.0)
