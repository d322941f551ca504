"""The commands `triage shards`: checking every byte of the frame shards, and rebuilding their index.

What lives here: their options, their help and what they print. What does not: the shards (`shards.verify`,
`shards.reindex`).
"""

from typing import Annotated

import typer

from triage_assets.console import console, end, errors_as_sentences, progress_bars
from triage_assets.errors import StoreError

shards_app = typer.Typer(no_args_is_help=True, help="Look after the frame shards.")


@shards_app.command()
def verify() -> None:
    """Read every shard whole and hold every offset, size and sha256 against the index."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings
        from triage_assets.shards.verify import verify_shards
        from triage_assets.store import open_store

        store = open_store(load_settings().triage_store)
        with progress_bars("verifying"):
            report = verify_shards(store)
        if not report.n_organizations:
            raise StoreError(
                "There is nothing to verify",
                found=f"no shards in {store.location}",
                do="Check TRIAGE_STORE, or run `triage pull` first.",
            )
        console.print(
            f"{report.n_shards:,} shards, {report.n_sequences:,} sequences, {report.n_frames:,} frames: "
            f"{len(report.faults)} faults, {len(report.leftovers)} leftovers"
        )
        end([str(fault) for fault in report.faults])


@shards_app.command()
def reindex(
    drop_damaged: Annotated[
        bool, typer.Option(help="Leave damaged shards out of the catalog; no file is deleted.")
    ] = False,
) -> None:
    """Rebuild every index and catalog from the tars alone."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings
        from triage_assets.shards.reindex import reindex_shards
        from triage_assets.store import open_store

        report = reindex_shards(open_store(load_settings().triage_store), drop_damaged=drop_damaged)
        console.print(f"{report.n_shards:,} shards, {report.n_frames:,} frames indexed, {len(report.dropped)} left out")
