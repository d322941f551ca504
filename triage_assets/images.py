"""What bytes are as an image: its size, whether it is whole, and its pixels.

What lives here: the only place that knows image formats, used when frames are pulled, when an index is rebuilt and when
frames are scored. What does not: cropping and resizing, which belong to scoring.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from triage_assets.errors import ImageError

# Formats that cameras and the annotator are known to store. The list is closed so that no other decoder of the image
# library (some start external programs) ever sees bytes from the network.
_FORMATS = ("JPEG", "PNG", "WEBP")

# A few kilobytes can claim any size, and decoding fills the memory with it: this much is 240 MB. The image library's
# own limits, which are process-wide settings, lie above: a warning from 89 million pixels, an error from twice that.
_MOST_PIXELS = 80_000_000


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Size in pixels as stored, before any EXIF orientation."""

    width_px: int
    height_px: int


def inspect_image(data: bytes) -> ImageSize:
    """The size of an image that is known to be whole.

    A JPEG that ends with its end marker is trusted to be whole: its header alone is read (0.05 ms). Anything else
    is decoded once. Raises `ImageError` for bytes that are empty, no image, cut short, or too large an image.
    """
    if not data:
        raise ImageError("The image is empty", found="0 bytes")
    with open_image(data) as image:
        size = ImageSize(*image.size)
        ends_well = data[-2:] == b"\xff\xd9" or data[-64:].rstrip(b"\0")[-2:] == b"\xff\xd9"
        if not (image.format == "JPEG" and ends_well):
            load_pixels(image, data)
    return size


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """The pixels as (height, width, 3) uint8 RGB, EXIF orientation ignored. Raises `ImageError`."""
    with open_image(data) as image:
        load_pixels(image, data)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def open_image(data: bytes) -> Image.Image:
    """The image with its header read and no pixel decoded, to be closed by the caller. Raises `ImageError`."""
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    # The warning is an exception only where whoever runs this process has made it one.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(f"more than {_MOST_PIXELS} pixels") from None
    except (UnidentifiedImageError, OSError, ValueError):
        raise ImageError(
            "The bytes are no image", found=f"{len(data)} bytes starting {data[:8]!r}", expected="JPEG, PNG or WebP"
        ) from None
    if image.width * image.height > _MOST_PIXELS:
        image.close()
        raise _too_large(f"{image.width} x {image.height} pixels")
    return image


def _too_large(found: str) -> ImageError:
    return ImageError("The image is too large to be decoded", found=found, expected=f"at most {_MOST_PIXELS} pixels")


def load_pixels(image: Image.Image, data: bytes) -> None:
    """Decode what `open_image` opened from ``data``. Raises `ImageError`."""
    try:
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError("The image is cut short or damaged", found=f"{len(data)} bytes, {error}") from None
