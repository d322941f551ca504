"""Many rows arrive as SQLAlchemy would have written them, and groups count and score their members."""

from contextlib import closing
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError

from triage_assets.review import bulk
from triage_assets.review.aggregates import refresh_aggregates
from triage_assets.review.assignments import load_groups, load_known, load_labels, load_settled_since, load_stages
from triage_assets.review.bulk import insert_rows, read_ids, read_ids_by, read_rows, update_rows
from triage_assets.review.database import open_review
from triage_assets.review.models import ReviewSequence, SequenceGroup
from triage_assets.review.records import FalsePositiveType, Label, SmokeType

from .rows import NOON, add_group, add_sequence

SEQUENCES = ReviewSequence.__table__
MOMENT = pa.timestamp("us", "UTC")
ROWS = pa.schema(
    [
        ("id", pa.int64()),
        ("organization_key", pa.string()),
        ("camera_id", pa.int64()),
        ("azimuth", pa.int64()),
        ("recorded_at", MOMENT),
        ("last_seen_at", MOMENT),
        ("n_detections", pa.int32()),
        ("first_detection_id", pa.int64()),
        ("first_boxes", pa.string()),
        ("is_group_excluded", pa.bool_()),
        ("skipped_reason", pa.string()),
        ("score", pa.float64()),
        ("revision", pa.int64()),
    ]
)
LONG_AGO = datetime(1969, 12, 31, 23, 59, 59, 5, tzinfo=UTC)
# Text with everything that has a meaning in CSV, an empty one, times with and without a fraction, before 1970, null.
SAMPLE = [
    (1, 'a "b", c\nd\\.', 7, -1, NOON, NOON, 3, 100, "[[0.1,0.2,0.3,0.4,1]]", False, None, 0.1 + 0.2, 1),
    (2, "", None, None, LONG_AGO, NOON, 0, None, "[]", False, "no_camera", None, 1),
    (3, "\\N", 2**62, 725, NOON.replace(microsecond=120_000), NOON, 1, 2**62, "[]", True, None, 5e-324, 2**40),
]  # fmt: skip

GROUP = {
    "camera_id": 7, "camera_name": "north ridge", "azimuth": 45, "organization_key": "valley-1",
    "organization_name": "Valley", "x1": 0.1, "y1": 0.2, "x2": 0.3, "y2": 0.4, "confidence": 0.5,
    "created_at": NOON, "updated_at": NOON, "member_count": 2, "revision": 1,
}  # fmt: skip


def table_of(rows: list[tuple]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(ROWS.names, row, strict=True)) for row in rows], schema=ROWS)


def test_rows_arrive_as_they_were_sent_and_come_back_as_they_are(review):
    with review.write() as write:
        insert_rows(write.connection, SEQUENCES, table_of(SAMPLE))
    with review.read() as connection:
        columns = [SEQUENCES.c[name] for name in ROWS.names]
        read = read_rows(connection, select(*columns).order_by(SEQUENCES.c.id), ROWS)
        by_sqlalchemy = connection.execute(select(*columns).order_by(SEQUENCES.c.id)).tuples().all()
    assert read == table_of(SAMPLE)
    boxes = ROWS.names.index("first_boxes")
    assert [row[:boxes] + row[boxes + 1 :] for row in by_sqlalchemy] == [
        row[:boxes] + row[boxes + 1 :] for row in SAMPLE
    ]
    assert [row[boxes] for row in by_sqlalchemy] == [[[0.1, 0.2, 0.3, 0.4, 1]], [], []]


def test_rows_that_sqlalchemy_wrote_come_back(review):
    with review.write() as write:
        add_sequence(write.connection, 1, recorded_at=NOON.replace(microsecond=7))
    schema = pa.schema([("recorded_at", MOMENT), ("is_group_excluded", pa.bool_()), ("score", pa.float64())])
    with review.read() as connection:
        read = read_rows(connection, select(*(SEQUENCES.c[name] for name in schema.names)), schema)
    assert read.to_pylist() == [{"recorded_at": NOON.replace(microsecond=7), "is_group_excluded": False, "score": None}]


def test_updates_change_what_is_there_and_nothing_else(review):
    changes = table_of([SAMPLE[2], (9, *SAMPLE[0][1:])]).select(["id", "azimuth", "recorded_at", "score"])
    with review.write() as write:
        insert_rows(write.connection, SEQUENCES, table_of(SAMPLE))
        for _ in range(2):
            update_rows(write.connection, SEQUENCES, changes.set_column(1, "azimuth", pa.array([None, 5], pa.int64())))
    with review.read() as connection:
        columns = [SEQUENCES.c[name] for name in ROWS.names]
        read = read_rows(connection, select(*columns).order_by(SEQUENCES.c.id), ROWS)
    assert read == table_of([*SAMPLE[:2], (*SAMPLE[2][:3], None, *SAMPLE[2][4:])])


