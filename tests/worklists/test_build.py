"""The split as a table: thresholds, several models, dropped sequences, orders."""

import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest

from tests.worklists.review_tables import annotate, reviewed
from triage_assets.errors import SettingsError
from triage_assets.review.records import Origin, Stage
from triage_assets.worklists.build import build_results, in_review_order
from triage_assets.worklists.records import NOT_SCORED, OUT_OF_DATE, ModelScores
from triage_assets.worklists.summary import count_by_organization, count_disagreements

MOMENT = pa.timestamp("us", "UTC")
START = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
LATER = START + dt.timedelta(minutes=5)


def backlog_of(
    *ids: int, organization: str = "SDIS Ardèche", last_seen_at: dt.datetime = LATER, n_detections: int = 8
) -> pa.Table:
    return pa.table(
        {
            "sequence_id": pa.array(ids, pa.int64()),
            "organization_id": pa.array([100] * len(ids), pa.int64()),
            "organization_name": pa.array([organization] * len(ids), pa.string()),
            "camera_name": pa.array(["brison-00"] * len(ids), pa.string()),
            "azimuth": pa.array([45] * len(ids), pa.int64()),
            "recorded_at": pa.array([START] * len(ids), MOMENT),
            "last_seen_at": pa.array([last_seen_at] * len(ids), MOMENT),
            "n_detections": pa.array([n_detections] * len(ids), pa.int32()),
        }
    )


def scores_of(scores: dict[int, float | str], name: str = "1.0-aaaaaaaa") -> ModelScores:
    """A score per sequence, or the reason why it was dropped."""
    values = [score if isinstance(score, float) else None for score in scores.values()]
    reasons = [score if isinstance(score, str) else None for score in scores.values()]
    table = pa.table(
        {
            "sequence_id": pa.array(scores, pa.int64()),
            "last_seen_at": pa.array([LATER] * len(values), MOMENT),
            "n_detections": pa.array([8] * len(values), pa.int32()),
            "triage_score": pa.array(values, pa.float64()),
            "best_logit": pa.array([value and value * 10 - 5 for value in values], pa.float64()),
            "num_tubes_kept": pa.array([None if value is None else int(value > 0) for value in values], pa.int32()),
            "trigger_frame_index": pa.array([None] * len(values), pa.int32()),
            "n_frames_unusable": pa.array([0] * len(values), pa.int32()),
            "dropped_reason": pa.array(reasons, pa.string()),
            "dropped_error": pa.array([reason and f"why {reason}" for reason in reasons], pa.string()),
        }
    )
    return ModelScores(name, name.split("-")[0], table, {"sha256": name})


@pytest.mark.parametrize(
    ("score", "threshold", "bucket", "decision"),
    [
        (0.9, 0.35, "review", "keep"),  # well above
        (0.35, 0.35, "review", "keep"),  # the boundary belongs to review
        (0.3499999, 0.35, "unlabeled", "discard"),  # just below
        (0.0, 0.35, "unlabeled", "discard"),  # no tube was kept
        (0.0, 0.0, "review", "keep"),  # a threshold of zero sends everything to people
        (0.9999, 1.0, "unlabeled", "discard"),  # a threshold of one lets only certainty through
    ],
)
def test_the_threshold_is_inclusive(score: float, threshold: float, bucket: str, decision: str) -> None:
    row = build_results(backlog_of(1), [scores_of({1: score})], threshold).iloc[0]
    assert (row["triage_bucket"], row["decision"], row["triage_score"]) == (bucket, decision, score)


@pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan")])
def test_a_threshold_outside_zero_to_one_is_refused(threshold: float) -> None:
    with pytest.raises(SettingsError, match="expected a number from 0 to 1"):
        build_results(backlog_of(1), [scores_of({1: 0.5})], threshold)


def test_a_dropped_sequence_keeps_its_reason_and_gets_no_score() -> None:
    results = build_results(backlog_of(1, 2, 3), [scores_of({1: 0.5, 2: "no_images"})], 0.35)
    dropped = results[results["triage_bucket"].isna()].set_index("sequence_id")
    assert dropped["triage_score"].isna().all()
    assert dropped["decision"].isna().all()
    assert dropped.loc[2, ["dropped_reason", "dropped_error"]].tolist() == ["no_images", "why no_images"]
    assert dropped.loc[3, ["dropped_reason", "dropped_error"]].tolist() == ["incomplete", NOT_SCORED]


