"""What the command line shows: a progress bar, the summary of a run, and errors as sentences.

What lives here: everything printed to a terminal. What does not: any work, and any decision but the wording.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from triage_assets.progress import show_progress

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(slots=True)
class RunTotals:
    """What a run over several organizations did, added up as the organizations finish."""

    organizations: int = 0
    sequences: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    frames_downloaded: int = 0
    troubles: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, metadata: Mapping[str, Mapping[str, Any]]) -> None:
        """Count one organization's materializations; an asset that had nothing to do is absent."""
        pulled, packed = metadata.get("raw_sequences", {}), metadata.get("frame_shards", {})
        self.organizations += 1
        self.sequences += pulled.get("sequences", 0)
        self.new += pulled.get("new", 0)
        self.changed += pulled.get("changed", 0)
        self.gone += pulled.get("gone", 0)
        self.frames_downloaded += packed.get("frames_downloaded", 0)


@contextmanager
def progress_bars(label: str) -> Iterator[None]:
    """Show a bar for whatever work inside reports its progress."""
    columns = (
        TextColumn("{task.fields[label]}"), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def display(unit: str, done: int, total: int | None) -> None:
            if unit not in tasks:
                tasks[unit] = bars.add_task(unit, label=label, total=total)
            bars.update(tasks[unit], completed=done, total=total)

        with show_progress(display):
            yield


def print_pull(totals: RunTotals) -> None:
    """One line on what came from the annotator."""
    console.print(
        f"Backlog   {totals.sequences:,} sequences of {totals.organizations} organizations: "
        f"{totals.new:,} new, {totals.changed:,} changed, {totals.gone:,} gone"
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
        console.print(f"[bold yellow]Caution[/]   {split['caution']}")
    console.print(
        f"Split     {split['review']:,} To Review, {split['unlabeled']:,} Unlabel, {split['dropped']:,} dropped "
        f"(threshold {split['threshold']:g})"
    )
    console.print(f"Worklists {split['path']}")