def test_no_rows_are_none(review):
    with review.write() as write:
        insert_rows(write.connection, SEQUENCES, ROWS.empty_table())
        update_rows(write.connection, SEQUENCES, ROWS.empty_table())
        assert read_rows(write.connection, select(SEQUENCES.c.id), pa.schema([("id", pa.int64())])).num_rows == 0
        assert read_ids(write.connection, select(SEQUENCES.c.id)).tolist() == []


def test_rows_in_pieces_of_which_some_are_empty_are_all_of_them(review):
    rows = table_of(SAMPLE)
    pieces = pa.concat_tables([rows.slice(0, 0), rows.slice(0, 1), rows.slice(1, 0), rows.slice(1)])
    with review.write() as write:
        insert_rows(write.connection, SEQUENCES, pieces)
        update_rows(write.connection, SEQUENCES, pieces.select(["id", "azimuth"]))
        assert read_ids(write.connection, select(SEQUENCES.c.id)).tolist() == [1, 2, 3]


def test_ids_come_by_what_their_rows_say(review):
    with review.write() as write:
        insert_rows(write.connection, SEQUENCES, table_of([*SAMPLE, (2**62, *SAMPLE[1][1:]), (-5, *SAMPLE[1][1:])]))
        found = read_ids_by(write.connection, SEQUENCES.c.organization_key, SEQUENCES.c.id)
    assert {key: ids.tolist() for key, ids in found.items()} == {'a "b", c\nd\\.': [1], "": [-5, 2, 2**62], "\\N": [3]}


def test_ids_come_in_order(review):
    with review.write() as write:
        insert_rows(write.connection, SEQUENCES, table_of([(number, *SAMPLE[0][1:]) for number in (2**62 + 1, 5, 1)]))
        assert read_ids(write.connection, select(SEQUENCES.c.id)).tolist() == [1, 5, 2**62 + 1]


@pytest.mark.parametrize("fault", [{"id": 1}, {"id": 9, "skipped_reason": "no_reason"}])
def test_a_row_that_breaks_a_promise_is_refused_with_all_that_came_with_it(review, fault):
    bad = dict(zip(ROWS.names, SAMPLE[1], strict=True)) | fault
    with review.write() as write:
        insert_rows(write.connection, SEQUENCES, table_of(SAMPLE[:1]))
    with pytest.raises(IntegrityError), review.write() as write:
        insert_rows(
            write.connection, SEQUENCES, pa.concat_tables([table_of(SAMPLE[2:]), pa.Table.from_pylist([bad], ROWS)])
        )
    with review.read() as connection:
        assert read_ids(connection, select(SEQUENCES.c.id)).tolist() == [1]


def test_the_first_rows_leave_every_index_as_the_migration_made_it(review, monkeypatch):
    monkeypatch.setattr(bulk, "_ROWS_AT_ONCE", 2)
    groups = [{**GROUP, "id": number} for number in (1, 2, 3)]
    before = {name: indexes_of(review, name) for name in ("sequences", "sequence_groups")}
    with review.write() as write:
        insert_rows(write.connection, SequenceGroup.__table__, pa.Table.from_pylist(groups))
        insert_rows(write.connection, SEQUENCES, table_of(SAMPLE))
    assert {name: indexes_of(review, name) for name in before} == before
    assert all(len(indexes) >= 2 for indexes in before.values())


def test_dropping_an_index_keeps_no_reader_waiting(review, review_url, monkeypatch):
    monkeypatch.setattr(bulk, "_ROWS_AT_ONCE", 2)
    with closing(open_review(review_url)) as other, review.write() as write:
        insert_rows(write.connection, SEQUENCES, table_of(SAMPLE))
        with other.read() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL lock_timeout = 2000")
            assert read_ids(connection, select(SEQUENCES.c.id)).tolist() == []


def indexes_of(review, table_name: str) -> list[str]:
    """Each index in words, with the rows that it is limited to."""
    found = inspect(review.engine).get_indexes(table_name)
    limits = [sorted(f"{name} {limit}" for name, limit in one.get("dialect_options", {}).items()) for one in found]
    return sorted(f"{one['name']} {one['column_names']} {limit}" for one, limit in zip(found, limits, strict=True))


