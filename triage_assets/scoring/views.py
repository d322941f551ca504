"""What the network sees of the frames of several sequences: each window of each frame once, whoever asks for it.

What lives here: which windows are wanted, which patches were embedded, and where their embeddings are. What does not:
cutting (`frame_cuts`) and embedding (`embedding`) themselves, and what sequences make of it (`engine`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from triage_assets.scoring.crops import PixelBox
from triage_assets.scoring.embedding import Embedder, Patch, Slots
from triage_assets.scoring.frame_cuts import CutResult, FrameCutter, FrameOrder
from triage_assets.scoring.records import Window
from triage_assets.scoring.sequence_plan import Cut, SequencePlan
from triage_assets.scoring.stages import StageClock


@dataclass(slots=True)
class _Frame:
    image: bytes
    wanted: dict[Window, None] = field(default_factory=dict)
    boxes: dict[Window, PixelBox] = field(default_factory=dict)
    rows: dict[PixelBox, int] = field(default_factory=dict)
    is_decoded: bool = False
    error: Exception | None = None

    def order(self) -> FrameOrder | None:
        """What has yet to be cut, or None."""
        missing = tuple(window for window in self.wanted if window not in self.boxes)
        return None if self.error or (self.is_decoded and not missing) else FrameOrder(self.image, missing)


class ViewTable:
    """Frames are known by their bytes, so that sequences which share one share its decoding and its patches."""

    def __init__(self, cutter: FrameCutter, embedder: Embedder, clock: StageClock) -> None:
        self._cutter = cutter
        self._embedder = embedder
        self._clock = clock
        self._frames: dict[bytes, _Frame] = {}
        self._embeddings: list[Tensor] = []
        self._n_rows = 0

    def want(self, plans: Iterable[SequencePlan]) -> None:
        """Note what these plans look at, so that it is cut when their frames are decoded for others."""
        for plan in plans:
            for index in plan.shown:
                image = plan.frames[index].image
                self._frames.setdefault(image, _Frame(image))
            for cut in _cuts(plan):
                self._frame(plan, cut.frame).wanted[cut.window] = None

    def look(self, plans: Iterable[SequencePlan]) -> None:
        """Decode the frames of these plans, also those that no tube touches, and embed what is wanted of them."""
        plans = list(plans)
        self.want(plans)
        frames = {id(frame): frame for plan in plans for index in plan.shown if (frame := self._frame(plan, index))}
        orders = [order for frame in frames.values() if (order := frame.order())]
        waiting: list[tuple[_Frame, PixelBox, Patch]] = []
        for result in self._cutter.cut(orders):
            waiting += self._take(result)
            while len(waiting) >= self._embedder.appetite:
                size = self._embedder.appetite
                self._embed(waiting[:size])
                del waiting[:size]
        self._embed(waiting)

    def faults(self, plan: SequencePlan) -> dict[int, Exception]:
        """Why frames of a plan could not be decoded or cut, by their index."""
        errors = {index: self._frame(plan, index).error for index in plan.shown}
        return {index: error for index, error in errors.items() if error is not None}

    def slots(self, plan: SequencePlan) -> list[Slots]:
        """For each tube of a plan that was looked at, the rows of `embeddings` that the network sees."""
        return [tuple(None if cut is None else self._row(plan, cut) for cut in cuts) for cuts in plan.cuts]

    def embeddings(self) -> Tensor:
        """All embeddings, (n, width)."""
        self._embeddings = [torch.cat(self._embeddings)] if self._embeddings else []
        return self._embeddings[0] if self._embeddings else torch.zeros(0, 0)

    def _take(self, result: CutResult) -> list[tuple[_Frame, PixelBox, Patch]]:
        frame = self._frames[result.order.image]
        frame.error = result.error
        if result.cuts is None:
            return []
        frame.is_decoded = True
        frame.boxes |= result.cuts.boxes
        return [(frame, box, patch) for box, patch in result.cuts.patches.items() if box not in frame.rows]

    def _embed(self, waiting: list[tuple[_Frame, PixelBox, Patch]]) -> None:
        if not waiting:
            return
        with self._clock.time("embed"):
            self._embeddings.append(self._embedder.embed([patch for _, _, patch in waiting]))
        for frame, box, _ in waiting:
            frame.rows[box] = self._n_rows
            self._n_rows += 1

    def _row(self, plan: SequencePlan, cut: Cut) -> int:
        frame = self._frame(plan, cut.frame)
        return frame.rows[frame.boxes[cut.window]]

    def _frame(self, plan: SequencePlan, index: int) -> _Frame:
        return self._frames[plan.frames[index].image]


def _cuts(plan: SequencePlan) -> Iterable[Cut]:
    return (cut for cuts in plan.cuts for cut in cuts if cut is not None)
