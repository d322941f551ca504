"""What the asset `predictions` shows about a run: each model's counts and cost, stages, organizations, a picture.

What lives here: reports of scoring as metadata. What does not: the scoring, and the form of tables and pictures
(`metadata`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg
import numpy as np

from triage_assets.defs.metadata import Scalar, score_histogram, table
from triage_assets.progress import describe_duration, describe_rate, floor_percent
from triage_assets.scoring.files.parts import PartsFolder
from triage_assets.scoring.predictions import OrganizationScoring, ScoringReport
from triage_assets.scoring.stages import describe_shares
from triage_assets.store import Store

# The table that a command reads back to say what each model did: one row per model, named by these columns.
BY_MODEL = "by_model"
# Its column that tells one store's predictions from another's under the same Dagster instance.
FOLDER = "folder"


def describe_reports(reports: Sequence[ScoringReport], store: Store) -> dict[str, dg.MetadataValue | str | int]:
    """The metadata of a run; counts of sequences are added up over the models, ``backlog`` is counted once."""
    return {
        "models": ", ".join(report.name for report in reports),
        "caution": "; ".join(filter(None, (report.identity.caution for report in reports))) or "none",
        "backlog": reports[0].n_backlog,
        "scored_now": sum(report.n_scored for report in reports),
        "reused": sum(report.n_reused for report in reports),
        "dropped": sum(sum(report.n_dropped.values()) for report in reports),
        BY_MODEL: table(_model_row(report, store) for report in reports),
        "stages": table(row for report in reports for row in _stage_rows(report)),
        "dropped_by_reason": table(
            {"model": report.name, "reason": why, "sequences": n}
            for report in reports
            for why, n in report.n_dropped.items()
        ),
        "organizations": table(
            {"organization": row.organization_key, "model": report.name, **count_sequences(row)}
            for report in reports
            for row in report.organizations
        ),
        "detector": reports[0].detector,
        "path": ", ".join(predictions_folder(store, report.name) for report in reports),
    }


def predictions_folder(store: Store, name: str) -> str:
    """Where one model's predictions are, the same from any working folder."""
    place = store.location if "://" in store.location else Path(store.location).resolve()
    return f"{place}/{PartsFolder(store, name).location}"


def draw_scores(reports: Sequence[ScoringReport]) -> dg.MarkdownMetadataValue:
    """Every model's scores of the backlog in one picture."""
    return score_histogram(
        {report.name: report.current["triage_score"].drop_null().to_numpy().astype(np.float64) for report in reports}
    )


def count_sequences(row: OrganizationScoring) -> dict[str, int]:
    """One organization's sequences by what became of them."""
    return {
        "backlog": row.n_backlog,
        "scored_now": row.n_scored,
        "reused": row.n_reused,
        "dropped": sum(row.n_dropped.values()),
    }


def describe_report(report: ScoringReport) -> str:
    """The last line of a log about one model: ``1.0-1dfbb94b: 60 sequences scored in 12 s (5.0 a second; ...)``."""
    counts = f"{report.n_reused:,} reused, {sum(report.n_dropped.values()):,} dropped"
    if not report.n_scored:
        return f"{report.name}: 0 sequences scored, {counts}"
    workers = f" with {report.n_workers} workers" if report.n_workers > 1 else ""
    how = [
        describe_rate(_per_second(report) or 0.0),
        f"{report.runtime}{workers}",
        describe_shares(report.stage_seconds),
    ]
    cost = f"{describe_duration(report.seconds)} ({'; '.join(filter(None, how))})"
    return f"{report.name}: {report.n_scored:,} sequences scored in {cost}, {counts}"


def _model_row(report: ScoringReport, store: Store) -> Mapping[str, Scalar]:
    rate = _per_second(report)
    return {
        "model": report.name,
        "backlog": report.n_backlog,
        "scored_now": report.n_scored,
        "reused": report.n_reused,
        "dropped": sum(report.n_dropped.values()),
        "coverage_percent": floor_percent(report.n_scored + report.n_reused, report.n_backlog),
        "runtime": report.runtime or "",
        "workers": report.n_workers,
        "seconds": round(report.seconds, 3),
        "sequences_per_second": None if rate is None else round(rate, 3),
        "stage_shares": describe_shares(report.stage_seconds),
        FOLDER: predictions_folder(store, report.name),
    }


def _stage_rows(report: ScoringReport) -> Iterator[Mapping[str, Scalar]]:
    """Where the time went: seconds of the threads that did the work, which may exceed what a clock showed."""
    whole = sum(report.stage_seconds.values())
    for stage, seconds in report.stage_seconds.items():
        if report.n_scored and whole:
            yield {
                "model": report.name,
                "stage": stage,
                "seconds": round(seconds, 3),
                "share_percent": round(100 * seconds / whole, 1),
                "seconds_per_sequence": round(seconds / report.n_scored, 6),
            }


def _per_second(report: ScoringReport) -> float | None:
    return report.n_scored / report.seconds if report.n_scored and report.seconds > 0 else None
