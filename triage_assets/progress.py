"""How long work tells how far it is: a few log lines under Dagster, a bar on a terminal.

What lives here: the reporter that domain code calls, the choice of where its words go, and how fast and how much longer
from what was reported. What does not: the bar itself, which the command line owns, and any measuring of the work.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

# Long enough to hold several cluster units, short enough to forget how long a model took to load.
_RECENT_SECONDS = 60.0
# A run of ten hours then takes about eighty lines, and one of a minute four.
_SHARE_OF_ELAPSED = 0.25
_LONGEST_SILENCE_SECONDS = 600.0


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
    """A reporter for one piece of long work: to the display where one is shown, else lines to ``log``.

    The lines: what there is to do, then how far it is after ``every_seconds`` and ever less often. The last word, with
    the totals, is the caller's.
    """
    return _display.get() or log_lines(log, every_seconds=every_seconds)


class Pace:
    """How fast things get done: over about the last minute, because loading a model at the start says nothing of it."""

    def __init__(self, recent_seconds: float = _RECENT_SECONDS) -> None:
        self._recent_seconds = recent_seconds
        self._reports: deque[tuple[float, int]] = deque()

    def add(self, done: int, now: float) -> None:
        """Note that so many are done at this moment (in seconds of a clock that never goes back)."""
        if self._reports and done < self._reports[-1][1]:
            self._reports.clear()  # another piece of work has begun
        if done <= 0 or (self._reports and done == self._reports[-1][1]):
            return
        self._reports.append((now, done))
        # The second oldest must be within the minute, so that the oldest is the last report before it.
        while len(self._reports) > 2 and self._reports[1][0] <= now - self._recent_seconds:
            self._reports.popleft()

    def per_second(self, now: float) -> float | None:
        """The recent rate, None before the second report; it falls while nothing gets done."""
        if len(self._reports) < 2:
            return None
        (started, before), (_, done) = self._reports[0], self._reports[-1]
        return (done - before) / max(now - started, 1e-9)


def describe_pace(per_second: float | None, left: int | None) -> str:
    """``5.0 a second, 4 min left``, or what of it is known."""
    if not per_second:
        return ""
    ahead = f", {describe_duration(left / per_second)} left" if left else ""
    return f"{describe_rate(per_second)}{ahead}"


def describe_rate(per_second: float) -> str:
    """``5.0 a second``, or a minute or an hour where a second is too short for one."""
    for seconds, name in ((1, "second"), (60, "minute")):
        if per_second * seconds >= 1:
            return f"{per_second * seconds:,.1f} a {name}"
    return f"{per_second * 3600:,.1f} an hour"


def floor_percent(part: int, whole: int) -> float | None:
    """Percent with one decimal, rounded down: 100.0 is said of the whole alone. None where there is nothing."""
    return 1000 * part // whole / 10 if whole else None


def describe_duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``4 h 05 min``: two units are enough for a person."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60:02} s" if whole % 60 else "")
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h" + (f" {minutes % 60:02} min" if minutes % 60 else "")


def log_lines(
    log: Callable[[str], None],
    *,
    every_seconds: float = 15.0,
    announce: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """A reporter that writes lines: the amount of work at once where ``announce``, then progress now and then."""
    pace = Pace()
    started: float | None = None
    due = 0.0

    def report(unit: str, done: int, total: int | None, note: str = "") -> None:
        nonlocal started, due
        now = clock()
        pace.add(done, now)
        if started is None:
            started, due = now, now + every_seconds
            if announce and total is not None:
                log(f"{total:,} {unit} to do")
        if now < due:
            return
        due = now + max(every_seconds, min((now - started) * _SHARE_OF_ELAPSED, _LONGEST_SILENCE_SECONDS))
        of_total = f" of {total:,}" if total is not None else ""
        rate = describe_pace(pace.per_second(now), None if total is None else total - done)
        told = f" ({note})" if note else ""
        log(", ".join(filter(None, [f"{done:,}{of_total} {unit}", rate])) + told)

    return report
