"""The asset `worklists`: the backlog split at the threshold into To Review and Unlabel, as files."""

import dagster as dg
import numpy as np
from pydantic import Field

from triage_assets.defs.automation import follow_upstream
from triage_assets.defs.backlog import load_backlog_table, load_model_scores
from triage_assets.defs.metadata import score_histogram, table
from triage_assets.defs.predictions import predictions
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import ModelsResource, StoreResource
from triage_assets.worklists.records import DEFAULT_THRESHOLD, FOLDER, INVARIANTS


class WorklistsConfig(dg.Config):
    """Where the split is made."""

    threshold: float = Field(
        DEFAULT_THRESHOLD, description="A sequence whose score is at or above it goes To Review; from 0 to 1."
    )
    detector: str = Field("annotator", description="Whose boxes the scores were made on, as in `predictions`.")


@dg.asset(
    deps=[raw_sequences, predictions],
    kinds={"python", "json", "parquet"},
    automation_condition=follow_upstream,
    check_specs=[dg.AssetCheckSpec(name, asset="worklists") for name in INVARIANTS],
)
def worklists(
    context: dg.AssetExecutionContext, config: WorklistsConfig, models: ModelsResource, store: StoreResource
) -> dg.MaterializeResult:
    """To Review for people, Unlabel as a ready-to-send file that nobody sends; only this asset knows the threshold."""
    from triage_assets.worklists.build import build_results
    from triage_assets.worklists.export import check_invariants, write_worklists
    from triage_assets.worklists.summary import count_by_organization

    target = store.open()
    backlog = load_backlog_table(target)
    scores = load_model_scores(target, models.packages(target), config.detector)
    results = build_results(backlog, scores, config.threshold)
    report = write_worklists(target, results, scores, config.threshold)
    context.log.info(f"{report.n_review} To Review, {report.n_unlabeled} Unlabel, {report.n_dropped} dropped")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            "threshold": config.threshold,
            "caution": "; ".join(filter(None, (model.provenance["caution"] for model in scores))) or "none",
            "backlog": report.n_backlog,
            "review": report.n_review,
            "unlabeled": report.n_unlabeled,
            "dropped": report.n_dropped,
            "scores": score_histogram(
                results["triage_score"].dropna().to_numpy(np.float64), threshold=config.threshold
            ),
            "organizations": table(count_by_organization(results)),
            "files_changed": ", ".join(report.files_changed) or "none",
            "path": f"{target.location}/{FOLDER}",
        },
        check_results=[
            dg.AssetCheckResult(check_name=promise.name, passed=promise.holds, description=promise.found)
            for promise in check_invariants(target, set(backlog["sequence_id"].to_pylist()))
        ],
    )
