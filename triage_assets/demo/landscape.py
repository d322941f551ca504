"""The land and sky of a demo view: ridges behind ridges, forest and meadow, lit and hazed by the weather.

What lives here: everything that stays where it is for a whole sequence, save buildings and masts. What does not: what
moves or stands in it (`soft_things`, `hard_things`).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from triage_assets.demo.places import View
from triage_assets.demo.scenes import Weather, horizon_of
from triage_assets.demo.texture import Field, fractal, noise_stream, resize, smoothstep

_LAYERS = 5
_DECK_ROWS, _DECK_COLUMNS = 128, 1024
"""Grid of the cloud deck; the view shows half of its columns at a time."""
_DECK_SPEED = 0.00035
"""Sideways drift of the deck in a full wind, in views per second."""
_FOREST = np.array((44, 58, 40), dtype=np.float32)
_MEADOW = np.array((126, 124, 78), dtype=np.float32)
_ROCK = np.array((128, 120, 110), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Land:
    """A view by full daylight and clear air.

    ``albedo`` (height, width, 3) uint8; ``farness`` (height, width) uint8, 0 near to 255 at the sky; ``sky`` (rows,
    width) float32, the part of each pixel that is sky, for the rows from the top that have any.
    """

    albedo: NDArray[np.uint8]
    farness: NDArray[np.uint8]
    sky: Field


@dataclass(frozen=True, slots=True)
class Light:
    """Colours of the air, 0 to 255, and the colour that sunlight multiplies surfaces by."""

    zenith: Field
    horizon: Field
    haze: Field
    sun: Field


def light_of(weather: Weather) -> Light:
    """What the hour and the air do to colours."""
    day = np.float32(weather.daylight)
    night_sky, night_low = _colour(16, 22, 40), _colour(44, 52, 76)
    warm = np.float32(weather.warm)
    low_day = _colour(203, 214, 224) * (1 - warm) + _colour(232, 206, 172) * warm
    zenith = night_sky + (_colour(104, 146, 204) - night_sky) * day
    horizon = night_low + (low_day - night_low) * day
    tint = _colour(0.72, 0.84, 1.12) if weather.daylight < 0.4 else _colour(1.0, 0.98 - 0.06 * weather.warm, 0.94)
    sun = tint * np.float32(0.1 + 0.95 * weather.daylight)
    return Light(zenith, horizon, horizon * np.float32(0.94), sun)


@lru_cache(maxsize=32)
def view_land(seed: int, view: View, width: int, height: int) -> Land:
    """The land of a view at a size, from far ridge to foreground."""
    stream = noise_stream(seed, "land", view.name)
    horizon = horizon_of(seed, view)
    relief = fractal(stream, height, width, 5, 7, 5)
    leaves = fractal(stream, height, width, 90, 150, 3, gain=0.8)
    fields = fractal(stream, height, width, 9, 6, 3)
    # Slopes that face the sun, upper left, are brighter.
    slope = np.zeros_like(relief)
    slope[1:, 1:] = (relief[1:, 1:] - relief[:-1, :-1]) * np.float32(height / 30)
    np.clip(slope, -1.2, 1.2, out=slope)
    y = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    albedo = np.zeros((height, width, 3), dtype=np.float32)
    farness = np.full((height, width), 255.0, dtype=np.float32)
    sky = np.ones((height, width), dtype=np.float32)
    for layer in range(_LAYERS):
        depth = 1.0 - layer / (_LAYERS - 1)
        skyline = _skyline(stream, width, horizon, layer)
        # Every layer is other ground: without the mirroring a field would go on across a valley.
        mirror = (slice(None), slice(None, None, -1)) if layer % 2 == 0 else (slice(None, None, -1), slice(None))
        fields, relief, slope = fields[mirror], relief[mirror], slope[mirror]
        top = max(0, int(skyline.min() * height) - 2)
        cover = np.clip((y[top:] - skyline) * np.float32(height) + 0.5, 0.0, 1.0)
        meadow = smoothstep(fields[top:], 0.35 + 0.3 * depth, 0.55 + 0.3 * depth)[..., None]
        rock = smoothstep(relief[top:], 0.9, 1.8)[..., None] * np.float32(depth > 0.6) * np.float32(0.7)
        colour = _FOREST + (_MEADOW - _FOREST) * meadow * np.float32(0.85)
        colour += (_ROCK - colour) * rock
        grain = 1.0 + (0.34 - 0.2 * depth) * leaves[top:] * (1.0 - 0.75 * meadow[..., 0]) + 0.22 * slope[top:]
        colour *= np.clip(grain, 0.25, 1.9)[..., None]
        albedo[top:] += (colour - albedo[top:]) * cover[..., None]
        farness[top:] += (np.float32(225 * depth**0.8) - farness[top:]) * cover
        sky[top:] *= 1.0 - cover
    rows = int(np.nonzero(sky.max(axis=1) > 0.0)[0].max()) + 1
    return Land(np.clip(albedo, 0, 255).astype(np.uint8), np.clip(farness, 0, 255).astype(np.uint8), sky[:rows].copy())


def lit_land(seed: int, view: View, weather: Weather, width: int, height: int) -> Field:
    """The view (height, width, 3) float32, 0 to 255, under the given light and air, with a clear sky."""
    land = view_land(seed, view, width, height)
    light = light_of(weather)
    distance = np.linspace(0.0, 1.0, 256, dtype=np.float32)
    veil = (1.0 - np.exp(-(0.25 + 2.2 * weather.haze) * distance**1.4)).astype(np.float32)[land.farness][..., None]
    # Haze lies in the valleys: it thickens a little downwards within the far part.
    canvas = land.albedo * light.sun
    canvas += (light.haze - canvas) * veil
    rows = len(land.sky)
    ramp = (np.linspace(0.0, 1.0, rows, dtype=np.float32) ** 1.3)[:, None, None]
    clear = light.zenith + (light.horizon - light.zenith) * ramp
    canvas[:rows] += (clear - canvas[:rows]) * land.sky[..., None]
    return canvas


def add_clouds(canvas: Field, seed: int, view: View, weather: Weather, key: str, seconds: float) -> None:
    """Paint the drifting cloud deck into the sky of ``canvas``."""
    height, width = canvas.shape[:2]
    land = view_land(seed, view, width, height)
    rows = len(land.sky)
    coarse = 1 if width >= 640 else 4
    alpha_low, shade_low = _cloud_deck(seed, key, weather.cloud_cover, _DECK_ROWS // coarse, _DECK_COLUMNS // coarse)
    visible = alpha_low.shape[1] // 2
    start = (weather.wind * _DECK_SPEED * seconds * visible) % (visible - 1)
    first = int(start)
    part = np.float32(start - first)
    alpha_now = (
        alpha_low[:, first : first + visible] * (1 - part) + alpha_low[:, first + 1 : first + visible + 1] * part
    )
    shade_now = shade_low[:, first : first + visible]
    alpha = np.clip(resize(alpha_now, rows, width), 0.0, 1.0) * land.sky
    shade = resize(shade_now, rows, width)
    light = light_of(weather)
    white = light.horizon * 0.62 + 255.0 * 0.42 * weather.daylight
    colour = white * (0.78 + 0.22 * shade[..., None])
    np.clip(colour, 0.0, 252.0, out=colour)
    canvas[:rows] += (colour - canvas[:rows]) * alpha[..., None]


@lru_cache(maxsize=8)
def _cloud_deck(seed: int, key: str, cover: float, rows: int, columns: int) -> tuple[Field, Field]:
    stream = noise_stream(seed, "clouds", key)
    lumps = fractal(stream, rows, columns, 5, 14, 6, gain=0.6)
    # Perspective: lumps near the horizon are flatter and closer together.
    lumps = lumps[(np.linspace(0.0, 1.0, rows) ** 0.7 * (rows - 1)).astype(int)]
    edge = 1.1 - 1.9 * cover
    alpha = smoothstep(lumps, edge, edge + 1.3) * np.float32(0.9)
    shade = np.clip(0.6 + 0.5 * (lumps - np.roll(lumps, -max(1, rows // 24), axis=0)), 0.0, 1.0).astype(np.float32)
    return alpha, shade


def _skyline(stream: np.random.Generator, width: int, horizon: float, layer: int) -> Field:
    """Height of a layer's upper edge per column, normalised, y down."""
    nearness = layer / (_LAYERS - 1)
    base = horizon + (0.93 - horizon) * nearness**1.25
    hills = fractal(stream, 2, width, 1, 3 + 2 * layer, 6, gain=0.45)[0]
    edge = base + np.float32(0.045 - 0.015 * nearness) * hills
    trees = fractal(stream, 2, width, 1, 160, 2, gain=0.8)[0] * np.float32((0.5 + 5.5 * nearness**2) / 720)
    return np.asarray(edge + trees, dtype=np.float32)


def _colour(red: float, green: float, blue: float) -> Field:
    return np.array((red, green, blue), dtype=np.float32)
