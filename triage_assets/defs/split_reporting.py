"""What `worklists` says about itself: metadata, checks, and the scores that it passes on to the groups' page.

What belongs here: the form of what is reported. What does not: the split and its files (`triage_assets.worklists`).
"""

import logging
from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pyarrow as pa

from triage_assets.defs.backlog import ScoresAtHand
from triage_assets.defs.metadata import score_histogram, table
from triage_assets.defs.resources import ReviewResource
from triage_assets.errors import SettingsError, StoreError, TriageError
from triage_assets.groups.records import FOLDER as GROUPS_FOLDER
from triage_assets.shards.catalog import shard_of, shards_folder, stored_organizations
from triage_assets.store import Store
from triage_assets.worklists.records import FOLDER, REVIEW, ReviewTables

if TYPE_CHECKING:
    import pandas as pd

    from triage_assets.worklists.export import WorklistsReport

_logger = logging.getLogger(__name__)

WARNINGS = (
    "backlog_is_of_one_stage",
    "every_model_has_scores",
    "every_organization_has_a_backlog",
    "groups_are_at_hand",
    "scores_reach_the_groups_page",
)
_CONFLICTS_SHOWN = 20


def refuse_to_forget(target: Store, at_hand: ScoresAtHand, review: ReviewResource, *, is_grouped: bool) -> None:
    """Leave the worklists as they were rather than make them without what they were made of, or of what people decided.

    Raises `SettingsError` where no model has a say and the present worklists are made of scores, and `StoreError` where
    the snapshot of groups and decisions is missing and there are decisions.
    """
    from triage_assets.worklists.export import listed_models

    if not is_grouped and (decisions := _find_decisions(target, review)):
        raise StoreError(
            "The snapshot of groups and decisions is missing, so the worklists are left as they were",
            found=f"no {target.location}/{GROUPS_FOLDER}, and {decisions}",
            expected="a snapshot: without it, what people labelled would be to review, or to unlabel, once more",
            do="Run `triage worklists`, or materialize sequence_groups: it is made anew from the review database.",
        )
    if not at_hand.scores and listed_models(target):
        raise SettingsError(
            "No configured model has scored anything, so the worklists are left as they were",
            found="; ".join(at_hand.left_out),
            expected=f"scores of {', '.join(listed_models(target))}, of which they are made, or of another model",
            do="Run `triage run`, or correct TRIAGE_MODEL or TRIAGE_PRECISION.",
        )


def _find_decisions(target: Store, review: ReviewResource) -> str | None:
    """Where people's decisions are to be seen although there is no snapshot of them; None where nowhere."""
    from triage_assets.worklists.export import count_listed_labels

    if listed := count_listed_labels(target):
        return f"{listed} sequences in {target.location}/{FOLDER}/labels.json"
    try:
        return "annotations in the review database" if review.has_annotations() else None
    except TriageError as error:  # it may be anything; the lists hold what was known of it
        _logger.warning("Whether people have annotated anything is not known: %s", error)
        return None


def describe_split(
    report: "WorklistsReport", results: "pd.DataFrame", tables: ReviewTables, threshold: float
) -> dict[str, dg.MetadataValue | int | str]:
    """Counts, where models disagree and where a group's scores are far apart, and the scores as a picture."""
    from triage_assets.worklists.group_entries import list_conflicts, summarize_groups
    from triage_assets.worklists.summary import count_by_organization, count_disagreements

    groups = summarize_groups(results, tables.groups, threshold)
    scores = results["triage_score"].dropna().to_numpy(np.float64)
    return {
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
        "scores": score_histogram({"triage score": scores}, threshold=threshold),
        "organizations": table(count_by_organization(results)),
        "files_changed": ", ".join(report.files_changed) or "none",
    }


def check_promises(target: Store, backlog: pa.Table, tables: ReviewTables) -> Iterator[dg.AssetCheckResult]:
    """Whether the files, read back, keep what they promise."""
    from triage_assets.worklists.invariants import check_invariants

    backlog_ids = frozenset(backlog["sequence_id"].to_pylist())
    for promise in check_invariants(target, backlog_ids, tables.decided_ids(), tables.begun_ids()):
        yield dg.AssetCheckResult(check_name=promise.name, passed=promise.holds, description=promise.found)


def record_for_groups_page(review: ReviewResource, results: "pd.DataFrame") -> dg.AssetCheckResult:
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


def check_groups(*, is_there: bool) -> dg.AssetCheckResult:
    """Whether groups and decisions were there to be followed."""
    return dg.AssetCheckResult(
        check_name="groups_are_at_hand",
        passed=is_there,
        severity=dg.AssetCheckSeverity.WARN,
        description="groups and decisions are those of the last snapshot"
        if is_there
        else "nothing was grouped yet, so every sequence is on its own and no decision is known: run `triage run`, or "
        "materialize sequence_groups",
    )


def check_stage(stages: Mapping[str, str]) -> dg.AssetCheckResult:
    """Whether all organizations' backlogs are of one processing stage."""
    found = sorted(set(stages.values()))
    return dg.AssetCheckResult(
        check_name="backlog_is_of_one_stage",
        passed=len(found) <= 1,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"the organizations' backlogs are of the stages {', '.join(found) or 'none'}: "
        "`triage run --stage S` without --organization makes them one",
    )


def check_organizations(target: Store, listed: Container[str]) -> dg.AssetCheckResult:
    """Whether every organization that has frames has a backlog; ``listed`` are those that have one."""
    lost = [
        key
        for key in stored_organizations(target)
        if key not in listed and any(shard_of(found.path) for found in target.list(shards_folder(key)))
    ]
    return dg.AssetCheckResult(
        check_name="every_organization_has_a_backlog",
        passed=not lost,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"split without {', '.join(lost)}, of which there are frames and no backlog: `triage pull` makes "
        "it, or `triage fetch` brings it"
        if lost
        else "every organization with frames has a backlog",
    )


def check_models(at_hand: ScoresAtHand) -> dg.AssetCheckResult:
    """Whether every configured model has a say."""
    return dg.AssetCheckResult(
        check_name="every_model_has_scores",
        passed=not at_hand.left_out,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"split without {model}" for model in at_hand.left_out)
        or "every configured model's scores are in the split",
    )
