"""Seeded noise fields: the raw material of ridges, clouds and smoke.

What lives here: arrays of float32 and nothing that knows what they depict. What does not: colours, scenes, files.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]


def noise_stream(seed: int, *parts: object) -> np.random.Generator:
    """A numpy random stream that depends on its name alone."""
    digest = hashlib.blake2b("/".join(str(part) for part in (seed, *parts)).encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def resize(field: Field, height: int, width: int) -> Field:
    """A field at another size, bicubic."""
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def fractal(
    stream: np.random.Generator,
    height: int,
    width: int,
    cells_y: float,
    cells_x: float,
    octaves: int,
    gain: float = 0.55,
) -> Field:
    """Fractal noise (height, width) of about zero mean and unit variance.

    The coarsest octave has ``cells_y`` x ``cells_x`` lumps and each further one twice as many, as far as the pixels go.
    """
    total = np.zeros((height, width), dtype=np.float32)
    power = 0.0
    for octave in range(octaves):
        rows = max(2, min(height, round(cells_y * 2**octave) + 1))
        columns = max(2, min(width, round(cells_x * 2**octave) + 1))
        grid = stream.standard_normal((rows, columns), dtype=np.float32)
        total += gain**octave * resize(grid, height, width)
        power += gain ** (2 * octave)
    # Interpolation between lumps takes about a third of a lump's standard deviation.
    total /= np.float32(0.65 * power**0.5)
    return total


def smoothstep(field: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, smooth between."""
    ramp = np.clip((field - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp), dtype=np.float32)
