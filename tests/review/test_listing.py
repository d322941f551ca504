"""Pages of groups against a literal list of them; members, decisions, thumbnails and annotators."""

import itertools
import random
from datetime import timedelta
from typing import get_args

import pytest
from sqlalchemy import event, text

from tests.review.rows import (
    NOON,
    add_annotation,
    add_contributor,
    add_decision,
    add_group,
    add_reviewer,
    add_sequence,
)
from triage_assets.review.audit import list_decisions
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.listing import (
    count_groups,
    list_groups,
    load_group,
)
from triage_assets.review.members import list_members
from triage_assets.review.records import (
    FalsePositiveType,
    Group,
    GroupFilter,
    GroupOrder,
    Label,
    LabelState,
    SmokeType,
    Stage,
)

ANYTHING = GroupFilter(min_members=0, label_state=None)
ORDERS = get_args(GroupOrder)
FILTERS = [
    GroupFilter(),
    GroupFilter(label_state=None),
    GroupFilter(label_state=LabelState.LABELED),
    GroupFilter(label_state=LabelState.UNSURE, is_validated=False),
    GroupFilter(label_state=None, is_validated=True),
    GroupFilter(min_members=1, label_state=None),
    GroupFilter(min_members=4),
    GroupFilter(camera_id=2, label_state=None),
    GroupFilter(camera_id=2, min_members=0, azimuth=90),
    GroupFilter(azimuth=0, label_state=None),
    GroupFilter(organization_key="hill-2", label_state=None),
    GroupFilter(organization_key="nobody-9", label_state=None),
    ANYTHING,
]


def add_various_groups(review: ReviewDatabase, n_groups: int = 60) -> None:
    """Groups with many ties in everything that lists sort and filter by."""
    chance = random.Random(7)
    with review.write() as write:
        add_reviewer(write.connection, 1, "ana")
        for group_id in chance.sample(range(1, 1000), n_groups):
            score = chance.choice([None, 0.1, 0.35, 0.9])
            label = chance.choice([{}, {}, {"smoke_type": "wildfire"}, {"false_positive_type": "sky"}])
            if label:
                label |= {"labeled_at": NOON, "labeled_by": 1}
            validation = (
                {"is_validated": True, "validated_at": NOON, "validated_by": 1} if chance.random() < 0.3 else {}
            )
            add_group(
                write.connection,
                group_id,
                camera_id=chance.randint(1, 3),
                camera_name=chance.choice(["Ridge", "ridge", "östlich", "été", "valley"]),
                azimuth=chance.choice([0, 90]),
                organization_key=chance.choice(["hill-2", "valley-1"]),
                is_unsure=chance.random() < 0.3,
                created_at=NOON + timedelta(minutes=chance.randint(0, 5)),
                member_count=chance.randint(0, 6),
                highest_score=score,
                lowest_score=score,
                **label,
                **validation,
            )


def all_groups(review: ReviewDatabase) -> list[Group]:
    with review.read() as connection:
        ids = connection.execute(text("SELECT id FROM sequence_groups")).scalars().all()
        return [group for group_id in ids if (group := load_group(connection, group_id))]


def matches(group: Group, wanted: GroupFilter) -> bool:
    """What a filter says, literally."""
    return (
        group.member_count >= wanted.min_members
        and wanted.label_state in (None, group.label_state)
        and wanted.is_validated in (None, group.is_validated)
        and wanted.camera_id in (None, group.camera_id)
        and wanted.azimuth in (None, group.azimuth)
        and wanted.organization_key in (None, group.organization_key)
    )


