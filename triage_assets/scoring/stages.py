"""Where the time of scoring goes: seconds by stage, added up from whatever threads do the work.

What lives here: the stages by name, the clock that they are measured with, and their shares as text. What does not:
the work, and when its progress is told.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

STAGES = ("read", "detect", "decode", "crop", "embed", "judge", "write")
"""Bytes out of shards; boxes found by a detector of our own, where one is used; JPEG to pixels; pixels to patches;
patches to embeddings; embeddings to logits, probabilities and triggers; prediction parts into the store."""


class StageClock:
    """Adds up how long each stage took, in seconds of the threads that did it. Safe to use from several threads.

    Stages run beside each other, so the sum may exceed the time that has passed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Count the time spent inside as this stage's."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add({stage: time.perf_counter() - started})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count seconds that were measured elsewhere, such as in another process."""
        with self._lock:
            for stage, value in seconds.items():
                self._seconds[stage] += value

    def seconds(self) -> dict[str, float]:
        """What has been counted so far, in the order of `STAGES`."""
        with self._lock:
            return dict(self._seconds)


def describe_shares(seconds: Mapping[str, float], *, least: float = 0.01) -> str:
    """Each stage's share of the whole, largest first, without those below ``least``: ``embed 83%, decode 9%``."""
    whole = sum(seconds.values())
    if whole <= 0:
        return ""
    shares = sorted(((value / whole, stage) for stage, value in seconds.items()), reverse=True)
    return ", ".join(f"{stage} {share:.0%}" for share, stage in shares if share >= least)
