"""When an annotation contradicts its group."""

from dataclasses import replace

import pytest

from tests.groups.review_rows import NOON
from triage_assets.groups.conflicts import find_conflict
from triage_assets.review.records import (
    Annotation,
    Cluster,
    FalsePositiveType,
    Group,
    Label,
    Origin,
    RegionBox,
    SmokeType,
    Stage,
)

ANTENNA = Label(false_positive_type=FalsePositiveType.ANTENNA)
GROUP = Group(
    id=3, camera_id=5, camera_name="cam", azimuth=90, organization_key="north-7", organization_name="North",
    region=RegionBox(0.1, 0.1, 0.3, 0.3, 0.5), label=ANTENNA, is_unsure=False, is_validated=True, validated_at=NOON,
    validated_by="ada", labeled_at=NOON, labeled_by="ada", created_at=NOON, updated_at=NOON, member_count=2,
    highest_score=None, lowest_score=None, revision=1,
)  # fmt: skip
WILDFIRE = Cluster(True, SmokeType.WILDFIRE, (), ())
SMOKE = Cluster(True, None, (), ())
MAST = Cluster(False, None, (FalsePositiveType.ANTENNA,), ())
DONE = Stage.SEQ_ANNOTATION_DONE


def annotation(stage: Stage, *clusters: Cluster) -> Annotation:
    """A person's annotation of one sequence."""
    return Annotation(31, stage, clusters, False, Origin.PERSON)


@pytest.mark.parametrize(
    ("group", "made", "expected"),
    [
        (GROUP, annotation(DONE, WILDFIRE), ANTENNA),
        # A later stage takes nothing back.
        (GROUP, annotation(Stage.ANNOTATED, WILDFIRE), ANTENNA),
        (GROUP, annotation(DONE, MAST), None),
        # It stands for no one label.
        (GROUP, annotation(DONE), None),
        (GROUP, annotation(DONE, SMOKE), None),
        # Nobody has decided yet.
        (GROUP, annotation(Stage.UNDER_ANNOTATION, WILDFIRE), None),
        (GROUP, annotation(Stage.READY_TO_ANNOTATE, WILDFIRE), None),
        # Nobody vouches for the group, it has no label, or there is none.
        (replace(GROUP, is_validated=False), annotation(DONE, WILDFIRE), None),
        (replace(GROUP, label=None), annotation(DONE, WILDFIRE), None),
        (None, annotation(DONE, WILDFIRE), None),
    ],
)
def test_a_decided_annotation_contradicts_another_label_of_a_validated_group(
    group: Group | None, made: Annotation, expected: Label | None
) -> None:
    assert find_conflict(group, made) == expected
