"""The command `triage doctor`: what is wrong, and what to do about it.

What lives here: its options, their help and what it prints. What does not: the checks (`doctor`).
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from triage_assets.console import as_sentence, console, end, errors_as_sentences
from triage_assets.errors import PackageError, TriageError


def doctor(
    model: Annotated[
        bool, typer.Option("--model", help="Measure each runtime instead: how fast it is, how far its scores move.")
    ] = False,
    viewer: Annotated[
        bool, typer.Option("--viewer", help="Check only what looking takes: no annotator, no model, no writing.")
    ] = False,
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="With --model: a model.zip instead of TRIAGE_MODEL's.")
    ] = None,
) -> None:
    """Check settings, annotator, store, model and what scores, and say what to do about each failure."""
    if path and not model:
        raise typer.BadParameter("a path goes with --model")
    if model and viewer:
        raise typer.BadParameter("--model measures, --viewer checks: one of the two")
    if model:
        with errors_as_sentences():
            _compare_models(path)
        return
    raise typer.Exit(1 if _examine(for_viewer=viewer) else 0)


def _examine(*, for_viewer: bool) -> bool:
    """Print what each check finds, and a cause that several of them have once; whether any failed."""
    from triage_assets.doctor import CHECKS, VIEWER_CHECKS

    causes: dict[str, str] = {}
    failed: set[str] = set()
    for name, check in (VIEWER_CHECKS if for_viewer else CHECKS).items():
        try:
            console.print(f"ok    {name}: {escape(check())}")
        except (TriageError, ModuleNotFoundError) as missing_or_wrong:
            error = as_sentence(missing_or_wrong)
            failed.add(name)
            cause = str((error.found, error.do)) if error.found else str(error)
            said = f"as {causes[cause]}" if cause in causes else escape(str(error))
            console.print(f"[bold red]fails[/] {name}: {said}")
            causes.setdefault(cause, name)
            if name == "settings":
                break
    if failed and not failed & VIEWER_CHECKS.keys():
        console.print("`triage viewer` needs none of what fails: `triage doctor --viewer` checks what it does.")
    return bool(failed)


def _compare_models(path: Path | None) -> None:
    from triage_assets.doctor import compare_model, configured, describe_missing_runtimes

    failed = []
    for package in (path,) if path else configured():
        try:
            for line in compare_model(package):
                typer.echo(line)
        except PackageError as error:
            failed.append(str(error))
    for line in describe_missing_runtimes():
        typer.echo(line)
    end(failed)
