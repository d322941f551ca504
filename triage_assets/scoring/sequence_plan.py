"""What is to be looked at in one sequence, found from its boxes alone: slots, tubes, and windows of frames.

What lives here: the plan, and how it changes when a frame turns out to be no image. What does not: pixels
(`frame_cuts`), and the arithmetic of each step (`slots`, `tubes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from triage_assets.errors import ImageError, ScoringError
from triage_assets.scoring.config import PackageConfig
from triage_assets.scoring.records import FrameInput, Roi, SequenceInput, Window
from triage_assets.scoring.slots import SlotPlan, plan_slots
from triage_assets.scoring.tubes import Tube, TubeSet, find_tubes, union_window


@dataclass(frozen=True, slots=True)
class Cut:
    """A window of a frame, which is given by its index in the plan."""

    frame: int
    window: Window


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """A sequence with everything found that needs no pixels.

    ``frames`` are those that may be images, ``unusable`` says why others were left out. ``windows[tube]`` is the tube's
    fixed window, None where each of its boxes has its own. ``cuts[tube][i]`` is what the network sees of a tube's entry
    i, None where the entry has no box; entries beyond the network's longest input are not among them.
    """

    name: str
    frames: tuple[FrameInput, ...]
    unusable: tuple[ImageError, ...]
    slots: SlotPlan
    tubes: TubeSet
    windows: tuple[Window | None, ...]
    cuts: tuple[tuple[Cut | None, ...], ...]

    @property
    def shown(self) -> tuple[int, ...]:
        """The frames that fill slots, each once, in time order."""
        return tuple(dict.fromkeys(self.slots.frames))


class SequencePlanner:
    """Plans sequences for one model. ``max_frames`` is the network's longest input."""

    def __init__(self, settings: PackageConfig, max_frames: int, roi: Roi | None = None) -> None:
        self._settings = settings
        self._max_frames = max_frames
        self._roi = roi

    def plan(self, sequence: SequenceInput) -> SequencePlan:
        """Plan a sequence as if each of its frames were an image. Raises `ScoringError` where it has none."""
        return self._plan(sequence.name, sequence.frames, ())

    def without(self, plan: SequencePlan, faults: Mapping[int, ImageError]) -> SequencePlan:
        """The plan with frames left out as if they had never been recorded, by index.

        Raises `ScoringError` where no frame is left.
        """
        frames = tuple(frame for index, frame in enumerate(plan.frames) if index not in faults)
        return self._plan(plan.name, frames, (*plan.unusable, *faults.values()))

    def _plan(self, name: str, frames: tuple[FrameInput, ...], unusable: tuple[ImageError, ...]) -> SequencePlan:
        if not frames:
            raise ScoringError(
                f"{name} has no frame that can be decoded",
                found=f"{len(unusable)} unreadable frames, the first: {unusable[0]}" if unusable else "no frames",
                expected="at least one image",
                do="Open its images; if they are damaged at the source, nothing can be done.",
            )
        infer = self._settings.infer
        slots = plan_slots(len(frames), self._max_frames, infer.pad_to_min_frames, infer.pad_strategy)
        tubes = find_tubes([frames[index].boxes for index in slots.frames], self._settings.tubes, self._roi)
        windows = tuple(union_window(tube) if self._settings.model_input.stabilize else None for tube in tubes.tubes)
        cuts = tuple(self._cuts(tube, window, slots) for tube, window in zip(tubes.tubes, windows, strict=True))
        return SequencePlan(name, frames, unusable, slots, tubes, windows, cuts)

    def _cuts(self, tube: Tube, window: Window | None, slots: SlotPlan) -> tuple[Cut | None, ...]:
        cuts: list[Cut | None] = []
        for entry in tube.entries[: self._max_frames]:
            box = entry.box
            if box is None:
                cuts.append(None)
            else:
                own = window or Window(box.cx, box.cy, box.w, box.h)
                cuts.append(Cut(slots.frames[entry.frame_idx], own))
        return tuple(cuts)
