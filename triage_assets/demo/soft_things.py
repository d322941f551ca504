"""Things without an edge: smoke, dust, cloud and fog banks, painted at low resolution and blended in.

What lives here: how their bodies are built and how they change from frame to frame. What does not: where they are
(`scenes`), and things with edges (`hard_things`).
"""

import math

import numpy as np

from triage_assets.demo.landscape import light_of
from triage_assets.demo.scenes import Extent, Scene, Thing
from triage_assets.demo.texture import Field, fractal, noise_stream, resize, smoothstep

_COARSE = 4
"""Soft things are computed on a grid so many times coarser than the image, where the image is large."""
_PUFFS = 40
_LUCK = 97
_PUFF_SECONDS = 11.0
"""Time between two puffs of a plume; many leave between two frames, so its texture is new in every frame."""


def paint_smoke(canvas: Field, seed: int, scene: Scene, thing: Thing, seconds: float) -> None:
    """A plume that rises from a point, leans with the wind, widens, and, from a wildfire, grows."""
    height, width = canvas.shape[:2]
    tall = thing.grown(seconds)
    patch = _Patch(canvas, _widened(thing.extent(seconds), 0.4, 0.35))
    if patch.is_empty:
        return
    stream = noise_stream(seed, "smoke", thing.key)
    wander = float(stream.uniform(0.0, 2.0 * math.pi))
    thick = float(stream.uniform(0.45, 0.85)) if thing.kind == "wildfire" else 0.6
    dirty = float(stream.uniform(0.0, 0.6)) if thing.kind == "wildfire" else 0.0
    # Sideways luck, size and density of every puff; one that left long ago lends its luck to a new one.
    luck = np.stack(
        [stream.normal(0.0, 1.0, _LUCK), stream.uniform(0.75, 1.25, _LUCK), stream.uniform(0.6, 1.0, _LUCK)]
    ).astype(np.float32)
    emitted = (thing.age_seconds + seconds) / _PUFF_SECONDS
    puffs = np.arange(_PUFFS)
    sway, swell, body = luck[:, (math.floor(emitted) - puffs) % _LUCK]
    rise = np.asarray(((puffs + emitted % 1.0) / _PUFFS) ** 0.85, dtype=np.float32)
    bend = np.float32(0.05) * np.sin(wander + 5.0 * rise + emitted * 0.13).astype(np.float32) * rise
    x = thing.x + tall * (thing.lean * rise**1.25 + bend + 0.045 * sway * rise)
    y = thing.y - tall * 0.78 * rise
    radius = (0.005 + 0.15 * tall * rise**0.75) * swell
    opacity = thick * body * (0.78 - 0.6 * rise)
    # A round puff is the product of a column and a row of numbers, which keeps exp() off the whole grid.
    columns = np.exp(-(((patch.x - x[:, None]) / radius[:, None]) ** 2))
    rows = np.exp(-(((patch.y.T - y[:, None]) * np.float32(height / width) / radius[:, None]) ** 2)) * opacity[:, None]
    clear = np.prod(1.0 - rows[:, :, None] * columns[:, None, :], axis=0)
    # Turbulence rises with the smoke: the texture is a new one in every frame.
    eddies = fractal(noise_stream(seed, "eddies", thing.key, round(seconds)), *patch.shape, 6, 6 * patch.aspect, 4)
    body_alpha = np.clip((1.0 - clear) * (1.0 + 0.2 * eddies), 0.0, 0.96)
    body_alpha *= smoothstep(body_alpha, 0.02, 0.16)
    light = light_of(scene.weather)
    pale = light.haze * 0.55 + np.float32(112.0 * scene.weather.daylight + 8.0)
    dark = pale * np.array((0.62, 0.6, 0.58), dtype=np.float32)
    foot = np.clip((patch.y - (thing.y - tall * 0.5)) / (tall * 0.5 + 1e-3), 0.0, 1.0)
    shade = np.clip(dirty * foot + 0.12 - 0.14 * eddies, 0.0, 1.0)[..., None]
    patch.blend(body_alpha, pale + (dark - pale) * shade)


def paint_dust(canvas: Field, seed: int, scene: Scene, thing: Thing, seconds: float) -> None:
    """A low brown trail behind a vehicle, thickest at its head, gone where the vehicle was a minute ago."""
    extent = thing.extent(seconds)
    patch = _Patch(canvas, _widened(extent, 0.5, 0.8))
    if patch.is_empty:
        return
    lumps = fractal(noise_stream(seed, "dust", thing.key, round(seconds)), *patch.shape, 3, 7, 4)
    along = (patch.x - extent.x1) / (extent.x2 - extent.x1)
    if thing.drift < 0:
        along = 1.0 - along
    ground = extent.y2 - 0.006
    rise = (ground - patch.y) / (extent.y2 - extent.y1)
    tall = np.clip(1.05 - 0.55 * along, 0.2, 1.0)
    density = np.exp(-((np.clip(rise, 0.0, None) / (0.55 * tall)) ** 2)) * smoothstep(rise, -0.12, 0.05)
    density *= smoothstep(along, -0.05, 0.35) * (1.0 - smoothstep(along, 0.92, 1.02))
    alpha = np.clip(density * (0.85 + 0.25 * lumps), 0.0, 0.85)
    light = light_of(scene.weather)
    colour = light.sun * np.array((224, 194, 154), dtype=np.float32)
    patch.blend(alpha, np.broadcast_to(colour, (*patch.shape, 3)))


