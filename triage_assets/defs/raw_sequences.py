"""The asset `raw_sequences`: the current backlog of one organization, as the annotator serves it."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from triage_assets.annotator.snapshot import snapshot_path
from triage_assets.defs.metadata import table, table_of_reasons
from triage_assets.defs.partitions import organizations
from triage_assets.defs.resources import AnnotatorResource, StoreResource
from triage_assets.progress import report_progress

if TYPE_CHECKING:
    from triage_assets.annotator.pull import PullReport


class RawSequencesConfig(dg.Config):
    """Which part of the annotator's queue is the backlog."""

    stage: str = Field("ready_to_annotate", description="Processing stage that makes up the backlog.")
    limit: int | None = Field(None, ge=1, description="At most so many sequences per organization; all where empty.")
    since: str | None = Field(None, description="Only sequences recorded at or after this ISO time, e.g. 2026-06-01.")


@dg.asset(
    partitions_def=organizations,
    kinds={"python", "parquet"},
    check_specs=[dg.AssetCheckSpec("listing_is_complete", asset="raw_sequences")],
)
def raw_sequences(
    context: dg.AssetExecutionContext, config: RawSequencesConfig, annotator: AnnotatorResource, store: StoreResource
) -> dg.MaterializeResult:
    """Sequences waiting for annotation, with their detections; one Parquet snapshot per organization."""
    from triage_assets.annotator.pull import pull_sequences

    target = store.open()
    with annotator.connect() as client:
        known = client.list_organizations()
        target.stamp(annotator.settings().annotator_api_url or "")
        report = pull_sequences(
            client,
            target,
            context.partition_key,
            known,
            stage=config.stage,
            limit=config.limit,
            since=config.since,
            progress=report_progress(context.log.info),
        )
    context.log.info(
        f"{report.n_listed} sequences: {report.n_new} new, {report.n_changed} changed, {report.n_gone} gone"
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            "organization": report.display_name,
            "sequences": report.n_sequences,
            "detections": report.n_detections,
            "new": report.n_new,
            "changed": report.n_changed,
            "unchanged": report.n_unchanged,
            "gone": report.n_gone,
            "incomplete": table_of_reasons(report.incomplete),
            "altered_values": table({"reason": why, "values": count} for why, count in report.altered.items()),
            "rejected_detections": table(
                {"reason": why, "detections": count} for why, count in report.rejected_detections.items()
            ),
            "rejected_rows": table({"reason": why, "rows": count} for why, count in report.rejected.items()),
            "path": snapshot_path(context.partition_key),
        },
        check_results=[_check_listing(report)],
    )


def _check_listing(report: "PullReport") -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="listing_is_complete",
        passed=report.shortfall == 0
        and not report.incomplete
        and not (report.n_rejected_rows or report.n_rejected_detections),
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"{report.shortfall} sequences short of the annotator's own total, {report.n_rejected_rows} rows "
            f"and {report.n_rejected_detections} detections rejected, "
            f"{len(report.incomplete)} sequences without their detections and tried again by the next run"
        ),
    )
