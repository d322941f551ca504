"""What the command line shows: a progress bar, the summary of a run, and errors as sentences.

What lives here: everything printed to a terminal. What does not: any work, and any decision but the wording.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from triage_assets.progress import show_progress

if TYPE_CHECKING:
    from triage_assets.orchestrate import PullTotals

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress_bars(label: str) -> Iterator[None]:
    """Show a bar for whatever work inside reports its progress."""
    columns = (
        TextColumn("{task.fields[label]}"), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def display(unit: str, done: int, total: int | None, note: str = "") -> None:
            if unit not in tasks:
                tasks[unit] = bars.add_task(unit, label=label, total=total, note=note)
            bars.update(tasks[unit], completed=done, total=total, note=note)

        with show_progress(display):
            yield


def print_pull(totals: "PullTotals", *, is_limited: bool) -> None:
    """What came from the annotator; under a limit, a sequence that is gone may only be beyond it."""
    beyond = " or beyond the limit" if is_limited else ""
    console.print(
        f"Backlog   {totals.sequences:,} sequences of {totals.organizations} organizations: "
        f"{totals.new:,} new, {totals.changed:,} changed, {totals.gone:,} gone{beyond}"
    )
    console.print(f"Frames    {totals.frames_downloaded:,} frames downloaded")


def print_split(scored: Mapping[str, Any], split: Mapping[str, Any]) -> None:
    """What was scored, and the split that it led to."""
    console.print(
        f"Scores    {scored['scored_now']:,} sequences scored, {scored['reused']:,} reused, by {scored['models']}"
    )
    print_worklists(split)


def print_worklists(split: Mapping[str, Any]) -> None:
    """Where the sequences went, and what must be known about the scores that sent them there."""
    if split["caution"] != "none":
        console.print(f"[bold yellow]Caution[/]   {escape(split['caution'])}")
    console.print(
        f"Split     {split['review']:,} To Review, {split['unlabeled']:,} Unlabel, {split['dropped']:,} dropped "
        f"(threshold {split['threshold']:g})"
    )
    console.print(f"Worklists {escape(split['path'])}")
