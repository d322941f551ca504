import math

import pytest

from triage_assets.scoring.calibrator import Calibrator, TubeFeatures, parse_calibrator, sigmoid
from triage_assets.scoring.records import ScoringBox, TubeEntry, box_from_corners
from triage_assets.scoring.trigger import Trigger, earliest, first_crossing, mean_confidence, prefix_lengths

from .packages import read_members
from .reference import MODEL


def test_the_probability_is_that_of_the_weighted_features():
    calibrator = Calibrator((0.95, 1.55, 2.4, -0.18), -4.7)
    found = calibrator.probability(TubeFeatures(1.5, 20, 0.5, 1))
    assert found == pytest.approx(1 / (1 + math.exp(-(0.95 * 1.5 + 1.55 * math.log(21) + 1.2 - 0.18 - 4.7))))


def test_the_reference_calibrator_reproduces_its_own_examples():
    assert parse_calibrator(read_members(MODEL)["logistic_calibrator.json"], "it").intercept == -4.7


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.5), (-1000.0, 0.0), (1000.0, 1.0), (2.0, 0.8807970779778823)])
def test_extreme_values_do_not_overflow(value, expected):
    assert sigmoid(value) == pytest.approx(expected)


def entry(frame, confidence, is_gap=False):
    box = None if confidence is None else ScoringBox(0.5, 0.5, 0.1, 0.1, confidence)
    return TubeEntry(frame, box, is_gap)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry(0, 0.2), entry(1, 0.4)], 0.3),
        # an interpolated entry counts with nothing
        ([entry(0, 0.6), entry(1, 0.0, is_gap=True), entry(2, 0.6)], 0.4),
        # an entry without a box does not count
        ([entry(0, 0.6), entry(1, None), entry(2, 0.4)], 0.5),
    ],
)
def test_mean_confidence(entries, expected):
    assert mean_confidence(entries) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("length", "min_length", "max_frames", "expected"),
    [
        # the whole tube has its logit already
        (5, 2, 20, [2, 3, 4]),
        (2, 2, 20, []),
        # prefixes longer than the network looks have the whole tube's logit
        (8, 2, 4, [2, 3]),
    ],
)
def test_prefixes_that_need_a_logit(length, min_length, max_frames, expected):
    assert list(prefix_lengths(length, min_length, max_frames)) == expected


def test_the_first_positive_prefix_counts_even_when_a_longer_one_is_negative_again():
    entries = [entry(frame, 0.5) for frame in range(3, 8)]
    logits = {2: -1.0, 3: 1.0, 4: -1.0, 5: 1.0}
    assert first_crossing(entries, 2, logits.__getitem__, lambda logit, _: logit > 0) == 5
    assert first_crossing(entries, 2, logits.__getitem__, lambda logit, _: logit > 2) is None


def test_the_earliest_trigger_wins_and_ties_go_to_the_smallest_tube():
    assert earliest([Trigger(0, 9), Trigger(2, 5), Trigger(1, 5)]) == Trigger(1, 5)
    assert earliest([]) is None


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ((0.1, 0.2, 0.3, 0.6, 0.9), (0.2, 0.4, 0.2, 0.4, 0.9)),
        # over the border is a box like any other
        ((-0.1, 0.0, 0.1, 1.2, 0.9), (0.0, 0.6, 0.2, 1.2, 0.9)),
        # reversed, empty, or no numbers: no box
        ((0.3, 0.2, 0.1, 0.6, 0.9), None),
        ((0.1, 0.2, 0.1, 0.6, 0.9), None),
        ((math.nan, 0.2, 0.3, 0.6, 0.9), None),
        ((0.1, 0.2, math.inf, 0.6, 0.9), None),
        ((0.1, 0.2, 0.3, 0.6, math.nan), None),
    ],
)
def test_corners_become_a_box_only_where_there_is_an_area(corners, expected):
    found = box_from_corners(*corners)
    if expected is None:
        assert found is None
    else:
        assert (found.cx, found.cy, found.w, found.h, found.confidence) == pytest.approx(expected)
