"""Which recorded frame each slot of a model's input showed.

What lives here: undoing the padding, which counts copies of frames as slots of their own. What does not: padding
(`triage_assets.scoring.slots`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

_Frame = TypeVar("_Frame")


def n_frames_shown(preprocessing: Mapping[str, Any]) -> int:
    """How many distinct frames a model looked at: its input without what was cut off."""
    return int(preprocessing["num_frames_input"]) - int(preprocessing["num_truncated"])


def frames_of_slots(preprocessing: Mapping[str, Any], frames: Sequence[_Frame]) -> tuple[_Frame, ...]:
    """The frame in each slot; ``frames`` are the recorded ones that were shown, in time order.

    A copy shows what the slot before it shows, and before the first frame the first: so it is in every way of padding.
    """
    copies = set(preprocessing["padded_frame_indices"])
    shown = []
    place = -1
    for slot in range(n_frames_shown(preprocessing) + len(copies)):
        place += slot not in copies
        shown.append(frames[max(place, 0)])
    return tuple(shown)
