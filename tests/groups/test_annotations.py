"""Generated annotations, and the one label that an annotation stands for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.groups.review_rows import NOON, detections_of
from triage_assets.annotator.records import Box, Detection
from triage_assets.groups.annotations import derive_label, generate_clusters
from triage_assets.review.records import (
    Annotation,
    BoxOnFrame,
    Cluster,
    FalsePositiveType,
    Label,
    Origin,
    SmokeType,
    Stage,
)

ANTENNA = Label(false_positive_type=FalsePositiveType.ANTENNA)
A, B, C = FalsePositiveType.ANTENNA, FalsePositiveType.BUILDING, FalsePositiveType.CLIFF
WILD, INDUSTRIAL = SmokeType.WILDFIRE, SmokeType.INDUSTRIAL

LEFT, RIGHT, BRIDGE = (0.1, 0.1, 0.2, 0.2), (0.5, 0.1, 0.6, 0.2), (0.15, 0.1, 0.55, 0.2)


@pytest.mark.parametrize(
    ("boxes", "clusters"),
    [
        ([], []),
        # One thing seen twice.
        ([LEFT, LEFT], [[0, 1]]),
        # Two things, in turns.
        ([LEFT, RIGHT, LEFT, RIGHT], [[0, 2], [1, 3]]),
        # An edge in common is no overlap.
        ([LEFT, (0.2, 0.1, 0.3, 0.2)], [[0], [1]]),
        # A drifting plume: each box overlaps the one before, the last not the first.
        ([(0.1, 0.1, 0.2, 0.2), (0.15, 0.1, 0.3, 0.2), (0.25, 0.1, 0.4, 0.2)], [[0, 1, 2]]),
        # It came back to where it was: any box of the cluster counts, and not the newest alone.
        ([(0.1, 0.1, 0.2, 0.2), (0.15, 0.1, 0.3, 0.2), (0.1, 0.1, 0.14, 0.2)], [[0, 1, 2]]),
        # A bridge joins the older cluster, and the two stay two.
        ([LEFT, RIGHT, BRIDGE], [[0, 2], [1]]),
        # Bridge first: all is one.
        ([BRIDGE, LEFT, RIGHT], [[0, 1, 2]]),
        # A box without an area overlaps nothing, not even itself; nor does anything overlap it.
        ([(0.15, 0.1, 0.15, 0.2), (0.15, 0.1, 0.15, 0.2), LEFT], [[0], [1], [2]]),
        # Invalid boxes are left out.
        ([(0.2, 0.1, 0.1, 0.2), (0.0, 0.0, 0.0, 0.0), (float("nan"), 0.1, 0.2, 0.2), LEFT], [[3]]),
    ],
)
def test_boxes_that_overlap_any_box_of_a_cluster_join_it(boxes: list, clusters: list) -> None:
    generated = generate_clusters(detections_of(7, boxes), ANTENNA)
    assert [[box.detection_id - 700 for box in cluster.boxes] for cluster in generated] == clusters
    assert all(box.xyxyn == boxes[box.detection_id - 700] for cluster in generated for box in cluster.boxes)


def test_every_cluster_carries_the_label() -> None:
    detections = detections_of(7, [LEFT, RIGHT])
    assert {(c.is_smoke, c.smoke_type, c.false_positive_types) for c in generate_clusters(detections, ANTENNA)} == {
        (False, None, (A,))
    }
    assert {(c.is_smoke, c.smoke_type, c.false_positive_types) for c in generate_clusters(detections, Label(WILD))} == {
        (True, WILD, ())
    }


def test_boxes_are_taken_in_time_order_and_others_never() -> None:
    first, second, _ = detections_of(7, [LEFT, RIGHT])
    second = replace(second, recorded_at=NOON - timedelta(hours=1), other_boxes=(Box(*LEFT, 0.9),))
    generated = generate_clusters([first, second], ANTENNA)
    assert [cluster.boxes for cluster in generated] == [(BoxOnFrame(701, RIGHT),), (BoxOnFrame(700, LEFT),)]


def test_several_boxes_of_one_frame_may_be_one_thing() -> None:
    frame = Detection(1, 7, NOON, "1.jpg", (Box(*LEFT, 0.5), Box(*BRIDGE, 0.5)))
    assert [len(cluster.boxes) for cluster in generate_clusters([frame], ANTENNA)] == [2]


def smoke(kind: SmokeType | None) -> Cluster:
    return Cluster(True, kind, (), ())


def false(*kinds: FalsePositiveType) -> Cluster:
    return Cluster(False, None, kinds, ())


@pytest.mark.parametrize(
    ("clusters", "label"),
    [
        ([], None),
        ([smoke(WILD)], Label(WILD)),
        # The most common smoke type.
        ([smoke(WILD), smoke(INDUSTRIAL), smoke(INDUSTRIAL)], Label(INDUSTRIAL)),
        # A tie goes to the first cluster's.
        ([smoke(INDUSTRIAL), smoke(WILD), smoke(WILD), smoke(INDUSTRIAL)], Label(INDUSTRIAL)),
        # Smoke goes before false positives, however many there are.
        ([false(A), false(A), smoke(WILD)], Label(WILD)),
        # Smoke of no stated type beside smoke of one: the stated one.
        ([smoke(None), smoke(None), smoke(WILD)], Label(WILD)),
        # Smoke without a type derives nothing.
        ([smoke(None)], None),
        # ... and false positives beside it do not speak for the sequence.
        ([smoke(None), false(A)], None),
        ([false(A)], Label(false_positive_type=A)),
        # The most common false-positive type, over all clusters.
        ([false(A, B), false(C, B)], Label(false_positive_type=B)),
        # A tie goes to the one met first.
        ([false(C), false(A)], Label(false_positive_type=C)),
        # A false positive that nobody named.
        ([false()], None),
    ],
)
def test_one_label_is_derived(clusters: list[Cluster], label: Label | None) -> None:
    annotation = Annotation(7, Stage.SEQ_ANNOTATION_DONE, tuple(clusters), False, Origin.PERSON)
    assert derive_label(annotation) == label
