"""How a demo scene looks through its camera, as JPEG bytes.

What lives here: the order in which a frame is painted, the camera's noise, and the encoding. What does not: where
things are (`scenes`), and how each is painted (`landscape`, `soft_things`, `hard_things`).
"""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triage_assets.demo.hard_things import DARK_DAYLIGHT, paint_droplet, paint_flare, paint_light, paint_standing
from triage_assets.demo.landscape import add_clouds, lit_land
from triage_assets.demo.scenes import Scene
from triage_assets.demo.soft_things import paint_bank, paint_dust, paint_smoke
from triage_assets.demo.texture import Field, noise_stream

_QUALITY = 75
_STANDING = ("antenna", "building", "industrial")
_NOISE_MARGIN = 64


def render_frame(seed: int, scene: Scene, seconds: float, image_size: tuple[int, int]) -> bytes:
    """One frame as a JPEG; the same bytes for the same arguments and library versions."""
    buffer = io.BytesIO()
    Image.fromarray(paint_frame(seed, scene, seconds, image_size)).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def paint_frame(seed: int, scene: Scene, seconds: float, image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """One frame as (height, width, 3) uint8 RGB, ``seconds`` after the first; ``image_size`` is (width, height)."""
    width, height = image_size
    canvas = _still_part(seed, scene, width, height).copy()
    weather = scene.weather
    add_clouds(canvas, seed, scene.view, weather, scene.key, seconds)
    for thing in scene.things:
        if thing.kind in _STANDING:
            paint_standing(canvas, seed, scene, thing)
    for thing in scene.things:
        match thing.kind:
            case "low_cloud" | "high_cloud":
                paint_bank(canvas, seed, scene, thing, seconds)
            case "wildfire" | "industrial":
                paint_smoke(canvas, seed, scene, thing, seconds)
            case "dust":
                paint_dust(canvas, seed, scene, thing, seconds)
            case "light" if weather.daylight < DARK_DAYLIGHT:
                paint_light(canvas, seed, thing, seconds)
            case "lens_flare":
                paint_flare(canvas, scene, thing, seconds)
    for thing in scene.things:
        if thing.kind == "lens_droplet":
            paint_droplet(canvas, seed, scene, thing)
    camera = noise_stream(seed, "camera", scene.key, round(seconds))
    exposure = np.float32(camera.normal(0.0, 0.8))
    grain = _sensor_noise(seed, width, height)
    top, left = camera.integers(0, _NOISE_MARGIN, 2)
    canvas += (grain[top : top + height, left : left + width] + exposure)[..., None]
    np.clip(canvas, 0.0, 255.0, out=canvas)
    return canvas.astype(np.uint8)


@lru_cache(maxsize=3)
def _still_part(seed: int, scene: Scene, width: int, height: int) -> Field:
    """The lit land without anything in it; frames of a sequence are usually asked for together."""
    return lit_land(seed, scene.view, scene.weather, width, height)


@lru_cache(maxsize=2)
def _sensor_noise(seed: int, width: int, height: int) -> Field:
    stream = noise_stream(seed, "sensor")
    return stream.normal(0.0, 2.2, (height + _NOISE_MARGIN, width + _NOISE_MARGIN)).astype(np.float32)
