"""The asset `worklists`: the backlog split at the threshold into To Review and Unlabel, as files."""

from collections.abc import Mapping

import dagster as dg
import numpy as np
from pydantic import Field

from triage_assets.defs.automation import follow_upstream
from triage_assets.defs.backlog import ScoresAtHand, load_backlog_table, load_model_scores
from triage_assets.defs.metadata import score_histogram, table
from triage_assets.defs.predictions import predictions
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import ModelsResource, StoreResource
from triage_assets.errors import SettingsError
from triage_assets.settings import load_settings
from triage_assets.worklists.records import FOLDER, INVARIANTS

_WARNINGS = ("backlog_is_of_one_stage", "every_model_has_scores")


class WorklistsConfig(dg.Config):
    """Where the split is made."""

    threshold: float | None = Field(
        None,
        description="A sequence whose score is at or above it goes To Review. Where empty: TRIAGE_THRESHOLD, 0.35.",
    )
    detector: str = Field("annotator", description="Whose boxes the scores were made on, as in `predictions`.")
    precision: str | None = Field(
        None, description="The precision of the scores, as in `predictions`. Where empty: TRIAGE_PRECISION, float32."
    )


@dg.asset(
    deps=[raw_sequences, predictions],
    kinds={"python", "json", "parquet"},
    automation_condition=follow_upstream,
    check_specs=[dg.AssetCheckSpec(name, asset="worklists") for name in (*INVARIANTS, *_WARNINGS)],
)
def worklists(
    context: dg.AssetExecutionContext, config: WorklistsConfig, models: ModelsResource, store: StoreResource
) -> dg.MaterializeResult:
    """To Review for people, Unlabel as a ready-to-send file that nobody sends; only this asset knows the threshold."""
    from triage_assets.worklists.build import build_results
    from triage_assets.worklists.export import check_invariants, describe_caution, listed_models, write_worklists
    from triage_assets.worklists.summary import count_by_organization, count_disagreements

    target = store.open()
    settings = load_settings(triage_precision=config.precision)
    threshold = settings.triage_threshold if config.threshold is None else config.threshold
    backlog, stages = load_backlog_table(target)
    at_hand = load_model_scores(target, models.packages(target), config.detector, settings.triage_precision)
    scores = at_hand.scores
    if not scores and listed_models(target):
        raise SettingsError(
            "No configured model has scored anything, so the worklists are left as they were",
            found="; ".join(at_hand.left_out),
            expected=f"scores of {', '.join(listed_models(target))}, of which they are made, or of another model",
            do="Run `triage run`, or correct TRIAGE_MODEL or TRIAGE_PRECISION.",
        )
    results = build_results(backlog, scores, threshold)
    report = write_worklists(target, results, scores, threshold, stages, at_hand.left_out)
    context.log.info(f"{report.n_review} To Review, {report.n_unlabeled} Unlabel, {report.n_dropped} dropped")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            "threshold": threshold,
            "models": ", ".join(model.name for model in scores) or "none",
            "caution": describe_caution(scores) or "none",
            "split_without": "; ".join(at_hand.left_out) or "none",
            "backlog": report.n_backlog,
            "review": report.n_review,
            "unlabeled": report.n_unlabeled,
            "dropped": report.n_dropped,
            "disagreements": int(results["models_disagree"].sum()),
            "where_models_disagree": table(count_disagreements(results)),
            "scores": score_histogram(
                {"triage score": results["triage_score"].dropna().to_numpy(np.float64)}, threshold=threshold
            ),
            "organizations": table(count_by_organization(results)),
            "files_changed": ", ".join(report.files_changed) or "none",
            "path": f"{target.location}/{FOLDER}",
        },
        check_results=[
            *(
                dg.AssetCheckResult(check_name=promise.name, passed=promise.holds, description=promise.found)
                for promise in check_invariants(target, set(backlog["sequence_id"].to_pylist()))
            ),
            _check_stage(stages),
            _check_models(at_hand),
        ],
    )


def _check_stage(stages: Mapping[str, str]) -> dg.AssetCheckResult:
    found = sorted(set(stages.values()))
    return dg.AssetCheckResult(
        check_name="backlog_is_of_one_stage",
        passed=len(found) <= 1,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"the organizations' backlogs are of the stages {', '.join(found) or 'none'}: "
        "`triage run --stage S` without --organization makes them one",
    )


def _check_models(at_hand: ScoresAtHand) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="every_model_has_scores",
        passed=not at_hand.left_out,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"split without {model}" for model in at_hand.left_out)
        or "every configured model's scores are in the split",
    )
