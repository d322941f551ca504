"""The split: joins the current backlog with every model's scores and people's decisions, and divides it.

What lives here: which list a sequence is in, in which order, and with which columns, as one table. What does not: the
files that the table becomes (`export`), and where backlog and scores come from.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from triage_assets.errors import SettingsError
from triage_assets.review.records import DECIDED_STAGES, LOCKED_STAGES
from triage_assets.worklists.records import (
    BACKLOG_COLUMNS,
    LABELED,
    NOT_GROUPED,
    NOT_SCORED,
    OUT_OF_DATE,
    REVIEW,
    UNLABELED,
    ModelScores,
    ReviewTables,
    score_names,
)

Nullable = pd.Int64Dtype | pd.Float64Dtype | pd.StringDtype | pd.BooleanDtype
_INTEGER, _NUMBER, _TEXT, _YES_NO = pd.Int64Dtype(), pd.Float64Dtype(), pd.StringDtype(), pd.BooleanDtype()
_NULLABLE: dict[pa.DataType, Nullable] = {
    pa.int64(): _INTEGER,
    pa.int32(): _INTEGER,
    pa.float64(): _NUMBER,
    pa.string(): _TEXT,
    pa.bool_(): _YES_NO,
}


def build_results(
    backlog: pa.Table, models: Sequence[ModelScores], threshold: float, reviewed: ReviewTables = NOT_GROUPED
) -> pd.DataFrame:
    """One row per sequence of the backlog, ordered by sequence_id.

    A sequence that people have labelled here is in the bucket ``labeled``, and one that somebody is annotating in
    ``review``, whatever models say. Any other goes to review when any model scores it at or above ``threshold``; the
    row's own score, logit, tubes and version are those of the model that scored it highest. A sequence that nobody has
    begun and no model could score has a null bucket; ``dropped_reason`` and ``dropped_error`` say why there is no
    score. A score of other frames than the backlog has now is none.
    Raises `SettingsError` for a threshold outside 0..1.
    """
    if not 0.0 <= threshold <= 1.0:
        raise SettingsError(
            "The triage threshold cannot be used",
            found=threshold,
            expected="a number from 0 to 1",
            do="Correct TRIAGE_THRESHOLD, or the threshold that was given for this run.",
        )
    rows = backlog.select(list(BACKLOG_COLUMNS)).to_pandas()
    rows = rows.drop_duplicates("sequence_id", keep="last").sort_values("sequence_id", ignore_index=True)
    aligned = [_align(model.scores, rows) for model in models]
    scores = np.empty((len(rows), len(models)))
    for number, table in enumerate(aligned):
        scores[:, number] = table["triage_score"].to_numpy(np.float64, na_value=np.nan)
    scored = ~np.isnan(scores)
    says_review = scored & (scores >= threshold)
    is_scored: NDArray[np.bool_] = np.logical_or.reduce(scored, axis=1)
    is_review: NDArray[np.bool_] = np.logical_or.reduce(says_review, axis=1)
    leader = np.where(scored, scores, -np.inf).argmax(axis=1) if models else np.zeros(len(rows), int)

    results = pd.DataFrame(
        {
            "key": "pyro-annotator_" + rows["sequence_id"].astype(str),
            "sequence_id": rows["sequence_id"],
            "source": "pyro-annotator",
            "label": "unknown",
            "decision": _choose(is_scored, is_review, "keep", "discard"),
            "outcome": "n/a",
            "triage_bucket": _choose(is_scored, is_review, REVIEW, UNLABELED),
        }
    )
    results["triage_score"] = _take(aligned, "triage_score", leader, _NUMBER)
    results["model_scores"] = pd.Series(_score_dicts(models, scores), dtype=object)
    results["n_models_review"] = says_review.sum(axis=1)
    results["models_disagree"] = is_review & (says_review.sum(axis=1) < scored.sum(axis=1))
    results["model_version"] = np.array([model.version for model in models] or [""], dtype=object)[leader]
    results.loc[~is_scored, "model_version"] = None
    results["score"] = _take(aligned, "best_logit", leader, _NUMBER)
    results["probability"] = results["triage_score"]
    results["num_tubes_kept"] = _take(aligned, "num_tubes_kept", leader, _INTEGER)
    results["trigger_frame_index"] = _take(aligned, "trigger_frame_index", leader, _INTEGER)
    results["n_frames_unusable"] = _take(aligned, "n_frames_unusable", leader, _INTEGER)
    results["organization_name"] = rows["organization_name"]
    results["organization_id"] = rows["organization_id"]
    results["camera_name"] = rows["camera_name"]
    results["azimuth"] = rows["azimuth"].astype(_INTEGER)
    results["started_at"] = rows["recorded_at"]
    results["dropped_reason"] = _why_dropped(aligned, "dropped_reason", is_scored, "incomplete")
    results["dropped_error"] = _why_dropped(aligned, "dropped_error", is_scored, NOT_SCORED)
    return _add_review(results, reviewed)


def in_review_order(results: pd.DataFrame) -> pd.DataFrame:
    """The To Review rows: where models disagree first, then the highest score, ties by sequence id, no score last."""
    review = results[results["triage_bucket"] == REVIEW]
    return review.sort_values(
        ["models_disagree", "triage_score", "sequence_id"], ascending=[False, False, True], ignore_index=True
    )


def _add_review(results: pd.DataFrame, reviewed: ReviewTables) -> pd.DataFrame:
    """Each row with its group and what its annotation here says, which goes before what models say of its bucket."""
    ids = results["sequence_id"]
    members = _select(reviewed.members, ["sequence_id", "group_id"], ids)
    results["group_id"] = members["group_id"].astype(_INTEGER)
    columns = ["sequence_id", "stage", "origin", "smoke_types", "false_positive_types", "is_unsure"]
    annotations = _select(reviewed.annotations, columns, ids)
    results["annotation_stage"] = annotations["stage"].astype(_TEXT)
    results["annotation_origin"] = annotations["origin"].astype(_TEXT)
    for name in ("smoke_types", "false_positive_types"):
        results[name] = _as_lists(annotations[name])
    results["is_unsure"] = annotations["is_unsure"].astype(_YES_NO)
    results.loc[results["annotation_stage"].isin(LOCKED_STAGES), "triage_bucket"] = REVIEW
    results.loc[results["annotation_stage"].isin(DECIDED_STAGES), "triage_bucket"] = LABELED
    return results


def _as_lists(column: pd.Series) -> pd.Series:
    """Plain lists instead of arrays, None where there is none."""
    values = column.to_numpy(object)
    lists = np.full(len(values), None, object)
    for position in np.flatnonzero(column.notna()).tolist():
        lists[position] = list(values[position])
    return pd.Series(lists, index=column.index, dtype=object)


def _select(table: pa.Table, names: Sequence[str], ids: pd.Series) -> pd.DataFrame:
    """The named columns of the table's rows, in the order of ``ids``; all null where a sequence has no row."""
    wanted = table.filter(pc.is_in(table["sequence_id"], pa.array(ids))).select(list(names))
    frame = wanted.to_pandas(types_mapper=_NULLABLE.get)
    in_order: pd.DataFrame = frame.set_index("sequence_id").reindex(ids).reset_index(drop=True)
    return in_order


