"""Frames to patches, each frame decoded once for everything that is wanted of it, in threads beside the network.

What lives here: decoding ahead of whoever takes the patches, and no further than memory allows. What does not: which
windows are wanted (`sequence_plan`), and the arithmetic of a crop (`crops`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage_assets.images import decode_rgb
from triage_assets.scoring.config import ModelInputConfig
from triage_assets.scoring.crops import PixelBox, crop_box, cut_patch
from triage_assets.scoring.records import Window
from triage_assets.scoring.stages import StageClock

# Frames decoded or being decoded beyond the one that is taken, per thread.
_AHEAD = 3


@dataclass(frozen=True, slots=True)
class FrameOrder:
    """What is wanted of one frame: its windows, each once. None at all still asks whether it is an image."""

    image: bytes
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class FrameCuts:
    """What was cut out of a frame: which pixels each window is, and the patch of each such box."""

    boxes: Mapping[Window, PixelBox]
    patches: Mapping[PixelBox, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class CutResult:
    """What came of an order: cuts, or the error that stood in the way."""

    order: FrameOrder
    cuts: FrameCuts | None
    error: Exception | None


def cut_frame(order: FrameOrder, config: ModelInputConfig, clock: StageClock) -> FrameCuts:
    """Decode a frame and cut what is wanted of it. Raises `ImageError`.

    A window's pixel box is that of this frame's own size, and windows that come to the same box share its patch.
    """
    with clock.time("decode"):
        pixels = decode_rgb(order.image)
    height, width = pixels.shape[:2]
    with clock.time("crop"):
        boxes = {window: crop_box(window, config.context_factor, width, height) for window in order.windows}
        patches = {box: cut_patch(pixels, box, config.patch_size) for box in dict.fromkeys(boxes.values())}
    return FrameCuts(boxes, patches)


class FrameCutter:
    """Threads that cut frames. Decoding and resizing let go of the interpreter, so they run beside the network.

    Two threads are enough: a 720p frame takes one of them 3 to 5 ms, a patch takes a core 80 ms and a GPU less than 1.
    They come on top of the network's threads, and take a twentieth of one core where the network runs on the CPU.
    """

    def __init__(self, config: ModelInputConfig, n_threads: int, clock: StageClock) -> None:
        self._config = config
        self._clock = clock
        self._n_ahead = _AHEAD * n_threads
        self._pool = ThreadPoolExecutor(n_threads, thread_name_prefix="decode")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def cut(self, orders: Iterable[FrameOrder]) -> Iterator[CutResult]:
        """What came of each order, in order."""
        source = iter(orders)
        under_way: deque[tuple[FrameOrder, Future[FrameCuts]]] = deque()
        try:
            while True:
                while len(under_way) <= self._n_ahead and (order := next(source, None)) is not None:
                    under_way.append((order, self._pool.submit(cut_frame, order, self._config, self._clock)))
                if not under_way:
                    return
                order, future = under_way.popleft()
                yield _result(order, future)
        finally:
            for _, future in under_way:
                future.cancel()


def _result(order: FrameOrder, future: Future[FrameCuts]) -> CutResult:
    try:
        return CutResult(order, future.result(), None)
    except MemoryError:
        raise
    # Whoever ordered this frame turns any other error into the reason of its own sequences.
    except Exception as error:  # noqa: BLE001
        return CutResult(order, None, error)
