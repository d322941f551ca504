"""The asset `worklists`: the backlog split at the threshold into To Review and Unlabel, as files."""

import dagster as dg
from pydantic import Field

from triage_assets.defs.backlog import load_backlog_table, load_model_scores, load_review_tables
from triage_assets.defs.following import FOLLOWED, look_upstream
from triage_assets.defs.predictions import predictions
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import ModelsResource, ReviewResource, StoreResource
from triage_assets.defs.sequence_groups import sequence_groups
from triage_assets.defs.split_reporting import (
    WARNINGS,
    check_groups,
    check_models,
    check_organizations,
    check_promises,
    check_stage,
    describe_split,
    record_for_groups_page,
    refuse_to_forget,
)
from triage_assets.settings import load_settings
from triage_assets.worklists.records import FOLDER, INVARIANTS, NOT_GROUPED


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
    check_specs=[dg.AssetCheckSpec(name, asset="worklists") for name in (*INVARIANTS, *WARNINGS)],
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
    from triage_assets.worklists.export import describe_caution, write_worklists

    followed = look_upstream(context.instance, "worklists")
    target = store.open()
    settings = load_settings(triage_precision=config.precision)
    threshold = settings.triage_threshold if config.threshold is None else config.threshold
    backlog, stages = load_backlog_table(target)
    reviewed = load_review_tables(target)
    tables = reviewed or NOT_GROUPED
    at_hand = load_model_scores(target, models.packages_to_split(target), config.detector, settings.triage_precision)
    refuse_to_forget(target, at_hand, review, is_grouped=reviewed is not None)
    results = build_results(backlog, at_hand.scores, threshold, tables)
    report = write_worklists(target, results, at_hand.scores, threshold, tables, stages, at_hand.left_out)
    context.log.info(
        f"{report.n_review} To Review in {report.n_entries} entries, {report.n_unlabeled} Unlabel, "
        f"{report.n_labeled} labelled here, {report.n_dropped} dropped"
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            "threshold": threshold,
            "models": ", ".join(model.name for model in at_hand.scores) or "none",
            "caution": describe_caution(at_hand.scores) or "none",
            "split_without": "; ".join(at_hand.left_out) or "none",
            **describe_split(report, results, tables, threshold),
            "path": f"{target.location}/{FOLDER}",
            FOLLOWED: dg.MetadataValue.json(followed),
        },
        check_results=[
            *check_promises(target, backlog, tables),
            check_stage(stages),
            check_organizations(target, stages),
            check_models(at_hand),
            check_groups(is_there=reviewed is not None),
            record_for_groups_page(review, results),
        ],
    )
