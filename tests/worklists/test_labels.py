"""Decisions as bulk bodies: one per distinct label, and nothing lost of what no body can say."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.worklists.review_tables import annotate, cluster, reviewed
from tests.worklists.test_build import backlog_of, scores_of
from triage_assets.review.records import Origin, Stage
from triage_assets.worklists.build import build_results
from triage_assets.worklists.labels import Labels, split_labels
from triage_assets.worklists.records import LABELED


def labels_of(*annotations: Mapping[str, Any]) -> Labels:
    tables = reviewed(*annotations)
    ids = [annotation["sequence_id"] for annotation in annotations]
    results = build_results(backlog_of(*ids), [scores_of(dict.fromkeys(ids, 0.9))], 0.35, tables)
    return split_labels(results[results["triage_bucket"] == LABELED], tables.annotations)


def test_each_distinct_label_is_one_body_with_its_sequences() -> None:
    labels = labels_of(
        annotate(4, other=["antenna"]),
        annotate(1, smoke=["wildfire"]),
        annotate(2, other=["antenna"], origin=Origin.BULK),
        annotate(3, other=["antenna"], is_unsure=True),
        annotate(5, other=["other"], origin=Origin.INHERITED),
        annotate(6, smoke=["other"], origin=Origin.PROPAGATED),
    )
    assert labels.bulk_payloads == (
        {"sequence_ids": [6], "smoke_type": "other", "is_unsure": False, "force": False},
        {"sequence_ids": [1], "smoke_type": "wildfire", "is_unsure": False, "force": False},
        {"sequence_ids": [2, 4], "false_positive_type": "antenna", "is_unsure": False, "force": False},
        {"sequence_ids": [3], "false_positive_type": "antenna", "is_unsure": True, "force": False},
        {"sequence_ids": [5], "false_positive_type": "other", "is_unsure": False, "force": False},
    )
    assert labels.individual == ()


@pytest.mark.parametrize(
    ("clusters", "why"),
    [
        ([cluster("antenna"), cluster("antenna")], None),  # two things of one kind
        ([cluster(smoke="wildfire"), cluster(smoke="wildfire")], None),
        ([cluster(smoke="wildfire"), cluster("antenna")], "several labels"),  # smoke and none
        ([cluster(smoke="wildfire"), cluster(smoke="industrial")], "several labels"),
        ([cluster("antenna", "building")], "several labels"),  # one thing, two types
        ([cluster(smoke="other"), cluster("other")], "several labels"),  # two that share a word
        ([cluster(is_smoke=True)], "smoke without a type"),
        ([cluster(smoke="wildfire"), cluster(is_smoke=True)], "smoke without a type"),  # a body would give it one
        ([cluster("antenna"), cluster()], "several labels"),  # one thing without any type
        ([cluster()], "no label"),
    ],
)
def test_what_one_label_cannot_say_is_kept_with_its_annotation(clusters: list[Any], why: str | None) -> None:
    labels = labels_of(annotate(1, *clusters))
    if why is None:
        assert [body["sequence_ids"] for body in labels.bulk_payloads] == [[1]]
        assert labels.individual == ()
    else:
        assert labels.bulk_payloads == ()
        assert labels.individual == (
            {
                "sequence_id": 1,
                "why": why,
                "stage": "seq_annotation_done",
                "is_unsure": False,
                "annotation": clusters,
            },
        )


def test_unsure_without_any_label_is_no_body_either() -> None:
    nothing = {**annotate(1, is_unsure=True), "annotation": "[]", "false_positive_types": []}
    labels = labels_of(nothing)
    assert [(item["why"], item["is_unsure"], item["annotation"]) for item in labels.individual] == [
        ("no label", True, [])
    ]


@pytest.mark.parametrize(
    ("stage", "where"),
    [
        (Stage.IMPORTED, None),
        (Stage.READY_TO_ANNOTATE, None),
        (Stage.UNDER_ANNOTATION, None),
        (Stage.SEQ_ANNOTATION_DONE, "body"),
        # Decided, and a body would end what still waits for somebody.
        (Stage.IN_REVIEW, "still in review"),
        (Stage.NEEDS_MANUAL, "needs manual annotation"),
        (Stage.ANNOTATED, "body"),
    ],
)
@pytest.mark.parametrize("origin", Origin)
def test_only_what_is_finished_here_is_in_a_body_that_finishes_it(
    stage: Stage, where: str | None, origin: Origin
) -> None:
    labels = labels_of(annotate(1, stage=stage, origin=origin))
    assert [body["sequence_ids"] for body in labels.bulk_payloads] == ([[1]] if where == "body" else [])
    individual = [] if where in (None, "body") else [(1, stage, where, [cluster("antenna")])]
    assert [(i["sequence_id"], i["stage"], i["why"], i["annotation"]) for i in labels.individual] == individual


def test_an_annotation_that_is_under_way_is_no_label() -> None:
    assert labels_of(annotate(1, stage=Stage.UNDER_ANNOTATION)) == Labels((), ())
