import numpy as np
import pytest

from triage_assets.scoring.crops import PixelBox, crop_box, cut_patch
from triage_assets.scoring.records import Window


@pytest.mark.parametrize(
    ("window", "context", "size", "expected"),
    [
        # squared on the longer side, in pixels and not in shares of the image
        (Window(0.5, 0.5, 0.1, 0.1), 1.0, (200, 100), (90, 40, 110, 60)),
        (Window(0.5, 0.5, 0.1, 0.4), 1.0, (200, 100), (80, 30, 120, 70)),
        # widened about its centre
        (Window(0.5, 0.5, 0.1, 0.1), 1.5, (200, 100), (85, 35, 115, 65)),
        # halves round to the even pixel, each edge by itself: 0.5 to 0, 1.5 to 2, 2.5 to 2
        (Window(0.01, 0.01, 0.01, 0.01), 1.0, (100, 100), (0, 0, 2, 2)),
        (Window(0.02, 0.02, 0.01, 0.01), 1.0, (100, 100), (2, 2, 2, 2)),
        # clipped to the image
        (Window(0.0, 1.0, 0.2, 0.2), 1.0, (100, 100), (0, 90, 10, 100)),
        # outside the image nothing is left
        (Window(1.5, 0.5, 0.2, 0.2), 1.0, (100, 100), (100, 40, 100, 60)),
        (Window(-0.5, 0.5, 0.2, 0.2), 1.0, (100, 100), (0, 40, 0, 60)),
    ],
)
def test_a_window_becomes_a_pixel_box(window, context, size, expected):
    assert crop_box(window, context, *size) == PixelBox(*expected)


def white(width, height):
    return np.full((height, width, 3), 255, np.uint8)


@pytest.mark.parametrize(
    ("box", "bright_rows", "bright_columns"),
    [
        # a square fills the patch
        (PixelBox(0, 0, 8, 8), (0, 8), (0, 8)),
        # a flat box lies in the middle, black above and below
        (PixelBox(0, 0, 8, 4), (2, 6), (0, 8)),
        # a tall box stands in the middle
        (PixelBox(0, 0, 4, 8), (0, 8), (2, 6)),
        # of an odd remainder the larger half comes after
        (PixelBox(0, 0, 8, 5), (1, 6), (0, 8)),
    ],
)
def test_boxes_are_centred_on_a_black_square(box, bright_rows, bright_columns):
    patch = cut_patch(white(20, 20), box, 8)
    expected = np.zeros((8, 8, 3), np.uint8)
    expected[slice(*bright_rows), slice(*bright_columns)] = 255
    assert np.array_equal(patch, expected)


@pytest.mark.parametrize("box", [PixelBox(3, 3, 3, 3), PixelBox(20, 4, 20, 9), PixelBox(4, 0, 9, 0)])
def test_an_empty_box_gives_a_black_patch(box):
    assert not cut_patch(white(20, 20), box, 8).any()


def test_resizing_averages_what_it_shrinks():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    patch = cut_patch(stripes, PixelBox(0, 0, 64, 64), 8)
    assert np.abs(patch[:, 1:-1].astype(int) - 127).max() <= 2
