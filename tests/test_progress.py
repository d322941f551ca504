"""Progress: lines now and then, or the display that is being shown."""

from triage_assets.progress import no_progress, report_progress, show_progress


def test_a_line_says_how_far_and_how_long() -> None:
    lines: list[str] = []
    report = report_progress(lines.append, every_seconds=0)
    report("frames", 1200, 4800)
    report("frames", 1300, None)
    assert lines[0].startswith("1,200 of 4,800 frames, ")
    assert "s left" in lines[0]
    assert lines[1].startswith("1,300 frames, ")


def test_lines_are_few() -> None:
    lines: list[str] = []
    report = report_progress(lines.append, every_seconds=3600)
    for done in range(1000):
        report("frames", done, 1000)
    assert lines == []


def test_a_display_gets_every_report_instead() -> None:
    lines: list[str] = []
    seen: list[tuple[str, int, int | None]] = []
    with show_progress(lambda unit, done, total: seen.append((unit, done, total))):
        report_progress(lines.append, every_seconds=0)("frames", 1, 2)
    assert (seen, lines) == ([("frames", 1, 2)], [])
    no_progress("frames", 1, 2)
