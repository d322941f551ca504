"""Things with edges, and what the lens itself adds: masts, buildings, chimneys, lights, flares and droplets.

What lives here: how each is drawn into a canvas. What does not: where it is (`scenes`).
"""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from triage_assets.demo.landscape import light_of
from triage_assets.demo.scenes import Kind, Scene, Thing
from triage_assets.demo.texture import Field, noise_stream

_OVERSAMPLING = 3
DARK_DAYLIGHT = 0.4
"""Below this daylight, lights are on."""


def paint_standing(canvas: Field, seed: int, scene: Scene, thing: Thing) -> None:
    """A mast, a building or a chimney: it never moves."""
    height, width = canvas.shape[:2]
    extent = thing.extent(0.0)
    pixels_high = max(3, round((extent.y2 - extent.y1) * height))
    if thing.kind == "industrial":
        pixels_high = max(3, round(0.045 * height))
    aspect = {"antenna": 0.24, "building": 0.8 * width / height, "industrial": 0.2}[thing.kind]
    pixels_wide = max(2, round(pixels_high * aspect))
    alpha, grey = _standing_shape(thing.kind, pixels_wide, pixels_high)
    stream = noise_stream(seed, "standing", thing.key)
    tint = np.array((1.0, 0.93, 0.86) if thing.kind == "building" else (1.0, 1.0, 1.0), dtype=np.float32)
    light = light_of(scene.weather)
    colour = grey * (tint * np.float32(stream.uniform(0.85, 1.1))) * light.sun
    colour += (light.haze - colour) * np.float32(0.12 + 0.2 * scene.weather.haze)
    left, bottom = round(thing.x * width) - pixels_wide // 2, round(thing.y * height)
    _blend_at(canvas, left, bottom - pixels_high, alpha, colour)


@lru_cache(maxsize=64)
def _standing_shape(kind: Kind, wide: int, tall: int) -> tuple[Field, Field]:
    """How much of each pixel a thing covers (rows, columns), and its grey tone (rows, columns, 1), 0 to 255."""
    stencil = Image.new("L", (wide * _OVERSAMPLING, tall * _OVERSAMPLING), 0)
    tone = Image.new("L", stencil.size, 0)
    draw = {"antenna": _draw_mast, "building": _draw_building, "industrial": _draw_chimney}[kind]
    draw(ImageDraw.Draw(stencil), ImageDraw.Draw(tone), *stencil.size)
    alpha = np.asarray(stencil.resize((wide, tall), Image.Resampling.BOX), dtype=np.float32) / np.float32(255.0)
    # The tone is averaged over the covered part of a pixel only, or thin bars would darken.
    grey = np.asarray(tone.resize((wide, tall), Image.Resampling.BOX), dtype=np.float32)
    return alpha, (grey / np.maximum(alpha, np.float32(0.05)))[..., None]


def paint_light(canvas: Field, seed: int, thing: Thing, seconds: float) -> None:
    """A lamp at dusk with its glow."""
    flicker = float(noise_stream(seed, "lamp", thing.key, round(seconds)).uniform(0.9, 1.05))
    extent = thing.extent(seconds)
    _glow(canvas, thing.x, (extent.y1 + extent.y2) / 2, thing.size * 0.16, (255.0, 226.0, 168.0), flicker)
    _glow(canvas, thing.x, (extent.y1 + extent.y2) / 2, thing.size * 0.5, (150.0, 112.0, 66.0), 0.7 * flicker)


def paint_flare(canvas: Field, scene: Scene, thing: Thing, seconds: float) -> None:
    """Pale discs that low sun throws across the lens, creeping as the sun moves."""
    extent = thing.extent(seconds)
    x, y = (extent.x1 + extent.x2) / 2, (extent.y1 + extent.y2) / 2
    strength = 0.35 + 0.4 * scene.weather.daylight
    _glow(canvas, x, y, thing.size * 0.42, (120.0, 112.0, 92.0), strength)
    for step, size, colour in (
        (0.55, 0.16, (44.0, 70.0, 52.0)),
        (-0.7, 0.24, (62.0, 48.0, 70.0)),
        (1.3, 0.1, (70.0, 62.0, 38.0)),
    ):
        _glow(canvas, x + (0.5 - x) * step, y + (0.42 - y) * step, thing.size * size, colour, 0.7 * strength)


