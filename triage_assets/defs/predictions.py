"""The asset `predictions`: every model's score of every sequence of the backlog, and nothing but what is missing.

It is one unpartitioned asset so that the bare `dagster asset materialize --select predictions` works; organizations get
their own status through events of the external asset `org_predictions`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
from pydantic import Field

from triage_assets.defs.following import FOLLOWED, look_upstream
from triage_assets.defs.frame_shards import frame_shards
from triage_assets.defs.metadata import table
from triage_assets.defs.partitions import organizations
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import ModelsResource, StoreResource, configured_model_version
from triage_assets.defs.scoring_metadata import count_sequences, describe_report, describe_reports, draw_scores
from triage_assets.progress import Progress, report_progress
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.imported import lay_out_imported
from triage_assets.scoring.predictions import ScoringReport, score_backlog
from triage_assets.scoring.rounds import score_by_each
from triage_assets.settings import load_settings
from triage_assets.store import Store
from triage_assets.stored_backlogs import load_backlogs

org_predictions = dg.AssetSpec(
    "org_predictions",
    deps=["predictions"],
    partitions_def=organizations,
    description="Where scoring stands for each organization; reported by `predictions`.",
)


class PredictionsConfig(dg.Config):
    """How sequences are scored."""

    detector: str = Field("annotator", description="Whose boxes are tracked: `annotator`, or `bundled` (extra `yolo`).")
    runtime: str | None = Field(
        None, description="What runs the network: `torch`, `openvino`, `auto`. Where empty: TRIAGE_RUNTIME, auto."
    )
    device: str | None = Field(
        None, description="Where the network runs: `cpu`, `cuda`, `mps`, `auto`. Where empty: TRIAGE_DEVICE, auto."
    )
    precision: str | None = Field(
        None, description="`float32`, or `bfloat16`, kept apart. Where empty: TRIAGE_PRECISION, float32."
    )
    retry_failed: bool = Field(False, description="Score again what an earlier run could not score.")
    allow_uncalibrated: bool = Field(False, description="Accept a package without a logistic calibrator.")
    allow_unsafe_load: bool = Field(False, description="Accept a checkpoint that can run code while it loads.")


@dg.asset(
    deps=[raw_sequences, frame_shards],
    kinds={"python", "torch", "parquet"},
    code_version=configured_model_version(),
    check_specs=[dg.AssetCheckSpec("every_sequence_scored_or_dropped", asset="predictions")],
)
def predictions(
    context: dg.AssetExecutionContext, config: PredictionsConfig, models: ModelsResource, store: StoreResource
) -> Iterator[dg.MaterializeResult]:
    """Scores with their tubes and boxes, per model; frame shards are read and never written.

    Where some models fail, what the others did is materialized first, and then the run fails.
    """
    followed = look_upstream(context.instance, "predictions")
    target = store.open()
    for name, error in lay_out_imported(target, load_backlogs(target)).items():
        context.log.warning(f"The imported scores of {name} are left as they were: {error}")
    packages = models.packages(target)
    score = _prepare(context, config, target, is_one_of_several=len(packages) > 1)
    teller = _Teller(context)
    each = score_by_each(packages, lambda package: teller.tell(score(package)))
    if each.reports:
        data_version = dg.DataVersion("+".join(report.data_version for report in each.reports))
        yield dg.MaterializeResult(
            data_version=data_version,
            metadata={
                **describe_reports(each.reports, target),
                FOLLOWED: dg.MetadataValue.json(followed),
                "scores": _last_picture(context, data_version) or draw_scores(each.reports),
            },
            check_results=[_check_coverage(each.reports)],
        )
    each.raise_failures()


def _prepare(
    context: dg.AssetExecutionContext, config: PredictionsConfig, target: Store, *, is_one_of_several: bool
) -> Callable[[Path], ScoringReport]:
    """How one package scores the backlog: as the run says, and where it says nothing, as the settings say."""
    settings = load_settings(
        triage_runtime=config.runtime, triage_device=config.device, triage_precision=config.precision
    )

    def score(package: Path) -> ScoringReport:
        progress = report_progress(context.log.info)
        return score_backlog(
            target,
            package,
            load_backlogs(target),
            detector=config.detector,
            choice=settings.runtime_choice,
            cluster=settings.triage_scoring_cluster,
            progress=_naming(read_identity(package).name, progress) if is_one_of_several else progress,
            retry_failed=config.retry_failed,
            allow_uncalibrated=config.allow_uncalibrated,
            allow_unsafe_load=config.allow_unsafe_load,
        )

    return score


def _naming(model: str, progress: Progress) -> Progress:
    """Tell with every report which model it is about."""

    def report(unit: str, done: int, total: int | None, note: str = "") -> None:
        progress(f"{unit} by {model}", done, total, note)

    return report


def _last_picture(context: dg.AssetExecutionContext, data_version: dg.DataVersion) -> dg.MetadataValue | None:
    """The histogram of the last materialization where it shows the same data: drawing costs half of an idle run."""
    event = context.instance.get_latest_materialization_event(context.asset_key)
    last = event.asset_materialization if event else None
    same = last is not None and last.tags is not None and last.tags.get("dagster/data_version") == data_version.value
    return last.metadata.get("scores") if last and same else None


class _Teller:
    """Tells what a model did as soon as it is done, because the next may take a night.

    A line of the log, and one event per organization where anything changed, or that has none yet (events cost 30 ms
    each in SQLite); an organization's last event has all models.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._known = context.instance.get_materialized_partitions(org_predictions.key)
        self._reports: list[ScoringReport] = []

    def tell(self, report: ScoringReport) -> ScoringReport:
        """Tell of one more model."""
        self._context.log.info(describe_report(report))
        self._reports.append(report)
        is_news = any(each.changed for each in self._reports)
        rows = [(each.name, row) for each in self._reports for row in each.organizations]
        for key in dict.fromkeys(row.organization_key for _, row in rows):
            if is_news or key not in self._known:
                mine = table(
                    {"model": name, **count_sequences(row)} for name, row in rows if row.organization_key == key
                )
                event = dg.AssetMaterialization(org_predictions.key, partition=key, metadata={"by_model": mine})
                self._context.log_event(event)
        return report


def _check_coverage(reports: Sequence[ScoringReport]) -> dg.AssetCheckResult:
    missing = sum(
        report.n_backlog - report.n_scored - report.n_reused - sum(report.n_dropped.values()) for report in reports
    )
    return dg.AssetCheckResult(
        check_name="every_sequence_scored_or_dropped",
        passed=missing == 0,
        description=f"{missing} sequences of the backlog are neither scored nor dropped",
    )
