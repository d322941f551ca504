"""The asset `frame_shards`: one organization's frames in append-only tar shards with their index."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from triage_assets.annotator.snapshot import StoredSequences
from triage_assets.defs.metadata import listing, table_of_reasons
from triage_assets.defs.partitions import organizations
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import AnnotatorResource, StoreResource
from triage_assets.errors import TriageError
from triage_assets.progress import report_progress
from triage_assets.store import Store


class FrameShardsConfig(dg.Config):
    """Which frames are fetched besides those that are missing."""

    retry_unusable: bool = Field(
        False, description="Fetch again what was found to be gone or no image; the annotator may have it back."
    )


@dg.asset(
    partitions_def=organizations,
    deps=[raw_sequences],
    kinds={"python", "tar", "parquet"},
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec("index_agrees_with_shards", asset="frame_shards"),
        dg.AssetCheckSpec("every_sequence_is_complete", asset="frame_shards"),
        dg.AssetCheckSpec("small_shards_are_merged", asset="frame_shards"),
    ],
)
def frame_shards(
    context: dg.AssetExecutionContext, config: FrameShardsConfig, annotator: AnnotatorResource, store: StoreResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Every frame of the backlog, stored once; a run that adds none leaves the last materialization standing."""
    from triage_assets.shards.collection import forget_retired
    from triage_assets.shards.packing import pack_frames
    from triage_assets.shards.verify import check_layout

    target, key = store.open(), context.partition_key
    progress = report_progress(context.log.info)
    forget_retired(target, key, now=datetime.now(UTC))  # packing sweeps
    with annotator.connect() as client:
        report = pack_frames(
            target,
            key,
            StoredSequences(target, key),
            lambda wanted: client.download(wanted, progress),
            retry_unusable=config.retry_unusable,
        )
    context.log.info(
        f"{report.n_frames_downloaded} frames downloaded, {report.n_frames_live} held, "
        f"{len(report.incomplete)} sequences incomplete"
    )
    merged = _merge_small(target, key)
    checks = [_check_index(check_layout(target, key)), _check_complete(report.incomplete), merged]
    if not report.changed and report.data_version == _last_data_version(context):
        yield from checks
        return
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            "sequences": report.n_sequences,
            "sequences_packed": report.n_sequences_packed,
            "frames_downloaded": report.n_frames_downloaded,
            "frames_copied": report.n_frames_copied,
            "frames_unusable": report.n_frames_unusable,
            "frames_live": report.n_frames_live,
            "bytes_downloaded": report.bytes_downloaded,
            "shards_written": listing(report.shards_written),
        },
        check_results=checks,
    )


def _merge_small(store: Store, key: str) -> dg.AssetCheckResult:
    """Merge shards that have become many. Whatever stands in the way, the frames are packed, and a later run merges."""
    from triage_assets.shards.compaction import compact_shards

    counts: dict[str, int] = {}
    try:
        report = compact_shards(store, [key], now=datetime.now(UTC))
    except TriageError as error:
        fault = str(error)
    else:
        fault = "; ".join(report.unmerged.values())
        counts = {"shards": report.n_shards, "shards_merged": report.n_retired, "bytes_written": report.bytes_written}
    return dg.AssetCheckResult(
        check_name="small_shards_are_merged",
        passed=not fault,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"small shards are not merged, a later run tries again: {fault}" if fault else None,
        metadata=counts,
    )


def _last_data_version(context: dg.AssetExecutionContext) -> str | None:
    """The data version of this partition's last materialization; a killed run may have packed frames without one."""
    wanted = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=[context.partition_key])
    records = context.instance.fetch_materializations(wanted, limit=1).records
    last = records[0].asset_materialization if records else None
    return (last.tags or {}).get("dagster/data_version") if last else None


def _check_index(fault: str | None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="index_agrees_with_shards",
        passed=fault is None,
        description=fault or "catalog, index and sizes agree",
    )


def _check_complete(incomplete: Mapping[int, str]) -> dg.AssetCheckResult:
    why = f", the first: {next(iter(incomplete.values()))}" if incomplete else ""
    return dg.AssetCheckResult(
        check_name="every_sequence_is_complete",
        passed=not incomplete,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(incomplete)} sequences incomplete and tried again by the next run{why}",
        metadata={"incomplete": table_of_reasons(incomplete)},
    )