def paint_droplet(canvas: Field, seed: int, scene: Scene, thing: Thing) -> None:
    """A drop on the glass: what is behind it blurs, is pale in the middle and dark at the rim."""
    height, width = canvas.shape[:2]
    radius = max(2.0, thing.size * height * 0.5)
    extent = thing.extent(0.0)
    x, y = thing.x * width, (extent.y1 + extent.y2) / 2 * height
    top, left = max(0, int(y - radius * 1.2)), max(0, int(x - radius * 1.2))
    target = canvas[top : int(y + radius * 1.2), left : int(x + radius * 1.2)]
    if 0 in target.shape:
        return
    behind = Image.fromarray(np.clip(target, 0, 255).astype(np.uint8))
    # A drop is a small wide-angle lens: it shows its surroundings upside down.
    blurred = behind.transpose(Image.Transpose.FLIP_TOP_BOTTOM).filter(ImageFilter.GaussianBlur(radius * 0.22))
    rows = (np.arange(target.shape[0], dtype=np.float32) + (top - y))[:, None] / radius
    columns = (np.arange(target.shape[1], dtype=np.float32) + (left - x))[None, :] / radius
    squash = float(noise_stream(seed, "drop", thing.key).uniform(0.9, 1.15))
    distance = np.sqrt(rows * rows + (columns * squash) ** 2)
    alpha = np.clip((1.0 - distance) * 4.0, 0.0, 1.0) * np.float32(0.8)
    rim = (1.1 - 0.55 * np.clip(distance, 0.0, 1.0) ** 5)[..., None]
    drop = (np.asarray(blurred, dtype=np.float32) * np.float32(0.8) + light_of(scene.weather).horizon * 0.34) * rim
    target += (drop - target) * alpha[..., None]


def _draw_mast(stencil: ImageDraw.ImageDraw, tone: ImageDraw.ImageDraw, wide: int, tall: int) -> None:
    middle, foot, top = wide / 2, wide * 0.24, wide * 0.05
    line = max(2, wide // 14)
    brace = max(1, line * 2 // 3)
    sections = 9
    levels = [tall * 0.14 + (tall * 0.86) * step / sections for step in range(sections + 1)]
    halves = [top + (foot - top) * step / sections for step in range(sections + 1)]
    for canvas, value in ((stencil, 255), (tone, 150)):
        canvas.line((middle, 0, middle, levels[0]), fill=value, width=line)
        for side in (-1, 1):
            canvas.line((middle + side * halves[0], levels[0], middle + side * foot, tall), fill=value, width=line)
        for above, below, half_above, half_below in zip(levels, levels[1:], halves, halves[1:], strict=False):
            canvas.line((middle - half_above, above, middle + half_below, below), fill=value, width=brace)
            canvas.line((middle + half_above, above, middle - half_below, below), fill=value, width=brace)
        for level, side in ((0.2, -1), (0.27, 1), (0.34, -1)):
            x, y, size = middle + side * wide * 0.16, tall * level, wide * 0.12
            canvas.ellipse((x - size, y - size, x + size, y + size), fill=value if value == 255 else 205)


def _draw_building(stencil: ImageDraw.ImageDraw, tone: ImageDraw.ImageDraw, wide: int, tall: int) -> None:
    stencil.polygon((0, tall, 0, tall * 0.42, wide * 0.5, 0, wide, tall * 0.42, wide, tall), fill=255)
    tone.rectangle((0, tall * 0.42, wide, tall), fill=208)
    tone.rectangle((wide * 0.62, tall * 0.42, wide, tall), fill=150)
    tone.polygon((0, tall * 0.45, wide * 0.5, 0, wide, tall * 0.45), fill=118)
    for column in (0.12, 0.36, 0.72):
        tone.rectangle((wide * column, tall * 0.6, wide * (column + 0.12), tall * 0.78), fill=70)


def _draw_chimney(stencil: ImageDraw.ImageDraw, tone: ImageDraw.ImageDraw, wide: int, tall: int) -> None:
    outline = (wide * 0.2, tall, wide * 0.3, 0, wide * 0.7, 0, wide * 0.8, tall)
    stencil.polygon(outline, fill=255)
    tone.polygon(outline, fill=168)
    tone.rectangle((0, 0, wide, tall * 0.12), fill=120)


def _glow(
    canvas: Field, x: float, y: float, radius: float, colour: tuple[float, float, float], strength: float
) -> None:
    """Add a round glow; ``radius`` is normalised by the image height."""
    height, width = canvas.shape[:2]
    reach = max(2.0, radius * height)
    centre_x, centre_y = x * width, y * height
    top, left = max(0, int(centre_y - 3 * reach)), max(0, int(centre_x - 3 * reach))
    target = canvas[top : max(0, int(centre_y + 3 * reach)), left : max(0, int(centre_x + 3 * reach))]
    rows = (np.arange(target.shape[0], dtype=np.float32) + (top - centre_y))[:, None] / reach
    columns = (np.arange(target.shape[1], dtype=np.float32) + (left - centre_x))[None, :] / reach
    target += np.exp(-(rows * rows + columns * columns))[..., None] * (
        np.array(colour, dtype=np.float32) * np.float32(strength)
    )


def _blend_at(canvas: Field, left: int, top: int, alpha: Field, colour: Field) -> None:
    """Blend a small picture whose upper left corner is at (left, top), clipped by the canvas."""
    height, width = canvas.shape[:2]
    rows = slice(max(0, -top), max(0, min(alpha.shape[0], height - top)))
    columns = slice(max(0, -left), max(0, min(alpha.shape[1], width - left)))
    target = canvas[max(0, top) : top + rows.stop, max(0, left) : left + columns.stop]
    target += (colour[rows, columns] - target) * alpha[rows, columns, None]