def paint_bank(canvas: Field, seed: int, scene: Scene, thing: Thing, seconds: float) -> None:
    """A cloud in the sky, or a bank of low cloud or fog lying on a ridge; it moves as one piece."""
    patch = _Patch(canvas, _widened(thing.extent(seconds), 0.3, 0.4))
    if patch.is_empty:
        return
    extent = thing.extent(seconds)
    middle_x, middle_y = (extent.x1 + extent.x2) / 2, (extent.y1 + extent.y2) / 2
    half_x, half_y = (extent.x2 - extent.x1) / 2, (extent.y2 - extent.y1) / 2
    # The texture belongs to the cloud, and its slow change only blends two of its states.
    flat = 2 if thing.kind == "low_cloud" else 4
    early = fractal(noise_stream(seed, "bank", thing.key, 0), 48, 96, flat, 5, 4)
    late = fractal(noise_stream(seed, "bank", thing.key, 1), 48, 96, flat, 5, 4)
    part = 0.5 - 0.5 * math.cos(math.pi * min(1.0, seconds / 900.0))
    lumps = resize(early + (late - early) * np.float32(part), *patch.shape)
    across = ((patch.x - middle_x) / half_x) ** 2
    below = (patch.y - middle_y) / half_y
    # Clouds are flat below and lumpy above; fog is flat above.
    sharp = below * (1.5 if thing.kind == "high_cloud" else 1.0)
    body = 1.0 - across - np.where(below > 0, sharp, below) ** 2 + 0.38 * lumps
    strength = 0.86 if thing.kind == "high_cloud" else 0.78
    alpha = smoothstep(body, 0.0, 0.85) * np.float32(strength)
    light = light_of(scene.weather)
    white = light.horizon * 0.55 + np.float32(118.0 * scene.weather.daylight)
    shade = np.clip(0.94 + 0.08 * lumps - 0.1 * below, 0.7, 1.06)[..., None]
    patch.blend(alpha, np.clip(white * shade, 0.0, 253.0))


class _Patch:
    """The part of a canvas under an extent, with the coarse grid that is painted on and then blended in.

    ``x`` (1, columns) and ``y`` (rows, 1) are the grid's normalised coordinates.
    """

    def __init__(self, canvas: Field, extent: Extent) -> None:
        height, width = canvas.shape[:2]
        self._rows = slice(max(0, math.floor(extent.y1 * height)), min(height, math.ceil(extent.y2 * height)))
        self._columns = slice(max(0, math.floor(extent.x1 * width)), min(width, math.ceil(extent.x2 * width)))
        self._canvas = canvas
        rows, columns = self._rows.stop - self._rows.start, self._columns.stop - self._columns.start
        self.is_empty = rows < 2 or columns < 2
        if self.is_empty:
            return
        coarse = _COARSE if width >= 640 else 1
        self.shape = max(2, rows // coarse), max(2, columns // coarse)
        self.aspect = columns / rows
        self.y = _centres(self._rows, self.shape[0], height)[:, None]
        self.x = _centres(self._columns, self.shape[1], width)[None, :]

    def blend(self, alpha: Field, colour: Field) -> None:
        """Blend a coarse colour (rows, columns, 3) into the canvas by a coarse ``alpha``."""
        target = self._canvas[self._rows, self._columns]
        rows, columns = target.shape[:2]
        fine = np.clip(resize(alpha, rows, columns), 0.0, 1.0)[..., None]
        layers = [resize(np.ascontiguousarray(colour[..., channel]), rows, columns) for channel in range(3)]
        target += (np.stack(layers, axis=-1) - target) * fine


def _centres(pixels: slice, cells: int, whole: int) -> Field:
    span = pixels.stop - pixels.start
    centres = (pixels.start + (np.arange(cells, dtype=np.float32) + 0.5) * (span / cells)) / whole
    return np.asarray(centres, dtype=np.float32)


def _widened(extent: Extent, by_x: float, by_y: float) -> Extent:
    wide, tall = (extent.x2 - extent.x1) * by_x, (extent.y2 - extent.y1) * by_y
    return Extent(extent.x1 - wide, extent.y1 - tall, extent.x2 + wide, extent.y2 + tall)
