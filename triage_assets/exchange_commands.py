"""The commands `triage import` and `triage export`: folders of loose files in, and out.

What lives here: their options, their help and what they print. What does not: the work (the package `exchange`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from triage_assets.console import console, count_of, end, errors_as_sentences, progress_bars
from triage_assets.errors import SettingsError

if TYPE_CHECKING:
    from triage_assets.exchange.exporting import ExportReport
    from triage_assets.exchange.selection import Selection
    from triage_assets.store import Store

export_app = typer.Typer(no_args_is_help=True, help="Write the store out as files for others; nothing is overwritten.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A file that does not exist yet.")]
Organizations = Annotated[
    list[str] | None, typer.Option("--organization", help="Only this one, by name or key; may be given several times.")
]
Bucket = Annotated[
    str | None, typer.Option(help="Only what the worklists have there: review, unlabeled, labeled or dropped.")
]

# So many reasons are read; all of them are in the output of --json.
_MOST_SHOWN = 20


def import_folder(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds data/01_raw/sequences, or 02_shards/frames.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything that was left out.")] = False,
) -> None:
    """Take a folder of loose frames, or of the older tar archives, into the store, with its scores.

    Frames are stored byte for byte, scores as those of a model of their own. Sequences are imported whole or left out,
    each with the reason, and then the exit code is 1. What the store has stays as it is; no annotator is asked.
    """
    with errors_as_sentences():
        from triage_assets.exchange import importing

        with progress_bars("importing"):
            report = importing.import_folder(_open_store(), folder)
        if as_json:
            typer.echo(json.dumps(asdict(report) | {"changed": report.changed}, ensure_ascii=False))
            raise typer.Exit(1 if report.left_out else 0)
        console.print(
            f"Sequences {report.n_imported:,} imported, {report.n_added:,} of them new to the backlog, "
            f"{report.n_frames:,} frames, {report.n_frames_new:,} of them new"
        )
        for model in report.scores:
            console.print(
                f"Scores    {model.n_scores:,} of {model.version}, {model.n_added:,} of them new", markup=False
            )
        if report.n_without_boxes:
            console.print(
                f"Boxes     {count_of(report.n_without_boxes, 'sequence')} came without: they are shown, and neither "
                "grouped nor scored on the annotator's boxes"
            )
        if report.changed:
            console.print("Next      `triage worklists`, then `triage viewer`; with a model, `triage run --no-pull`")
        else:
            console.print("Nothing is new: the store is as it was.")
        end(_describe_left_out(report.left_out, "--json names them all"))


@export_app.command("eval-viewer")
def eval_viewer(folder: Folder, organization: Organizations = None, bucket: Bucket = None) -> None:
    """Write frames, worklists and details as the existing viewer reads them; killed, the same command goes on."""
    with errors_as_sentences():
        from triage_assets.exchange.exporting import export_eval_viewer

        with progress_bars("exporting"):
            report = export_eval_viewer(_open_store(), folder, _select(organization, bucket))
        _print_export(folder, report)


@export_app.command()
def frames(folder: Folder, organization: Organizations = None, bucket: Bucket = None) -> None:
    """Write the backlog's frames as DIR/<organization>/<camera>/seq_<id>; killed, the same command goes on."""
    with errors_as_sentences():
        from triage_assets.exchange.exporting import export_frames

        with progress_bars("exporting"):
            report = export_frames(_open_store(), folder, _select(organization, bucket))
        _print_export(folder, report)


@export_app.command()
def parquet(file: File, organization: Organizations = None, bucket: Bucket = None) -> None:
    """Write the split as one Parquet file: a row per sequence, with all scores."""
    _export_table(file, "parquet", organization, bucket)


@export_app.command()
def csv(file: File, organization: Organizations = None, bucket: Bucket = None) -> None:
    """Write the split as one CSV file that is safe to open in a spreadsheet: a row per sequence."""
    _export_table(file, "csv", organization, bucket)


def _export_table(
    file: Path, form: Literal["parquet", "csv"], organization: list[str] | None, bucket: str | None
) -> None:
    with errors_as_sentences():
        from triage_assets.exchange.tables import export_table

        n_rows = export_table(_open_store(), file, form, _select(organization, bucket))
        console.print(f"{count_of(n_rows, 'row')} in {file}", markup=False)


def _open_store() -> "Store":
    from triage_assets.settings import load_settings
    from triage_assets.store import open_known_store

    return open_known_store(load_settings().triage_store)


def _select(organizations: list[str] | None, bucket: str | None) -> "Selection":
    from triage_assets.exchange.selection import BUCKETS, Selection

    if bucket is not None and bucket not in BUCKETS:
        raise SettingsError("There is no such bucket", found=repr(bucket), expected=" or ".join(BUCKETS))
    return Selection(tuple(organizations or ()), bucket)


def _print_export(folder: Path, report: "ExportReport") -> None:
    details = f", {report.n_details:,} with details" if report.n_details else ""
    console.print(
        f"{count_of(report.n_sequences, 'sequence')}{details}, {count_of(report.n_frames, 'frame')} in {folder}",
        markup=False,
    )
    if report.n_without_frames:
        some = count_of(report.n_without_frames, "sequence")
        console.print(f"{some} of them without some or all frames, which no shard holds: `triage pull` fetches them")
    end(_describe_left_out(report.left_out, "`triage shards verify` tells more"))


def _describe_left_out(left_out: Mapping[str, str], rest: str) -> list[str]:
    lines = [f"{where} is left out: {why}" for where, why in sorted(left_out.items())[:_MOST_SHOWN]]
    more = len(left_out) - len(lines)
    return lines + ([f"{more:,} more are left out: {rest}"] if more > 0 else [])
