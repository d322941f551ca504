"""Generated annotations, and the one label that an annotation stands for."""

import random

import pytest

from tests.groups.review_rows import detections_of, tracked_of
from triage_assets.groups import annotations
from triage_assets.groups.annotations import derive_label, generate_clusters, relabel_clusters
from triage_assets.review.records import (
    Annotation,
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
    generated = generate_clusters(tracked_of(detections_of(7, boxes)).boxes, ANTENNA)
    assert [[box.detection_id - 700 for box in cluster.boxes] for cluster in generated] == clusters
    assert all(box.xyxyn == boxes[box.detection_id - 700] for cluster in generated for box in cluster.boxes)


def test_every_cluster_carries_the_label() -> None:
    boxes = tracked_of(detections_of(7, [LEFT, RIGHT])).boxes
    for label, said in ((ANTENNA, (False, None, (A,))), (Label(WILD), (True, WILD, ()))):
        clusters = generate_clusters(boxes, label)
        assert [(c.is_smoke, c.smoke_type, c.false_positive_types) for c in clusters] == [said, said]


def test_another_label_takes_the_place_of_the_one_and_leaves_the_boxes() -> None:
    boxes = tracked_of(detections_of(7, [LEFT, RIGHT])).boxes
    clusters = generate_clusters(boxes, ANTENNA)
    assert relabel_clusters(clusters, Label(WILD)) == generate_clusters(boxes, Label(WILD))


def test_many_boxes_are_clustered_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways to one rule: of boxes at random places, some of them without an area."""
    chance = random.Random(5)
    for size in (0.02, 0.1, 0.3):
        for _ in range(20):
            places = [(chance.random(), chance.random()) for _ in range(40)]
            sizes = [(chance.choice((0.0, size)), chance.choice((0.0, size, size))) for _ in places]
            boxes = [
                (number, (x, y, x + w, y + h))
                for number, ((x, y), (w, h)) in enumerate(zip(places, sizes, strict=True))
            ]
            few = generate_clusters(boxes, ANTENNA)
            with monkeypatch.context() as patch:
                patch.setattr(annotations, "_MANY", 0)
                assert generate_clusters(boxes, ANTENNA) == few


def test_several_boxes_of_one_frame_may_be_one_thing() -> None:
    assert [len(cluster.boxes) for cluster in generate_clusters([(1, LEFT), (1, BRIDGE)], ANTENNA)] == [2]


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
