"""The commands `triage shards`: checking every byte of the frame shards, rebuilding their index, merging small ones.

What lives here: their options, their help and what they print. What does not: the shards (`shards.verify`,
`shards.reindex`, `shards.compaction`, `shards.collection`).
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from triage_assets.console import console, count_of, describe_size, end, errors_as_sentences, progress_bars
from triage_assets.errors import StoreError

shards_app = typer.Typer(no_args_is_help=True, help="Look after the frame shards.")


@shards_app.command()
def verify() -> None:
    """Read every shard whole and hold every offset, size and sha256 against the index."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings
        from triage_assets.shards.verify import verify_shards
        from triage_assets.store import open_known_store

        store = open_known_store(load_settings().triage_store)
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
        from triage_assets.store import open_known_store

        report = reindex_shards(open_known_store(load_settings().triage_store), drop_damaged=drop_damaged)
        console.print(f"{report.n_shards:,} shards, {report.n_frames:,} frames indexed, {len(report.dropped)} left out")


@shards_app.command()
def compact(
    at_most: Annotated[
        int | None,
        typer.Option(min=1, help="Small shards that an organization may keep; else 10, which is what costs least."),
    ] = None,
) -> None:
    """Merge small shards where there are many, byte for byte; those that were merged stay for a week."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings
        from triage_assets.shards.collection import GRACE
        from triage_assets.shards.compaction import compact_shards
        from triage_assets.shards.merge_policy import MOST_SMALL
        from triage_assets.store import open_known_store

        store = open_known_store(load_settings().triage_store)
        with progress_bars("merging"):
            report = compact_shards(store, now=datetime.now(UTC), most_small=at_most or MOST_SMALL)
        if report.n_retired:
            console.print(
                f"{count_of(report.n_retired, 'shard')} merged into {report.n_written:,} "
                f"({describe_size(report.bytes_written)}); they stay for {GRACE.days} days, until `triage shards gc`"
            )
        else:
            console.print("Nothing to merge.")
        console.print(f"{count_of(report.n_shards, 'shard')} of {count_of(report.n_organizations, 'organization')}")
        end([f"{name} is left as it is: {fault}" for name, fault in report.unmerged.items()])


@shards_app.command()
def gc(
    days: Annotated[
        int | None, typer.Option(min=0, help="How long merged shards stay; else 7. With 0, those who read fail.")
    ] = None,
) -> None:
    """Remove shards that were merged into others, once nobody can be reading them, and what killed runs left."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings
        from triage_assets.shards.collection import GRACE, collect_retired
        from triage_assets.store import open_known_store

        store = open_known_store(load_settings().triage_store)
        grace = GRACE if days is None else timedelta(days=days)
        report = collect_retired(store, now=datetime.now(UTC), grace=grace)
        freed = sum(shard.tar_bytes for shard in report.collected)
        console.print(
            f"{count_of(len(report.collected), 'merged shard')} given up ({describe_size(freed)}), "
            f"{count_of(len(report.removed), 'file')} removed"
        )
        if report.kept:
            until = min(shard.retired_at for shard in report.kept) + grace
            size = describe_size(sum(shard.tar_bytes for shard in report.kept))
            kept = count_of(len(report.kept), "merged shard")
            console.print(f"{kept} kept ({size}), the first until {until.astimezone():%Y-%m-%d %H:%M}")
        end([f"{key} is left as it is: {fault}" for key, fault in report.faults.items()])
