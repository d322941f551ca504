"""How the frames of a sequence fill the slots that a model looks at: cut to its longest input, padded to its shortest.

What lives here: which frame is in which slot, and which slots are copies. What does not: boxes and pixels.
"""

from dataclasses import dataclass

from triage_assets.scoring.records import Preprocessing


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """``frames[slot]`` is the index of the frame shown in a slot."""

    frames: tuple[int, ...]
    preprocessing: Preprocessing


def plan_slots(n_frames: int, max_frames: int, pad_to: int, strategy: str) -> SlotPlan:
    """Slots for ``n_frames`` frames (at least one).

    ``symmetric`` repeats the first and the last frame in turn, the first one first; ``uniform`` stretches the sequence
    and counts every showing of a frame but its first as a copy.
    """
    kept = list(range(min(n_frames, max_frames)))
    frames, copies = kept, []
    if len(kept) < pad_to:
        missing = pad_to - len(kept)
        if strategy == "uniform":
            frames = [slot * len(kept) // pad_to for slot in range(pad_to)]
            copies = [slot for slot in range(1, pad_to) if frames[slot] == frames[slot - 1]]
        else:
            before, after = (missing + 1) // 2, missing // 2
            frames = [kept[0]] * before + kept + [kept[-1]] * after
            copies = [*range(before), *range(before + len(kept), pad_to)]
    return SlotPlan(tuple(frames), Preprocessing(n_frames, n_frames - len(kept), tuple(copies)))
