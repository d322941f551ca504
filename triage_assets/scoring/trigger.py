"""When a sequence first looked like smoke: the shortest beginning of a tube that would have been positive by itself.

What lives here: which prefixes are asked for, and what their answers mean. What does not: computing their logits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from triage_assets.scoring.records import TubeEntry


@dataclass(frozen=True, slots=True)
class Trigger:
    """The tube that crossed first, and the slot at which it did."""

    tube_id: int
    frame_index: int


def mean_confidence(entries: Sequence[TubeEntry]) -> float:
    """Mean over the entries that have a box; interpolated ones count with 0.0."""
    confidences = [entry.box.confidence for entry in entries if entry.box is not None]
    return sum(confidences) / len(confidences)


def prefix_lengths(length: int, min_length: int, max_frames: int) -> range:
    """Lengths of the prefixes that need a logit of their own.

    The network sees at most ``max_frames`` entries, so a longer prefix, and the whole tube, have the tube's own logit.
    """
    return range(min_length, min(length, max_frames))


def first_crossing(
    entries: Sequence[TubeEntry],
    min_length: int,
    logit_of_length: Callable[[int], float],
    is_positive: Callable[[float, Sequence[TubeEntry]], bool],
) -> int | None:
    """The slot in which the shortest positive prefix ends, or None where no prefix is positive."""
    for length in range(min_length, len(entries) + 1):
        prefix = entries[:length]
        if is_positive(logit_of_length(length), prefix):
            return prefix[-1].frame_idx
    return None


def earliest(triggers: Sequence[Trigger]) -> Trigger | None:
    """The earliest trigger, ties to the smallest tube id."""
    return min(triggers, key=lambda trigger: (trigger.frame_index, trigger.tube_id), default=None)
