"""What the command line prints: a line for each model, sizes, and progress without a terminal."""

import io

import pytest
from rich.console import Console

from triage_assets import console
from triage_assets.console import count_of, describe_run, describe_size, print_models, progress_bars
from triage_assets.orchestrate import ModelRun
from triage_assets.progress import report_progress
from triage_assets.scoring.files.stored_models import StoredModel


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (
            ModelRun("1.0-1dfbb94b", 60, 0, 12.0, "embed 83%, decode 9%"),
            "60 sequences scored in 12 s (5.0 a second; embed 83%, decode 9%), 0 reused, by 1.0-1dfbb94b",
        ),
        # nothing to score: neither a time nor a rate
        (ModelRun("1.0-1dfbb94b", 0, 1234, 0.0, ""), "0 sequences scored, 1,234 reused, by 1.0-1dfbb94b"),
        # slow hardware: a rate that can be read
        (
            ModelRun("1.0-1dfbb94b", 2, 0, 3600.0, ""),
            "2 sequences scored in 1 h (2.0 an hour), 0 reused, by 1.0-1dfbb94b",
        ),
    ],
)
def test_a_model_has_one_line_with_its_cost(run: ModelRun, text: str) -> None:
    assert describe_run(run) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (43_860, "44 kB"), (999_950, "1.0 MB")]
)
def test_a_size_has_a_unit_in_which_it_can_be_read(size: int, text: str) -> None:
    assert describe_size(size) == text


@pytest.mark.parametrize(
    ("n_backlog", "n_scored", "text"),
    [
        (3, 3, "100%"),
        (100_000, 99_999, "99.9%"),  # 100% is said of a backlog that is scored whole
        (3, 1, "33.3%"),
        (0, 0, "-"),  # nothing waits
        (3, None, "?"),  # damaged
    ],
)
def test_coverage_is_rounded_down_and_told_where_there_is_one(
    capsys: pytest.CaptureFixture[str], n_backlog: int, n_scored: int | None, text: str
) -> None:
    print_models([StoredModel("1.0-1dfbb94b", "1.0", "1dfbb94b", "annotator", "float32", n_backlog, n_scored)], ())
    header, row = capsys.readouterr().out.splitlines()
    end = header.index("coverage") + len("coverage")
    assert row[:end].split()[-1] == text


def test_one_is_not_many() -> None:
    assert (count_of(1, "part"), count_of(1200, "part")) == ("1 part", "1,200 parts")


def test_without_a_terminal_short_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars("scoring"):
        report = report_progress(print)
        for done in range(100):
            report("sequences", done, 100)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_on_a_terminal_the_bar_tells_rate_time_left_and_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(force_terminal=True, width=160, record=True, file=io.StringIO())
    monkeypatch.setattr(console, "errors", screen)
    with progress_bars("scoring"):
        report = report_progress(print)
        for done in (0, 50, 100):
            report("sequences", done, 400, "embed 83%, decode 9%")
    shown = screen.export_text()
    for words in ("scoring", "100/400", " a second, ", " left", "embed 83%, decode 9%"):
        assert words in shown
