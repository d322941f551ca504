"""The commands `triage publish` and `triage fetch`: copying this store elsewhere, and another one here.

What lives here: their options, their help and what they print. What does not: the copy (`sharing`).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage_assets.console import console, count_of, describe_size, end, errors_as_sentences, progress_bars

if TYPE_CHECKING:
    from triage_assets.sharing.records import CopyReport

Organizations = Annotated[
    list[str] | None,
    typer.Option("--organization", help="Frames of this organization alone, by name or key; may be given repeatedly."),
]
Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Only shards with a frame that was recorded on this day (UTC) or later."),
]


def publish(
    destination: Annotated[str, typer.Argument(metavar="DEST", help="A folder, or s3://bucket/prefix.")],
    organization: Organizations = None,
    since: Since = None,
) -> None:
    """Copy what DEST lacks of this store; nothing is deleted there. Review database, credentials and logs stay here."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings

        _copy(load_settings().triage_store, destination, organization, since, "publishing")


def fetch(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A folder, or s3://bucket/prefix; it is only read.")],
    organization: Organizations = None,
    since: Since = None,
) -> None:
    """Copy what this store lacks of SRC; `triage viewer` then shows it without SRC, annotator or model."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings

        _copy(source, load_settings().triage_store, organization, since, "fetching")


def _copy(source: str, destination: str, organizations: list[str] | None, since: datetime | None, label: str) -> None:
    from triage_assets.sharing.copying import copy_store
    from triage_assets.sharing.records import CopyScope
    from triage_assets.store import open_store

    scope = CopyScope(tuple(organizations or ()), None if since is None else since.replace(tzinfo=UTC))
    with progress_bars(label):
        report = copy_store(open_store(source), open_store(destination), scope)
    _print(report, destination)
    end([str(fault) for fault in report.faults])


def _print(report: "CopyReport", destination: str) -> None:
    if not (report.has_news or report.faults):
        of_what = "it" if not report.n_shards_left_out else "what was asked for"
        console.print(f"Nothing was left to copy: {destination} has all of {of_what}.")
    left_out = f", {report.n_shards_left_out:,} left out as asked" if report.n_shards_left_out else ""
    retired = f", {report.n_shards_retired:,} replaced by them" if report.n_shards_retired else ""
    console.print(
        f"Frames    {count_of(report.n_shards_copied, 'shard')} with {report.n_frames_copied:,} frames copied, "
        f"{report.n_shards_held:,} held already{retired}{left_out}"
    )
    console.print(f"Scores    {count_of(report.n_parts_copied, 'part')} copied, {report.n_parts_held:,} held already")
    console.print(
        f"Tables    {len(report.tables_copied):,} copied, {report.n_tables_held:,} held already "
        f"({describe_size(report.bytes_copied)} in all)"
    )
    # Whole, because a mistyped address is a folder somewhere.
    console.print(f"Into      {destination if '://' in destination else Path(destination).absolute()}", markup=False)
