"""When an annotation speaks for its group."""

import pytest

from tests.groups.review_rows import NOON
from triage_assets.groups.propagation import Propagation, plan_propagation
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

DONE = Stage.SEQ_ANNOTATION_DONE
ANTENNA, WILDFIRE = Label(false_positive_type=FalsePositiveType.ANTENNA), Label(SmokeType.WILDFIRE)
ANTENNAS = (Cluster(False, None, (FalsePositiveType.ANTENNA,), ()),)
UNTYPED_SMOKE = (Cluster(True, None, (), ()),)


def group(label: Label | None = None, *, validated: bool = True, unsure: bool = False) -> Group:
    at, by = (NOON, "ada") if validated else (None, None)
    labeled = (NOON, "ada") if label else (None, None)
    region = RegionBox(0.1, 0.1, 0.2, 0.2, 0.5)
    return Group(
        9, 5, "cam", 90, "k-1", "K", region, label, unsure, validated, at, by, *labeled, NOON, NOON, 3, None, None, 1
    )


@pytest.mark.parametrize(
    ("found", "clusters", "unsure", "stage", "plan"),
    [
        (group(), ANTENNAS, False, DONE, Propagation(ANTENNA)),
        # The same label again goes to members that have come since.
        (group(ANTENNA), ANTENNAS, False, DONE, Propagation(ANTENNA)),
        # A label takes the place of unsure.
        (group(unsure=True), ANTENNAS, False, DONE, Propagation(ANTENNA)),
        # Nobody has looked whether the members are one thing.
        (group(validated=False), ANTENNAS, False, DONE, Propagation()),
        (group(WILDFIRE, validated=False), ANTENNAS, False, DONE, Propagation()),
        (None, ANTENNAS, False, DONE, Propagation()),
        # Smoke without a type derives nothing and warns nobody.
        (group(), UNTYPED_SMOKE, False, DONE, Propagation()),
        (group(WILDFIRE), UNTYPED_SMOKE, False, DONE, Propagation()),
        # Doubt about one member is no word about the group.
        (group(), (), True, DONE, Propagation()),
        (group(WILDFIRE), (), True, DONE, Propagation()),
        (group(), UNTYPED_SMOKE, True, DONE, Propagation()),
        *[
            (group(), ANTENNAS, False, stage, Propagation())
            for stage in Stage
            if stage != DONE  # other stages speak of the frames, or of nothing yet
        ],
    ],
)
def test_a_done_annotation_speaks_for_a_validated_group(
    found: Group | None, clusters: tuple[Cluster, ...], unsure: bool, stage: Stage, plan: Propagation
) -> None:
    assert plan_propagation(found, Annotation(1, stage, clusters, unsure, Origin.PERSON)) == plan


def test_another_label_spreads_nothing_and_says_so() -> None:
    plan = plan_propagation(group(WILDFIRE), Annotation(1, DONE, ANTENNAS, False, Origin.PERSON))
    assert plan.label is None
    assert plan.warning is not None
    assert "Group 9 is labelled smoke: wildfire, and this sequence is now false positive: antenna" in plan.warning
