"""Small pictures for tests."""

import io
from functools import cache

import numpy as np
from PIL import Image


@cache
def picture(seed: int, width: int = 96, height: int = 64) -> bytes:
    """A JPEG with structure in it; the same seed gives the same bytes."""
    noise = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