def test_scores_of_sequences_that_left_the_backlog_are_ignored() -> None:
    results = build_results(backlog_of(2), [scores_of({1: 0.9, 2: 0.1, 3: 0.9})], 0.35)
    assert results["sequence_id"].tolist() == [2]
    assert results["triage_bucket"].tolist() == ["unlabeled"]


@pytest.mark.parametrize(
    "moved",
    [
        {"last_seen_at": LATER + dt.timedelta(seconds=30)},  # it went on
        {"n_detections": 9},  # a frame was added in between
    ],
)
def test_a_score_of_other_frames_than_the_backlog_has_now_is_none(moved: dict[str, object]) -> None:
    row = build_results(backlog_of(1, **moved), [scores_of({1: 0.9})], 0.35).iloc[0]
    assert pd.isna(row["triage_score"])
    assert (row["triage_bucket"], row["dropped_reason"], row["dropped_error"]) == (None, "incomplete", OUT_OF_DATE)


def test_without_any_model_every_sequence_waits() -> None:
    results = build_results(backlog_of(1, 2), [], 0.35)
    assert results["dropped_reason"].tolist() == ["incomplete", "incomplete"]


def test_one_model_that_sees_smoke_is_enough_for_review() -> None:
    models = [scores_of({1: 0.1, 2: 0.2}), scores_of({1: 0.8, 2: 0.3}, "2.0-bbbbbbbb")]
    results = build_results(backlog_of(1, 2), models, 0.35).set_index("sequence_id")
    assert results["triage_bucket"].tolist() == ["review", "unlabeled"]
    assert results.loc[1, "model_scores"] == {"1.0": 0.1, "2.0": 0.8}
    assert results.loc[1, ["n_models_review", "model_version", "triage_score"]].tolist() == [1, "2.0", 0.8]


def test_two_packages_of_one_version_are_told_apart() -> None:
    models = [scores_of({1: 0.1}, "1.0-aaaaaaaa"), scores_of({1: 0.8}, "1.0-bbbbbbbb")]
    assert build_results(backlog_of(1), models, 0.35)["model_scores"][0] == {"1.0-aaaaaaaa": 0.1, "1.0-bbbbbbbb": 0.8}


def test_review_puts_disagreement_first_and_then_the_highest_score() -> None:
    models = [
        scores_of({1: 0.9, 2: 0.5, 3: 0.95, 4: 0.9}),
        scores_of({1: 0.9, 2: 0.1, 3: 0.9, 4: 0.9}, "2.0-bbbbbbbb"),
    ]
    review = in_review_order(build_results(backlog_of(1, 2, 3, 4), models, 0.35))
    assert review["sequence_id"].tolist() == [2, 3, 1, 4]


def test_a_sequence_listed_under_two_organizations_counts_once() -> None:
    both = pa.concat_tables([backlog_of(1, 2), backlog_of(2, 3, organization="Forêt d'Orléans")])
    results = build_results(both, [scores_of({1: 0.9, 2: 0.9, 3: 0.1})], 0.35)
    assert results["sequence_id"].tolist() == [1, 2, 3]
    assert results["organization_name"][1] == "Forêt d'Orléans"


def test_counts_by_organization_add_up_to_the_backlog() -> None:
    both = pa.concat_tables([backlog_of(1, 2), backlog_of(3, 4, organization="<b>\n")])
    results = build_results(both, [scores_of({1: 0.9, 2: 0.1, 3: 0.9})], 0.35, reviewed(annotate(2)))
    assert list(count_by_organization(results)) == [
        {"organization": "<b>\n", "sequences": 2, "review": 1, "unlabeled": 0, "labeled": 0, "dropped": 1},
        {"organization": "SDIS Ardèche", "sequences": 2, "review": 1, "unlabeled": 0, "labeled": 1, "dropped": 0},
    ]


def test_an_empty_backlog_gives_an_empty_table() -> None:
    results = build_results(backlog_of(), [scores_of({1: 0.9})], 0.35)
    assert isinstance(results, pd.DataFrame)
    assert results.empty


