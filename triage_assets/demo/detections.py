"""What a frame-by-frame detector reports of a scene: boxes that jitter, flicker, double and go missing.

What lives here: the detector's habits. What does not: where things truly are (`scenes`).
"""

import random
from dataclasses import dataclass

from triage_assets.annotator.records import Box
from triage_assets.demo.places import random_stream
from triage_assets.demo.scenes import SMOKE_KINDS, Extent, Scene, Thing

FRAME_GAP_SECONDS = 30.0
_MISS_RATE = 0.1
_DOUBLE_RATE = 0.04
_STRAY_RATE = 0.05
_OTHER_RATE = 0.06


@dataclass(frozen=True, slots=True)
class Report:
    """What the detector says of one frame; ``other_boxes`` is absent, not empty, where it says nothing."""

    boxes: tuple[Box, ...]
    other_boxes: tuple[Box, ...] | None


def report_frame(seed: int, scene: Scene, sequence_id: int, frame: int) -> Report:
    """The boxes of one frame; it depends on no other frame, so sequences can grow."""
    draw = random_stream(seed, "report", sequence_id, frame)
    habits = random_stream(seed, "habits", sequence_id)
    seconds = frame * FRAME_GAP_SECONDS
    level = habits.uniform(0.25, 0.75) if scene.subject.kind in SMOKE_KINDS else habits.uniform(0.12, 0.55)
    loose = habits.uniform(0.001, 0.004)
    boxes = []
    for thing in scene.things:
        is_subject = thing is scene.subject
        if draw.random() < (_MISS_RATE if is_subject else 0.93) and not (is_subject and frame == 0 and sequence_id % 9):
            continue
        boxes.append(_box_around(thing, seconds, level, loose, draw))
        if is_subject and draw.random() < _DOUBLE_RATE:
            boxes.append(_box_around(thing, seconds, level * 0.6, loose * 4, draw))
    if draw.random() < _STRAY_RATE:
        x, y = draw.uniform(0, 0.95), draw.uniform(0.3, 0.9)
        boxes.append(_rounded(Extent(x, y, x + 0.04, y + 0.05), draw.uniform(0.05, 0.2)))
    others = None
    if draw.random() < _OTHER_RATE:
        x, y = draw.uniform(0, 0.9), draw.uniform(0.3, 0.9)
        others = (_rounded(Extent(x, y, x + 0.05, y + 0.05), 0.3),)
    return Report(tuple(box for box in boxes if box.x2 > box.x1 and box.y2 > box.y1), others)


def _box_around(thing: Thing, seconds: float, level: float, loose: float, draw: random.Random) -> Box:
    true = thing.extent(seconds)
    noisy = Extent(*(edge + draw.gauss(0.0, loose) for edge in (true.x1, true.y1, true.x2, true.y2)))
    growth = 0.15 * thing.grown(seconds) / thing.size if thing.kind == "wildfire" else 0.0
    return _rounded(noisy, min(0.95, max(0.05, draw.gauss(level + growth, 0.12))))


def _rounded(extent: Extent, confidence: float) -> Box:
    x1, y1, x2, y2 = (round(min(1.0, max(0.0, edge)), 4) for edge in (extent.x1, extent.y1, extent.x2, extent.y2))
    return Box(x1, y1, x2, y2, confidence=round(confidence, 3))
