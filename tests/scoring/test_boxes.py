import math

import pytest

from triage_assets.scoring.records import ScoringBox, box_from_centre, box_from_corners


@pytest.mark.parametrize(
    ("centre", "is_usable"),
    [
        # in the image, over its edge, around all of it
        ((0.5, 0.5, 0.2, 0.2), True),
        ((1.0, 0.0, 0.2, 0.2), True),
        ((0.5, 0.5, 1.0, 1.0), True),
        # just within ten images, and beyond
        ((9.0, 0.5, 2.0, 0.1), True),
        ((9.0, 0.5, 2.1, 0.1), False),
        ((0.5, -9.0, 0.1, 2.1), False),
        ((0.5, 0.5, 0.1, 1e308), False),
        # as thin as a float can be, until the area is nothing
        ((0.5, 0.5, 1e-150, 1e-150), True),
        ((0.5, 0.5, 1e-170, 1e-170), False),
        ((0.5, 0.5, 0.0, 0.1), False),
        ((0.5, 0.5, 0.1, -0.1), False),
        ((0.5, 0.5, -0.1, -0.1), False),
        # no number
        ((math.nan, 0.5, 0.1, 0.1), False),
        ((0.5, math.inf, 0.1, 0.1), False),
    ],
)
def test_boxes_near_the_image_with_an_area_can_be_used(centre, is_usable):
    assert box_from_centre(*centre, 0.5) == (ScoringBox(*centre, 0.5) if is_usable else None)


@pytest.mark.parametrize("corners", [(-1e308, 0, 1e308, 1), (0, 0, 1e308, 1), (1e308, 0, 1e308, 1), (0.5, 0, 0.5, 1)])
def test_absurd_corners_make_no_box(corners):
    assert box_from_corners(*corners, 0.5) is None


def test_a_confidence_that_is_no_number_makes_no_box():
    assert box_from_centre(0.5, 0.5, 0.1, 0.1, math.nan) is None
