"""Smaller pictures and crops of frames, as JPEG.

What lives here: which are made and how. What does not: keeping them (`picture_cache`). EXIF orientation is ignored,
as it is wherever boxes are found: a crop is where the boxes are.
"""

import io
import math
from dataclasses import dataclass

import PIL
from PIL import Image

from triage_assets.errors import ImageError
from triage_assets.images import load_pixels, open_image

WIDTHS = (160, 320, 640, 1280)
MEDIA_TYPE = "image/jpeg"

_QUALITY = 85
# Cameras have up to 8 million pixels. Several pictures are made at once, and each takes 3 bytes a pixel and more.
_MOST_PIXELS = 25_000_000
# Goes up whenever the same order would give other bytes than before.
_RECIPE = f"1-{PIL.__version__}"


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image between two corners, normalised to it; at least a ten-thousandth wide and high."""

    x1: float
    y1: float
    x2: float
    y2: float


WHOLE = Crop(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """A part of a frame, at most ``width_px`` wide and never larger than it is in the frame."""

    width_px: int | None = None
    crop: Crop = WHOLE

    @property
    def tag(self) -> str:
        """What tells pictures of the same frame apart, in plain ASCII without quotes and commas."""
        corners = "_".join(f"{value:g}" for value in (self.crop.x1, self.crop.y1, self.crop.x2, self.crop.y2))
        return f"{self.width_px or 'full'}.{corners}.{_RECIPE}"


def make_picture(data: bytes, order: PictureOrder) -> bytes:
    """The ordered part of an image. Raises `ImageError` where it is damaged or too large."""
    crop = order.crop
    with open_image(data) as image:
        width, height = image.size
        if width * height > _MOST_PIXELS:
            raise ImageError(
                "The image is too large for smaller pictures of it",
                found=f"{width} x {height} pixels",
                expected=f"at most {_MOST_PIXELS:,}",
                do="Look at it without a width or crop.",
            )
        part_px = max(1.0, (crop.x2 - crop.x1) * width)
        scale = min(1.0, (order.width_px or part_px) / part_px)
        size = (max(1, round(part_px * scale)), max(1, round((crop.y2 - crop.y1) * height * scale)))
        # A JPEG is decoded at a half, a quarter or an eighth of its size where that is enough: a third of the time.
        image.draft("RGB", (math.ceil(width * scale), math.ceil(height * scale)))
        load_pixels(image, data)
        pixels = image if image.mode == "RGB" else image.convert("RGB")
        box = (crop.x1 * pixels.width, crop.y1 * pixels.height, crop.x2 * pixels.width, crop.y2 * pixels.height)
        small = pixels.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    sink = io.BytesIO()
    small.save(sink, "JPEG", quality=_QUALITY)
    return sink.getvalue()
