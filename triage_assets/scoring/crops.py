"""How a window of a frame becomes the square patch that the network sees, byte for byte as the model was trained on.

What lives here: pixel boxes, letter-boxing and resizing. What does not: which windows are cropped, and normalisation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triage_assets.scoring.records import Window


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A region of an image in whole pixels: left and top inclusive, right and bottom exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int


def crop_box(window: Window, context_factor: float, width_px: int, height_px: int) -> PixelBox:
    """The window scaled about its centre, squared on the longer side in pixels, rounded and clipped to the image.

    Each edge rounds by itself, halves to even. A window outside the image leaves an empty box.
    """
    side = max(window.w * context_factor * width_px, window.h * context_factor * height_px)
    centre_x, centre_y = window.cx * width_px, window.cy * height_px
    return PixelBox(
        x0=_clip(round(centre_x - side / 2), width_px),
        y0=_clip(round(centre_y - side / 2), height_px),
        x1=_clip(round(centre_x + side / 2), width_px),
        y1=_clip(round(centre_y + side / 2), height_px),
    )


def cut_patch(pixels: NDArray[np.uint8], box: PixelBox, patch_size: int) -> NDArray[np.uint8]:
    """The box as (patch_size, patch_size, 3) uint8: centred on a black square, then resized with antialiasing.

    An empty box gives a black patch: there is nothing of the image in it.
    """
    region = pixels[box.y0 : box.y1, box.x0 : box.x1]
    height, width = region.shape[:2]
    side = max(height, width)
    if side == 0 or region.size == 0:
        return np.zeros((patch_size, patch_size, 3), np.uint8)
    square = region
    if height != width:
        square = np.zeros((side, side, 3), np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = region
    image = Image.fromarray(np.ascontiguousarray(square))
    return np.asarray(image.resize((patch_size, patch_size), Image.Resampling.BILINEAR))


def _clip(value: int, size: int) -> int:
    return min(max(value, 0), size)
