"""The quick assignment gives what the rule gives word by word, for any order of arrival in any number of batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage_assets.groups import assignment
from triage_assets.groups.assignment import Regions, assign, overlap

from . import literal

# Few coordinates: equal overlaps, which the oldest group must win, come often.
number = st.sampled_from((0.0, 0.1, 0.2, 0.3, 0.5, 0.55, 0.8, 1.0))
span = st.tuples(number, number).map(sorted)
box = st.tuples(span, span).map(lambda spans: (spans[0][0], spans[1][0], spans[0][1], spans[1][1]))
angle = st.tuples(st.sampled_from((1, 2)), st.sampled_from((-1, 0, 725)))
threshold = st.sampled_from((0.0, 0.1, 0.3, 0.5, 1.0))


def regions(items) -> Regions:
    cameras, azimuths = np.array([angle for angle, _ in items], np.int64).reshape(-1, 2).T
    return Regions(cameras, azimuths, np.array([box for _, box in items], float).reshape(-1, 4).T)


def in_batches(batches, iou_threshold):
    """The group of each newcomer over all batches, and the groups that there are in the end."""
    groups, places = [], []
    for batch in batches:
        found = assign(regions(batch), regions(groups), iou_threshold)
        groups += [batch[founder] for founder in found.founders.tolist()]
        places += found.places.tolist()
    return places, groups


def literally(batches, iou_threshold):
    groups = []
    return literal.place([one for batch in batches for one in batch], groups, iou_threshold), groups


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(angle, box), max_size=12), max_size=4), threshold, st.sampled_from((1, 2, 3, 128)))
def test_any_order_in_any_batches_gives_what_the_rule_gives(batches, iou_threshold, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assignment, "_BLOCK", block)
        patch.setattr(assignment, "_OVERLAPS_AT_ONCE", 2 * block)
        assert in_batches(batches, iou_threshold) == literally(batches, iou_threshold)


@pytest.mark.parametrize("seed", range(4))
def test_more_newcomers_than_a_block_holds_give_what_the_rule_gives(seed):
    random = np.random.default_rng(seed)
    corners = random.random((600, 2)) * 0.5
    sizes = random.random((600, 2)) * 0.2 + 0.02
    items = [((1, 0), tuple(row)) for row in np.hstack([corners, corners + sizes]).tolist()]
    batches = [items[:350], items[350:]]
    assert in_batches(batches, 0.3) == literally(batches, 0.3)


@settings(deadline=None)
@given(st.lists(st.tuples(angle, box), max_size=20))
def test_two_camera_angles_never_share_a_group(items):
    places, _ = in_batches([items], 0.3)
    angles = {}
    for (its_angle, _), place in zip(items, places, strict=True):
        assert angles.setdefault(place, its_angle) == its_angle


@settings(deadline=None)
@given(st.lists(st.tuples(angle, box), max_size=20))
def test_groups_are_numbered_in_the_order_of_their_founders(items):
    places, groups = in_batches([items], 0.3)
    assert list(dict.fromkeys(places)) == list(range(len(groups)))


def test_the_threshold_itself_is_not_enough():
    wide, half = (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 0.5)
    for iou_threshold, expected in ((0.5, [0, 1]), (0.4999, [0, 0])):
        assert in_batches([[((1, 0), wide), ((1, 0), half)]], iou_threshold)[0] == expected


def test_the_oldest_of_equally_good_groups_wins():
    left, right, between = (0.0, 0.0, 0.4, 1.0), (0.4, 0.0, 0.8, 1.0), (0.0, 0.0, 0.8, 1.0)
    for batches in ([[left, right, between]], [[left, right], [between]], [[left], [right, between]]):
        named = [[((1, 0), one) for one in batch] for batch in batches]
        assert in_batches(named, 0.3)[0] == [0, 1, 0]


def test_a_later_founder_takes_those_that_overlap_it_more():
    first, second, third = (0.0, 0.0, 0.5, 0.5), (0.3, 0.0, 0.8, 0.5), (0.2, 0.0, 0.7, 0.5)
    assert in_batches([[((1, 0), one) for one in (first, second, third)]], 0.3)[0] == [0, 1, 1]


extent = st.tuples(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308)).map(sorted)
any_box = st.tuples(extent, extent).map(lambda spans: (spans[0][0], spans[1][0], spans[0][1], spans[1][1]))


@settings(deadline=None)
@given(st.lists(st.one_of(box, any_box), max_size=5), st.lists(st.one_of(box, any_box), max_size=5))
def test_overlaps_are_those_of_the_rule_to_the_last_bit(one, others):
    matrix = overlap(np.array(one, float).reshape(-1, 4).T, np.array(others, float).reshape(-1, 4).T)
    expected = [[literal.overlap(a, b) for b in others] for a in one]
    assert matrix.tolist() == expected