def test_groups_count_and_score_their_members(review):
    with review.write() as write:
        for group_id in (1, 2, 3):
            add_group(write.connection, group_id, member_count=7, highest_score=0.9, lowest_score=0.9)
        for number, (group_id, score) in enumerate([(1, 0.5), (1, None), (1, 0.25), (2, None)], start=1):
            add_sequence(write.connection, number, group_id=group_id, score=score)
        refresh_aggregates(write, [1, 2])
        revision, now = write.revision, write.now
    columns = ("member_count", "highest_score", "lowest_score", "revision")
    with review.read() as connection:
        rows = connection.execute(select(*(SequenceGroup.__table__.c[name] for name in ("id", *columns)))).all()
        updated = dict(connection.execute(select(SequenceGroup.id, SequenceGroup.updated_at)).tuples().all())
    assert sorted(rows) == [(1, 3, 0.5, 0.25, revision), (2, 1, None, None, revision), (3, 7, 0.9, 0.9, 1)]
    assert updated == {1: now, 2: now, 3: NOON}


def test_what_is_known_of_sequences_is_whether_they_are_settled(review):
    with review.write() as write:
        add_group(write.connection, 1)
        add_sequence(write.connection, 1, group_id=1)
        add_sequence(write.connection, 2, is_group_excluded=True, excluded_from=1, organization_key="alps-1")
        add_sequence(write.connection, 3, skipped_reason="no_azimuth", azimuth=None)
        add_sequence(write.connection, 4, group_id=1, revision=5)
    with review.read() as connection:
        known = load_known(connection)
        assert (known.revision, known.settled.tolist(), known.waiting["id"].to_pylist()) == (1, [1, 2, 4], [3])
        by_organization = {key: ids.tolist() for key, ids in known.by_organization.items()}
        assert by_organization == {"alps-1": [2], "valley-1": [1, 3, 4]}
        assert load_settled_since(connection, 1).tolist() == [4]
        assert load_stages(connection, [1, 2]) == {}


def test_groups_of_some_camera_angles_come_oldest_first(review):
    with review.write() as write:
        add_group(write.connection, 3, camera_id=7, azimuth=0)
        add_group(write.connection, 2, camera_id=7, azimuth=0, is_validated=True, validated_at=NOON)
        add_group(write.connection, 1, camera_id=7, azimuth=90)
        add_group(write.connection, 4, camera_id=8, azimuth=90)
    with review.read() as connection:
        for with_validated, expected in ((True, [2, 3, 4]), (False, [3, 4])):
            found = load_groups(connection, views_of((7, 0), (8, 90), (9, 0)), with_validated=with_validated)
            assert found["id"].to_pylist() == expected
        many = views_of((7, 0), *((number, 0) for number in range(100, 2_500)))
        assert load_groups(connection, many, with_validated=True)["id"].to_pylist() == [2, 3]
        assert load_groups(connection, views_of(), with_validated=True).num_rows == 0


@pytest.mark.parametrize(
    ("view", "is_seen"),
    [
        ((0.0, 0.0, 1.0, 1.0), True),  # all around it
        ((0.3, 0.4, 0.3, 0.4), True),  # nothing of an area, within it
        ((0.5 - 1e-9, 0.0, 1.0, 1.0), True),  # a sliver at each side
        ((0.0, 0.6 - 1e-9, 1.0, 1.0), True),
        ((0.0, 0.0, 0.1 + 1e-9, 1.0), True),
        ((0.0, 0.0, 1.0, 0.2 + 1e-9), True),
        ((0.6, 0.0, 1.0, 1.0), False),  # beyond each side
        ((0.0, 0.7, 1.0, 1.0), False),
        ((-1.0, 0.0, 0.0, 1.0), False),
        ((0.0, -2.5e300, 1.0, -1e-300), False),
    ],
)
def test_only_groups_within_sight_come(review, view, is_seen):
    with review.write() as write:
        add_group(write.connection, 1, camera_id=7, azimuth=-9, x1=0.1, y1=0.2, x2=0.5, y2=0.6)
    with review.read() as connection:
        found = load_groups(connection, views_of((7, -9), box=view), with_validated=True)
    assert found["id"].to_pylist() == [1] * is_seen


def views_of(*angles, box=(0.0, 0.0, 1.0, 1.0)):
    names = ("camera_id", "azimuth", "x1", "y1", "x2", "y2")
    schema = pa.schema([(name, pa.int64() if number < 2 else pa.float64()) for number, name in enumerate(names)])
    return pa.Table.from_pylist([dict(zip(names, (*angle, *box), strict=True)) for angle in angles], schema=schema)


def test_only_labelled_groups_have_a_label(review):
    with review.write() as write:
        add_group(write.connection, 1, smoke_type="other", labeled_at=NOON, is_unsure=True)
        add_group(write.connection, 2, false_positive_type="dust", labeled_at=NOON)
        add_group(write.connection, 3, is_unsure=True)
    with review.read() as connection:
        found = load_labels(connection, [1, 2, 3])
    assert {number: (known.label, known.is_unsure) for number, known in found.items()} == {
        1: (Label(smoke_type=SmokeType.OTHER), True),
        2: (Label(false_positive_type=FalsePositiveType.DUST), False),
    }
