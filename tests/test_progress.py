"""Progress: lines now and then, or the display that is being shown, and a rate that is of the recent past."""

import pytest

from triage_assets.progress import (
    Pace,
    describe_duration,
    describe_pace,
    describe_rate,
    floor_percent,
    log_lines,
    no_progress,
    report_progress,
    show_progress,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def work(clock: Clock, seconds: int, *, per_second: int, every_seconds: float = 15.0, loading: int = 0) -> list[str]:
    """The lines of work that goes on at one rate after so many seconds in which nothing is done."""
    lines: list[str] = []
    report = log_lines(lines.append, every_seconds=every_seconds, clock=clock)
    for second in range(loading + seconds):
        report("sequences", max(0, second - loading) * per_second, seconds * per_second, "embed 83%")
        clock.now += 1
    return lines


def test_the_first_line_says_what_there_is_to_do_and_the_next_how_far_it_is() -> None:
    lines = work(Clock(), 40, per_second=5)
    assert lines == [
        "200 sequences to do",
        "75 of 200 sequences, 5.0 a second, 25 s left (embed 83%)",
        "150 of 200 sequences, 5.0 a second, 10 s left (embed 83%)",
    ]


def test_lines_become_fewer_the_longer_it_takes() -> None:
    minute, hour, night = (len(work(Clock(), seconds, per_second=5)) for seconds in (60, 3600, 36_000))
    assert minute == 4
    assert hour < 30
    assert night < 90


def test_the_time_that_a_model_takes_to_load_is_not_in_the_rate() -> None:
    lines = work(Clock(), 100, per_second=4, loading=300)
    assert "4.0 a second" in lines[-1]


def test_a_rate_forgets_what_is_long_ago_and_falls_while_nothing_is_done() -> None:
    pace = Pace(recent_seconds=60)
    for second in range(1, 101):
        pace.add(second * 10, second)
    for second in range(101, 201):
        pace.add(1000 + (second - 100), second)
    assert pace.per_second(200) == pytest.approx(1, abs=0.02)
    assert pace.per_second(800) < 0.2


def test_a_rate_needs_two_reports_and_begins_again_with_other_work() -> None:
    pace = Pace()
    pace.add(0, 0.0)
    pace.add(64, 90.0)  # a unit of a cluster arrives whole
    assert pace.per_second(90.0) is None
    pace.add(128, 154.0)
    assert pace.per_second(154.0) == 1
    pace.add(10, 160.0)
    assert pace.per_second(160.0) is None


def test_without_a_total_or_a_rate_the_line_says_what_it_knows() -> None:
    lines: list[str] = []
    report = report_progress(lines.append, every_seconds=0)
    report("frames", 1300, None)
    assert lines == ["1,300 frames"]


def test_a_display_gets_every_report_instead() -> None:
    lines: list[str] = []
    seen: list[tuple[str, int, int | None, str]] = []
    with show_progress(lambda *report: seen.append(report)):
        report_progress(lines.append, every_seconds=0)("frames", 1, 2, "note")
    assert (seen, lines) == ([("frames", 1, 2, "note")], [])
    no_progress("frames", 1, 2)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),  # rounding reaches the next unit
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (14_700, "4 h 05 min"),
        (400_000, "111 h 07 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert describe_duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(1234.5, "1,234.5 a second"), (0.5, "30.0 a minute"), (0.001, "3.6 an hour")]
)
def test_a_rate_has_a_unit_in_which_it_can_be_read(rate: float, text: str) -> None:
    assert describe_rate(rate) == text


def test_a_share_of_nothing_is_none_and_one_of_the_whole_alone_is_all() -> None:
    assert [floor_percent(part, 1_000_000) for part in (0, 999_999, 1_000_000)] == [0.0, 99.9, 100.0]
    assert floor_percent(0, 0) is None


def test_a_pace_says_what_is_known() -> None:
    assert describe_pace(None, 10) == ""
    assert describe_pace(2.0, None) == "2.0 a second"
    assert describe_pace(2.0, 0) == "2.0 a second"
