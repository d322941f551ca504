"""How long work tells how far it is: a few log lines under Dagster, a bar on a terminal.

What lives here: the reporter that domain code calls, and the choice of where its words go. What does not: the bar
itself, which the command line owns, and any measuring of the work.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """Called while work goes on."""

    def __call__(self, unit: str, done: int, total: int | None, note: str = "") -> None:
        """Tell what is being done (``frames``), how many are done, and how many there are (None while unknown).

        ``note`` is a few words on how it goes, such as where the time is spent.
        """


_display: ContextVar[Progress | None] = ContextVar("progress_display", default=None)


def no_progress(unit: str, done: int, total: int | None, note: str = "") -> None:
    """Say nothing."""


@contextmanager
def show_progress(display: Progress) -> Iterator[None]:
    """Send the reports of everything that runs inside to ``display``."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)


def report_progress(log: Callable[[str], None], *, every_seconds: float = 15.0) -> Progress:
    """A reporter for one piece of long work: to the display where one is shown, else a line to ``log`` now and then."""
    return _display.get() or _log_lines(log, every_seconds)


def _log_lines(log: Callable[[str], None], every_seconds: float) -> Progress:
    started = time.monotonic()
    last = started

    def report(unit: str, done: int, total: int | None, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < every_seconds:
            return
        last = now
        rate = done / (now - started)
        of_total = f" of {total:,}" if total is not None else ""
        left = f", about {(total - done) / rate:,.0f} s left" if total is not None and rate > 0 else ""
        told = f" ({note})" if note else ""
        log(f"{done:,}{of_total} {unit}, {rate:,.1f} per second{left}{told}")

    return report