def _align(scores: pa.Table, rows: pd.DataFrame) -> pd.DataFrame:
    """The scores' rows in the backlog's order; all null where a sequence has none.

    A row that was made for other frames than the sequence has now becomes a dropped one.
    """
    columns = [
        "sequence_id", "last_seen_at", "n_detections", "triage_score", "best_logit", "num_tubes_kept",
        "trigger_frame_index", "n_frames_unusable", "dropped_reason", "dropped_error",
    ]  # fmt: skip
    frame = scores.select(columns).to_pandas(types_mapper=_NULLABLE.get).drop_duplicates("sequence_id", keep="last")
    in_order: pd.DataFrame = frame.set_index("sequence_id").reindex(rows["sequence_id"]).reset_index(drop=True)
    known = in_order["last_seen_at"].notna()
    same = (in_order["last_seen_at"] == rows["last_seen_at"]) & (in_order["n_detections"] == rows["n_detections"])
    stale = (known & ~same.fillna(False)).to_numpy(bool)
    in_order.loc[stale, in_order.columns[2:]] = pd.NA
    in_order.loc[stale, ["dropped_reason", "dropped_error"]] = ["incomplete", OUT_OF_DATE]
    return in_order


def _choose(is_scored: NDArray[np.bool_], is_review: NDArray[np.bool_], yes: str, no: str) -> NDArray[np.object_]:
    chosen = np.where(is_review, yes, no).astype(object)
    chosen[~is_scored] = None
    return chosen


def _take(aligned: Sequence[pd.DataFrame], column: str, leader: NDArray[np.intp], dtype: Nullable) -> pd.Series:
    """The column's values of each row's leading model."""
    taken = pd.Series(pd.array([pd.NA] * len(leader), dtype=dtype))
    for number, table in enumerate(aligned):
        taken = taken.where(leader != number, table[column].astype(dtype))
    return taken


def _score_dicts(models: Sequence[ModelScores], scores: NDArray[np.float64]) -> list[dict[str, float | None]]:
    names = score_names(models)
    columns = [[None if np.isnan(score) else score for score in column.tolist()] for column in scores.T]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if models else [{}] * len(scores)


def _why_dropped(
    aligned: Sequence[pd.DataFrame], column: str, is_scored: NDArray[np.bool_], otherwise: str
) -> pd.Series:
    """For sequences without any score: what the first model that knows them says, or ``otherwise``."""
    why = pd.Series(pd.array([pd.NA] * len(is_scored), dtype=_TEXT))
    for table in aligned:
        why = why.fillna(table[column].astype(_TEXT))
    return why.fillna(otherwise).mask(is_scored)
