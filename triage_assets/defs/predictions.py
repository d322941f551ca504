"""The asset `predictions`: every model's score of every sequence of the backlog, and nothing but what is missing.

It is one unpartitioned asset so that the bare `dagster asset materialize --select predictions` works; organizations get
their own status through events of the external asset `org_predictions`.
"""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from triage_assets.defs.automation import follow_upstream
from triage_assets.defs.backlog import load_backlogs
from triage_assets.defs.frame_shards import frame_shards
from triage_assets.defs.metadata import score_histogram, table
from triage_assets.defs.partitions import organizations
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import ModelsResource, StoreResource, configured_model_version
from triage_assets.progress import report_progress
from triage_assets.scoring.predictions import OrganizationScoring, ScoringReport, score_backlog

org_predictions = dg.AssetSpec(
    "org_predictions",
    deps=["predictions"],
    partitions_def=organizations,
    description="Where scoring stands for each organization; reported by `predictions`.",
)


class PredictionsConfig(dg.Config):
    """How sequences are scored."""

    detector: str = Field("annotator", description="Whose boxes are tracked: `annotator`, or `bundled` (extra `yolo`).")
    device: str = Field("cpu", description="Where the network runs, by torch's name: `cpu`, `cuda`, `mps`.")
    retry_failed: bool = Field(False, description="Score again what an earlier run could not score.")
    allow_uncalibrated: bool = Field(False, description="Accept a package without a logistic calibrator.")
    allow_unsafe_load: bool = Field(False, description="Accept a checkpoint that can run code while it loads.")


@dg.asset(
    deps=[raw_sequences, frame_shards],
    kinds={"python", "torch", "parquet"},
    code_version=configured_model_version(),
    automation_condition=follow_upstream,
    check_specs=[dg.AssetCheckSpec("every_sequence_scored_or_dropped", asset="predictions")],
)
def predictions(
    context: dg.AssetExecutionContext, config: PredictionsConfig, models: ModelsResource, store: StoreResource
) -> dg.MaterializeResult:
    """Scores with their tubes and boxes, per model; frame shards are read and never written."""
    target = store.open()
    reports = [
        score_backlog(
            target,
            package,
            load_backlogs(target),
            progress=report_progress(context.log.info),
            **config.model_dump(),
        )
        for package in models.packages(target)
    ]
    for report in reports:
        context.log.info(f"{report.name}: {report.n_scored} sequences scored, {report.n_reused} reused")
        _report_organizations(context, report)
    data_version = dg.DataVersion("+".join(report.data_version for report in reports))
    return dg.MaterializeResult(
        data_version=data_version,
        metadata={
            **_describe(reports, target.location),
            "scores": _last_picture(context, data_version) or _draw_scores(reports[0]),
        },
        check_results=[_check_coverage(reports)],
    )


def _draw_scores(report: ScoringReport) -> dg.MarkdownMetadataValue:
    return score_histogram(report.current["triage_score"].drop_null().to_numpy())


def _last_picture(context: dg.AssetExecutionContext, data_version: dg.DataVersion) -> dg.MetadataValue | None:
    """The histogram of the last materialization where it shows the same data: drawing costs half of an idle run."""
    event = context.instance.get_latest_materialization_event(context.asset_key)
    last = event.asset_materialization if event else None
    same = last is not None and last.tags is not None and last.tags.get("dagster/data_version") == data_version.value
    return last.metadata.get("scores") if last and same else None


def _report_organizations(context: dg.AssetExecutionContext, report: ScoringReport) -> None:
    """One event per organization where anything changed, or that has none yet: events cost 30 ms each in SQLite."""
    known = context.instance.get_materialized_partitions(org_predictions.key)
    for row in report.organizations:
        if report.changed or row.organization_key not in known:
            context.log_event(
                dg.AssetMaterialization(
                    org_predictions.key,
                    partition=row.organization_key,
                    metadata={"model": report.name, **_counts(row)},
                )
            )


def _describe(reports: Sequence[ScoringReport], location: str) -> dict[str, dg.MetadataValue | str | int]:
    """The metadata of a run; what concerns one model is that of the first."""
    first = reports[0]
    return {
        "models": ", ".join(report.name for report in reports),
        "caution": "; ".join(filter(None, (report.identity.caution for report in reports))) or "none",
        "backlog": first.n_backlog,
        "scored_now": sum(report.n_scored for report in reports),
        "reused": sum(report.n_reused for report in reports),
        "dropped": sum(first.n_dropped.values()),
        "dropped_by_reason": table({"reason": why, "sequences": n} for why, n in first.n_dropped.items()),
        "organizations": table({"organization": row.organization_key, **_counts(row)} for row in first.organizations),
        "detector": first.detector,
        "path": ", ".join(f"{location}/predictions/model={report.name}" for report in reports),
    }


def _counts(row: OrganizationScoring) -> dict[str, int]:
    return {
        "backlog": row.n_backlog,
        "scored_now": row.n_scored,
        "reused": row.n_reused,
        "dropped": sum(row.n_dropped.values()),
    }


def _check_coverage(reports: Sequence[ScoringReport]) -> dg.AssetCheckResult:
    missing = sum(
        report.n_backlog - report.n_scored - report.n_reused - sum(report.n_dropped.values()) for report in reports
    )
    return dg.AssetCheckResult(
        check_name="every_sequence_scored_or_dropped",
        passed=missing == 0,
        description=f"{missing} sequences of the backlog are neither scored nor dropped",
    )
