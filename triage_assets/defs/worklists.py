"""The asset `worklists`: the backlog split at the threshold into To Review and Unlabel, as files."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
from pydantic import Field

from triage_assets.defs.automation import follow_upstream
from triage_assets.defs.backlog import ScoresAtHand, load_backlog_table, load_model_scores, load_review_tables
from triage_assets.defs.metadata import score_histogram, table
from triage_assets.defs.predictions import predictions
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import ModelsResource, ReviewResource, StoreResource
from triage_assets.defs.sequence_groups import sequence_groups
from triage_assets.errors import SettingsError, TriageError
from triage_assets.settings import load_settings
from triage_assets.worklists.records import FOLDER, INVARIANTS, NOT_GROUPED, REVIEW

if TYPE_CHECKING:
    import pandas as pd

_WARNINGS = (
    "backlog_is_of_one_stage",
    "every_model_has_scores",
    "groups_are_at_hand",
    "scores_reach_the_groups_page",
)
_CONFLICTS_SHOWN = 20


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
    deps=[raw_sequences, sequence_groups, predictions],
    kinds={"python", "json", "parquet"},
    automation_condition=follow_upstream,
    check_specs=[dg.AssetCheckSpec(name, asset="worklists") for name in (*INVARIANTS, *_WARNINGS)],
)
def worklists(
    context: dg.AssetExecutionContext,
    config: WorklistsConfig,
    models: ModelsResource,
    review: ReviewResource,
    store: StoreResource,
) -> dg.MaterializeResult:
    """To Review for people, Unlabel as a ready-to-send file that nobody sends; only this asset knows the threshold."""
    from triage_assets.worklists.build import build_results
    from triage_assets.worklists.export import describe_caution, listed_models, write_worklists
    from triage_assets.worklists.group_entries import list_conflicts, summarize_groups
    from triage_assets.worklists.invariants import check_invariants
    from triage_assets.worklists.summary import count_by_organization, count_disagreements

    target = store.open()
    settings = load_settings(triage_precision=config.precision)
    threshold = settings.triage_threshold if config.threshold is None else config.threshold
    backlog, stages = load_backlog_table(target)
    reviewed = load_review_tables(target)
    tables = reviewed or NOT_GROUPED
    at_hand = load_model_scores(target, models.packages(target), config.detector, settings.triage_precision)
    scores = at_hand.scores
    if not scores and listed_models(target):
        raise SettingsError(
            "No configured model has scored anything, so the worklists are left as they were",
            found="; ".join(at_hand.left_out),
            expected=f"scores of {', '.join(listed_models(target))}, of which they are made, or of another model",
            do="Run `triage run`, or correct TRIAGE_MODEL or TRIAGE_PRECISION.",
        )
    results = build_results(backlog, scores, threshold, tables)
    report = write_worklists(target, results, scores, threshold, tables, stages, at_hand.left_out)
    groups = summarize_groups(results, tables.groups, threshold)
    context.log.info(
        f"{report.n_review} To Review in {report.n_entries} entries, {report.n_unlabeled} Unlabel, "
        f"{report.n_labeled} labelled here, {report.n_dropped} dropped"
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            "threshold": threshold,
            "models": ", ".join(model.name for model in scores) or "none",
            "caution": describe_caution(scores) or "none",
            "split_without": "; ".join(at_hand.left_out) or "none",
            "backlog": report.n_backlog,
            "review": report.n_review,
            "review_entries": report.n_entries,
            "unlabeled": report.n_unlabeled,
            "labeled": report.n_labeled,
            "dropped": report.n_dropped,
            "disagreements": int((results["models_disagree"] & (results["triage_bucket"] == REVIEW)).sum()),
            "where_models_disagree": table(count_disagreements(results)),
            "conflicted_groups": int(groups["is_conflicted"].sum()),
            "where_scores_are_far_apart": table(list_conflicts(results, groups, most=_CONFLICTS_SHOWN)),
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
                for promise in check_invariants(target, set(backlog["sequence_id"].to_pylist()), tables.decided_ids())
            ),
            _check_stage(stages),
            _check_models(at_hand),
            _check_groups(is_there=reviewed is not None),
            _record_scores(review, results),
        ],
    )


def _record_scores(review: ReviewResource, results: "pd.DataFrame") -> dg.AssetCheckResult:
    """Let the groups page sort by score. The worklists are written by then, and stay whatever happens here."""
    from triage_assets.review.scores import record_scores

    ids, scores = (
        results["sequence_id"].to_numpy(np.int64),
        results["triage_score"].to_numpy(np.float64, na_value=np.nan),
    )
    try:
        if not review.exists():
            is_recorded, found = True, "there is no review database yet"
        else:
            with review.open() as database:
                is_recorded, found = True, f"{record_scores(database, ids, scores)} sequences have another score now"
    except TriageError as error:
        is_recorded, found = False, str(error)
    return dg.AssetCheckResult(
        check_name="scores_reach_the_groups_page",
        passed=is_recorded,
        severity=dg.AssetCheckSeverity.WARN,
        description=found,
    )


def _check_groups(*, is_there: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="groups_are_at_hand",
        passed=is_there,
        severity=dg.AssetCheckSeverity.WARN,
        description="groups and decisions are those of the last snapshot"
        if is_there
        else "nothing was grouped yet, so every sequence is on its own and no decision is known: run `triage run`, or "
        "materialize sequence_groups",
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
