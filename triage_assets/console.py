"""What the command line shows: a progress bar, the summary of a run, tables, and errors as sentences.

What lives here: everything printed to a terminal. What does not: any work, and any decision but the wording.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from triage_assets.errors import SettingsError, TriageError
from triage_assets.progress import (
    Pace,
    describe_duration,
    describe_pace,
    describe_rate,
    floor_percent,
    log_lines,
    show_progress,
)
from triage_assets.progress import Progress as Report

if TYPE_CHECKING:
    from triage_assets.orchestrate import ModelRun, PullTotals
    from triage_assets.scoring.files.stored_models import StoredModel

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """End the command with the error's message instead of a traceback."""
    try:
        yield
    except (TriageError, ModuleNotFoundError) as error:
        errors.print(f"[bold red]Error[/] {escape(str(as_sentence(error)))}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("Stopped. What was finished is kept; run again to go on.")
        raise typer.Exit(130) from None


def as_sentence(error: TriageError | ModuleNotFoundError) -> TriageError:
    """The error as it is said; of a library that is not installed, where it comes from. Raises what nobody expects."""
    if isinstance(error, TriageError):
        return error
    if error.name is None or error.name.partition(".")[0] == "triage_assets":
        raise error
    return SettingsError(
        "This needs more than is installed here", found=f"no module {error.name}", do="Install triage-assets[pipeline]."
    )


def warn(warnings: Iterable[str]) -> None:
    """Say what should be known, at once."""
    for warning in warnings:
        errors.print(f"[bold yellow]Warning[/] {escape(warning)}")


def end(troubles: Sequence[str], warnings: Sequence[str] = ()) -> None:
    """Say what did not work, and let the exit code say it too; a warning alone is a success."""
    warn(warnings)
    for trouble in troubles:
        errors.print(f"[bold red]Error[/] {escape(trouble)}")
    if troubles:
        raise typer.Exit(1)


@contextmanager
def progress_bars(label: str) -> Iterator[None]:
    """Show how far whatever work inside is: a bar on a terminal, elsewhere a line now and then if it takes long."""
    if errors.is_terminal:
        with _bars(label) as display, show_progress(display):
            yield
    else:
        lines = log_lines(lambda line: errors.print(f"{escape(label)}: {escape(line)}"), announce=False)
        with show_progress(lines):
            yield


@contextmanager
def _bars(label: str) -> Iterator[Report]:
    columns = (
        TextColumn("{task.fields[label]}", markup=False), TextColumn("{task.description}", markup=False), BarColumn(),
        MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True) as bars:
        tasks: dict[str, Any] = {}
        paces: dict[str, Pace] = {}

        def display(unit: str, done: int, total: int | None, note: str = "") -> None:
            now = time.monotonic()
            if unit not in tasks:
                tasks[unit] = bars.add_task(unit, label=label, total=total, note="", pace="")
                paces[unit] = Pace()
            paces[unit].add(done, now)
            pace = describe_pace(paces[unit].per_second(now), None if total is None else total - done)
            bars.update(tasks[unit], completed=done, total=total, note=note, pace=pace)

        yield display


def print_pull(totals: "PullTotals", *, is_limited: bool) -> None:
    """What came from the annotator; under a limit, a sequence that is gone may only be beyond it."""
    beyond = " or beyond the limit" if is_limited else ""
    console.print(
        f"Backlog   {totals.sequences:,} sequences of {totals.organizations} organizations: "
        f"{totals.new:,} new, {totals.changed:,} changed, {totals.gone:,} gone{beyond}"
    )
    console.print(f"Frames    {totals.frames_downloaded:,} frames downloaded")


def print_scores(runs: Sequence["ModelRun"]) -> None:
    """What each model scored."""
    for number, run in enumerate(runs):
        console.print(f"{'Scores' if not number else '':<9} {describe_run(run)}", markup=False)


def describe_run(run: "ModelRun") -> str:
    """``60 sequences scored in 12 s (5.0 a second; embed 83%, decode 9%), 0 reused, by 1.0-1dfbb94b``."""
    cost = ""
    if run.scored and run.seconds:
        details = "; ".join(filter(None, [describe_rate(run.scored / run.seconds), run.stage_shares]))
        cost = f" in {describe_duration(run.seconds)} ({details})"
    return f"{run.scored:,} sequences scored{cost}, {run.reused:,} reused, by {run.model}"


def print_groups(groups: Mapping[str, Any]) -> None:
    """How much of the work recurs."""
    console.print(
        f"Groups    {groups['groups_of_two_or_more']:,} things seen twice or more often: one decision each saves "
        f"{groups['clicks_saved_percent']:g}% of the clicks"
    )


def print_worklists(split: Mapping[str, Any]) -> None:
    """Where the sequences went, and what must be known about the scores that sent them there."""
    if split["caution"] != "none":
        console.print(f"[bold yellow]Caution[/]   {escape(split['caution'])}")
    disagreed = f" ({split['disagreements']:,} where models disagree, first)" if split["disagreements"] else ""
    labeled = f"{split['labeled']:,} labelled here, " if split["labeled"] else ""
    console.print(
        f"Split     {split['review']:,} To Review{disagreed}, {split['unlabeled']:,} Unlabel, "
        f"{labeled}{split['dropped']:,} dropped (threshold {split['threshold']:g})"
    )
    console.print(f"Worklists {escape(split['path'])}")


def print_models(models: Sequence["StoredModel"], configured: Sequence[str]) -> None:
    """A table of the models with predictions in a store; what is wrong with one is said below it."""
    rows = [_model_row(model, is_configured=model.name in configured) for model in models]
    # Only where a model differs in it: nearly all score the annotator's boxes in float32.
    shown = [name for name in _MODEL_COLUMNS if name != "on" or any(row["on"] for row in rows)]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in shown}
    for row in (dict(zip(shown, shown, strict=True)), *rows):
        cells = (row[name].rjust(widths[name]) if name in _RIGHT else row[name].ljust(widths[name]) for name in shown)
        console.print("  ".join(cells).rstrip(), markup=False)
    warn(f"{model.name}: {fault}" for model in models for fault in model.faults)


_MODEL_COLUMNS = ("version", "hash", "on", "configured", "scored", "dropped", "coverage", "parts", "size", "changed")
_RIGHT = ("scored", "dropped", "coverage", "parts", "size")


def _model_row(model: "StoredModel", *, is_configured: bool) -> dict[str, str]:
    changed = "" if model.changed_at is None else f"{model.changed_at.astimezone():%Y-%m-%d %H:%M}"
    return {
        "version": model.version,
        "hash": model.sha256[:8],
        "on": " ".join(model.variants),
        "configured": "yes" if is_configured else "no",
        "scored": "?" if model.n_scored is None else f"{model.n_scored:,}",
        "dropped": "?" if model.n_dropped is None else f"{model.n_dropped:,}",
        "coverage": _describe_coverage(model),
        "parts": f"{model.n_parts:,}",
        "size": describe_size(model.size_bytes),
        "changed": changed,
    }


def _describe_coverage(model: "StoredModel") -> str:
    if model.n_scored is None:
        return "?"
    percent = floor_percent(model.n_scored, model.n_backlog)
    return "-" if percent is None else f"{percent:g}%"


def count_of(number: int, noun: str) -> str:
    """``1 part``, ``1,200 parts``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def describe_size(size_bytes: int) -> str:
    """``812 B``, ``3.4 kB``, ``120 MB``."""
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}" if unit != "B" and size < 9.95 else f"{size:.0f} {unit}"