def test_disagreements_are_counted_where_they_are() -> None:
    both = pa.concat_tables([backlog_of(1, 2, 3), backlog_of(4, 5, organization="Forêt d'Orléans")])
    models = [
        scores_of({1: 0.9, 2: 0.1, 3: 0.9, 4: 0.9, 5: 0.9}),
        scores_of({1: 0.1, 2: 0.8, 3: 0.1, 4: "predict_failed", 5: 0.2}, "2.0-bbbbbbbb"),
    ]
    decided = reviewed(annotate(3))
    # Of sequence 4 there is one opinion only, so nobody disagrees; sequence 3 is labelled, so nobody needs to look.
    assert list(count_disagreements(build_results(both, models, 0.35, decided))) == [
        {"organization": "SDIS Ardèche", "sequences": 2, "for example": "1, 2"},
        {"organization": "Forêt d'Orléans", "sequences": 1, "for example": "5"},
    ]
    assert list(count_disagreements(build_results(both, models[:1], 0.35))) == []


@pytest.mark.parametrize(
    ("stage", "buckets"),  # of a sequence that is scored high, of one that is scored low, of one without a score
    [
        (Stage.IMPORTED, ["review", "unlabeled", None]),  # nobody has begun
        (Stage.READY_TO_ANNOTATE, ["review", "unlabeled", None]),  # a placeholder
        (Stage.UNDER_ANNOTATION, ["review"] * 3),  # somebody is at it: nothing is to be sent over their head
        (Stage.SEQ_ANNOTATION_DONE, ["labeled"] * 3),
        (Stage.IN_REVIEW, ["labeled"] * 3),
        (Stage.NEEDS_MANUAL, ["labeled"] * 3),
        (Stage.ANNOTATED, ["labeled"] * 3),
    ],
)
def test_a_sequence_is_to_review_from_the_beginning_on_and_labeled_from_the_decision_on(
    stage: Stage, buckets: list[str | None]
) -> None:
    scores: dict[int, float | str] = {1: 0.9, 2: 0.1, 3: "no_images"}
    tables = reviewed(*(annotate(number, stage=stage) for number in scores))
    results = build_results(backlog_of(*scores), [scores_of(scores)], 0.35, tables)
    rows = results.astype(object).where(results.notna(), None)
    assert rows["triage_bucket"].tolist() == buckets
    assert rows["annotation_stage"].tolist() == [stage] * 3
    assert rows["decision"].tolist() == ["keep", "discard", None], "what models say stays"


def test_whoever_is_annotated_without_a_score_is_last_of_the_review_list() -> None:
    scores: dict[int, float | str] = {1: "no_images", 2: 0.1, 3: 0.9}
    begun = reviewed(*(annotate(number, stage=Stage.UNDER_ANNOTATION) for number in (1, 2)))
    review = in_review_order(build_results(backlog_of(*scores), [scores_of(scores)], 0.35, begun))
    assert review["sequence_id"].tolist() == [3, 2, 1]


@pytest.mark.parametrize("origin", Origin)
def test_a_label_counts_however_the_sequence_came_by_it(origin: Origin) -> None:
    row = build_results(backlog_of(1), [scores_of({1: 0.9})], 0.35, reviewed(annotate(1, origin=origin))).iloc[0]
    assert (row["triage_bucket"], row["annotation_origin"]) == ("labeled", origin)


def test_a_labelled_sequence_that_no_model_could_score_is_not_dropped() -> None:
    row = build_results(backlog_of(1), [scores_of({1: "no_images"})], 0.35, reviewed(annotate(1))).iloc[0]
    assert (row["triage_bucket"], row["decision"], row["dropped_reason"]) == ("labeled", None, "no_images")


def test_each_row_says_its_group_and_what_was_decided() -> None:
    tables = reviewed(annotate(2, smoke=["wildfire"], other=["antenna"], is_unsure=True), members={1: 7, 2: 7, 99: 8})
    results = build_results(backlog_of(1, 2, 3), [scores_of({1: 0.9})], 0.35, tables).set_index("sequence_id")
    assert results["group_id"].tolist() == [7, 7, pd.NA]
    assert results.loc[2, ["smoke_types", "false_positive_types", "is_unsure"]].tolist() == [
        ["wildfire"],
        ["antenna"],
        True,
    ]
    assert results.loc[1, ["annotation_stage", "smoke_types", "is_unsure"]].isna().all()


def test_decisions_about_what_left_the_backlog_are_in_no_row() -> None:
    results = build_results(backlog_of(1), [scores_of({1: 0.9})], 0.35, reviewed(annotate(2), members={2: 1}))
    assert results["sequence_id"].tolist() == [1]
    assert results["triage_bucket"].tolist() == ["review"]