def in_order(groups: list[Group], order_by: GroupOrder, descending: bool) -> list[int]:
    """What an order says, literally."""
    name = "highest_score" if order_by == "score" else order_by
    last = [group for group in groups if getattr(group, name) is None]
    first = [group for group in groups if getattr(group, name) is not None]
    first.sort(key=lambda group: (getattr(group, name), group.id), reverse=descending)
    last.sort(key=lambda group: group.id, reverse=descending)
    return [group.id for group in first + last]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_every_page_is_that_part_of_the_list(review: ReviewDatabase, wanted: GroupFilter) -> None:
    add_various_groups(review)
    matching = [group for group in all_groups(review) if matches(group, wanted)]
    for order_by, descending, size in itertools.product(ORDERS, (False, True), (7,)):
        expected = in_order(matching, order_by, descending)
        listed: list[int] = []
        with review.read() as connection:
            for page in range(1, len(matching) // size + 3):
                found = list_groups(connection, wanted, order_by=order_by, descending=descending, page=page, size=size)
                assert found.total == len(matching)
                listed += [item.group.id for item in found.items]
        assert listed == expected


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_totals_agree_with_the_stats(review: ReviewDatabase, wanted: GroupFilter) -> None:
    add_various_groups(review)
    anywhere = GroupFilter(wanted.min_members, None, None, wanted.camera_id, wanted.azimuth, wanted.organization_key)
    groups = [group for group in all_groups(review) if matches(group, anywhere)]
    with review.read() as connection:
        stats = count_groups(connection, wanted)
        page = list_groups(connection, wanted, order_by="score", descending=True, page=1, size=1)
    assert page.stats == stats
    assert stats.count() == len(groups)
    for state, is_validated in itertools.product((None, *LabelState), (None, True, False)):
        counted = [each for each in groups if state in (None, each.label_state)]
        counted = [each for each in counted if is_validated in (None, each.is_validated)]
        assert stats.count(state, is_validated) == len(counted)


@pytest.mark.parametrize(("page", "size"), [(0, 50), (1, 0), (-1, 50)])
def test_pages_count_from_one(review: ReviewDatabase, page: int, size: int) -> None:
    with review.read() as connection, pytest.raises(ValueError, match="count from 1"):
        list_groups(connection, ANYTHING, order_by="score", descending=True, page=page, size=size)


def test_an_empty_database_has_an_empty_page(review: ReviewDatabase) -> None:
    with review.read() as connection:
        page = list_groups(connection, GroupFilter(), order_by="member_count", descending=True, page=1, size=50)
    assert (page.items, page.total, page.stats.count()) == ((), 0, 0)


def test_a_page_asks_as_many_questions_for_many_groups_as_for_one(review: ReviewDatabase) -> None:
    with review.write() as write:
        for group_id in range(1, 41):
            add_group(write.connection, group_id, member_count=2)
            add_sequence(write.connection, 2 * group_id, group_id=group_id)
            add_sequence(write.connection, 2 * group_id + 1, group_id=group_id)
    asked: list[str] = []
    event.listen(review.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    counts = []
    for size in (1, 40):
        asked.clear()
        with review.read() as connection:
            list_groups(connection, GroupFilter(), order_by="created_at", descending=True, page=1, size=size)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_thumbnails_are_the_first_the_middle_and_the_last_member(review: ReviewDatabase) -> None:
    with review.write() as write:
        for group_id, n_members in enumerate((1, 2, 3, 4, 5), start=1):
            add_group(write.connection, group_id, member_count=n_members)
            for place in range(n_members):
                # Later ids were recorded earlier; the last two of all at the same moment.
                recorded = NOON - timedelta(minutes=max(place, 1))
                add_sequence(write.connection, 10 * group_id + place, group_id=group_id, recorded_at=recorded)
    with review.read() as connection:
        page = list_groups(connection, ANYTHING, order_by="member_count", descending=False, page=1, size=50)
    shown = {item.group.id: [each.sequence_id for each in item.thumbnails] for item in page.items}
    assert shown == {1: [10], 2: [20, 21], 3: [32, 30, 31], 4: [43, 40, 41], 5: [54, 52, 51]}
    thumbnail = page.items[0].thumbnails[0]
    assert (thumbnail.detection_id, thumbnail.boxes[0].xyxyn) == (1000, (0.1, 0.2, 0.3, 0.4))


def test_a_member_without_a_frame_has_no_thumbnail(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 1, member_count=2)
        add_sequence(write.connection, 1, group_id=1, first_detection_id=None, first_boxes=[])
        add_sequence(write.connection, 2, group_id=1)
    with review.read() as connection:
        page = list_groups(connection, GroupFilter(), order_by="score", descending=True, page=1, size=50)
    assert [each.sequence_id for each in page.items[0].thumbnails] == [2]


def test_the_annotators_of_a_group_are_those_of_its_members(review: ReviewDatabase) -> None:
    with review.write() as write:
        for reviewer_id, name in enumerate(("zoe", "ana", "bo"), start=1):
            add_reviewer(write.connection, reviewer_id, name)
        for group_id in (1, 2, 3):
            add_group(write.connection, group_id, member_count=2)
        for sequence_id, group_id in ((1, 1), (2, 1), (3, 2), (4, None)):
            add_annotation(write.connection, add_sequence(write.connection, sequence_id, group_id=group_id))
        for sequence_id, reviewer_id in ((1, 1), (1, 2), (2, 1), (3, 3), (4, 3)):
            add_contributor(write.connection, sequence_id, reviewer_id)
    with review.read() as connection:
        page = list_groups(connection, GroupFilter(), order_by="created_at", descending=False, page=1, size=50)
    assert {item.group.id: item.annotators for item in page.items} == {1: ("ana", "zoe"), 2: ("bo",), 3: ()}


def test_a_group_is_loaded_with_its_label_and_its_people(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_reviewer(write.connection, 1, "ana")
        add_reviewer(write.connection, 2, "bo")
        label = {"smoke_type": "industrial", "labeled_at": NOON, "labeled_by": 1}
        add_group(write.connection, 5, is_validated=True, validated_at=NOON, validated_by=2, is_unsure=True, **label)
    with review.read() as connection:
        group = load_group(connection, 5)
        assert load_group(connection, 6) is None
    assert group is not None
    assert group.label == Label(smoke_type=SmokeType.INDUSTRIAL)
    assert (group.labeled_by, group.validated_by, group.validated_at) == ("ana", "bo", NOON)
    assert group.label_state is LabelState.LABELED
    assert group.region.xyxyn == (0.1, 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("annotation", "label"),
    [
        ({"false_positive_types": ["sky"]}, Label(false_positive_type=FalsePositiveType.SKY)),
        ({"false_positive_types": ["sky", "dust"]}, None),
        ({"false_positive_types": []}, None),
        (
            {"has_smoke": True, "has_false_positives": False, "smoke_types": ["other"], "false_positive_types": []},
            Label(smoke_type=SmokeType.OTHER),
        ),
        # Smoke beside a false positive, with a stated type and without.
        ({"has_smoke": True, "smoke_types": ["other"], "false_positive_types": ["sky"]}, None),
        ({"has_smoke": True, "smoke_types": [], "false_positive_types": ["sky"]}, None),
        # Smoke without a type.
        ({"has_smoke": True, "has_false_positives": False, "false_positive_types": []}, None),
    ],
)
def test_a_member_has_a_label_where_its_annotation_has_exactly_one(
    review: ReviewDatabase, annotation: dict, label: Label | None
) -> None:
    with review.write() as write:
        add_group(write.connection, 1, member_count=1)
        add_annotation(write.connection, add_sequence(write.connection, 1, group_id=1), **annotation)
    with review.read() as connection:
        member = list_members(connection, 1, page=1, size=10).items[0]
    assert member.label == label
    assert member.stage is Stage.SEQ_ANNOTATION_DONE


def test_members_come_in_pages_oldest_first(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 1, member_count=5)
        for sequence_id in range(1, 6):
            recorded = NOON - timedelta(minutes=sequence_id // 2)
            add_sequence(write.connection, sequence_id, group_id=1, recorded_at=recorded, score=0.5)
        add_sequence(write.connection, 9)  # of no group
    with review.read() as connection:
        pages = [list_members(connection, 1, page=page, size=2) for page in (1, 2, 3, 4)]
        assert list_members(connection, 2, page=1, size=2).total == 0
    assert [page.total for page in pages] == [5, 5, 5, 5]
    assert [[member.sequence_id for member in page.items] for page in pages] == [[4, 5], [2, 3], [1], []]
    member = pages[0].items[0]
    assert (member.stage, member.label, member.score, member.first_detection_id) == (None, None, 0.5, 400)


def test_decisions_come_in_pages_newest_first(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_reviewer(write.connection, 1, "ana")
        add_decision(write.connection, group_id=1, reviewer_id=1, details={"n": 1})
        add_decision(write.connection, group_id=2, reviewer_id=1)
        add_decision(write.connection, group_id=1, action="inherit", sequence_id=3)
    with review.read() as connection:
        first = list_decisions(connection, 1, page=1, size=1)
        second = list_decisions(connection, 1, page=2, size=1)
    assert (first.total, second.total) == (2, 2)
    assert (first.items[0].action, first.items[0].by, first.items[0].sequence_id) == ("inherit", None, 3)
    assert (second.items[0].action, second.items[0].by, second.items[0].details) == ("validate", "ana", {"n": 1})
