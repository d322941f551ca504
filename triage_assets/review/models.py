"""The tables of the review database, and the promises that the database itself keeps.

What lives here: SQLAlchemy models with their constraints and indexes, for SQLite and PostgreSQL alike. What does not:
how a database comes to have them (`migrations`), and queries.

Every row that changes carries the number of the write that changed it (`revision`), so that a reader who was here
before can ask for what is new.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Computed,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from triage_assets.review.account_records import Role
from triage_assets.review.moments import Moment
from triage_assets.review.records import Action, FalsePositiveType, Origin, SkippedReason, SmokeType, Stage

Identity = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER is SQLite's row id


# Lists hide singletons, so the indexes that serve them leave singletons out, and cost nothing where most are founded.
LISTED_MEMBERS = 2
# What a list may filter by is in each of its indexes, so that counting and walking to a page never look at a row.
_FILTERED = ("label_state", "is_validated", "organization_key", "camera_id", "azimuth", "member_count")


def listing_index(order: str) -> str:
    """The name of the index over groups in the order of a column."""
    return f"ix_sequence_groups_by_{order}"


COUNTING_INDEX = "ix_sequence_groups_counted"
"""The index over groups by label state and validation, which are counted apart."""


def _listed(name: str, *columns: str) -> Index:
    listed = text(f"member_count >= {LISTED_MEMBERS}")
    return Index(name, *dict.fromkeys((*columns, *_FILTERED)), sqlite_where=listed, postgresql_where=listed)


_REMOVED = text("excluded_from IS NOT NULL")


def _one_of_or_null(column: str, words: type[Any]) -> str:
    # For every row SQLite sorts the list again, which is most of the time that an insertion takes: not for null.
    return f"{column} IS NULL OR {_one_of(column, words)}"


def _one_of(column: str, words: type[Any]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


class Base(DeclarativeBase):
    """All tables; constraints are named, so that a migration can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment, float: Double, int: BigInteger, str: String}  # noqa: RUF012


class ReviewState(Base):
    """One row: which database this is, and the number of the last write. Every write begins by locking it.

    ``annotator`` is whose sequences the ids are (a host, as the store names it); null until one assignment has said so.
    """

    __tablename__ = "review_state"
    __table_args__ = (CheckConstraint("id = 1", name="is_one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    database_id: Mapped[str]
    revision: Mapped[int]
    annotator: Mapped[str | None]


class WriteToken(Base):
    """A random text for every write, and for the database as it was made (revision 0).

    A database that was restored from a copy counts its writes on from there. The token tells two states of one number
    apart, for whoever kept something from before.
    """

    __tablename__ = "write_tokens"

    revision: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    token: Mapped[str]


class Reviewer(Base):
    """Somebody who decides."""

    __tablename__ = "reviewers"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(String, unique=True)
    created_at: Mapped[datetime]


class AccountRow(Base):
    """How a reviewer may log in: names are compared by ``name_key``, sessions are signed with ``session_key``."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint(_one_of("role", Role), name="known_role"),)

    reviewer_id: Mapped[int] = mapped_column(
        Identity, ForeignKey("reviewers.id"), primary_key=True, autoincrement=False
    )
    name_key: Mapped[str] = mapped_column(String, unique=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    session_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class EndedSession(Base):
    """A session that somebody has ended before it was over by itself, until it would have been."""

    __tablename__ = "ended_sessions"

    session_id: Mapped[str] = mapped_column(String, primary_key=True)
    forget_at: Mapped[datetime]


class SequenceGroup(Base):
    """A recurring thing at one camera angle. Its box is its founder's and is never updated."""

    __tablename__ = "sequence_groups"
    __table_args__ = (
        CheckConstraint("x1 <= x2 AND y1 <= y2", name="box_is_not_reversed"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_a_share"),
        CheckConstraint("smoke_type IS NULL OR false_positive_type IS NULL", name="one_label"),
        CheckConstraint(
            "(labeled_at IS NOT NULL) = (smoke_type IS NOT NULL OR false_positive_type IS NOT NULL)",
            name="labeled_at_with_a_label",
        ),
        CheckConstraint("labeled_by IS NULL OR labeled_at IS NOT NULL", name="labeled_by_with_a_time"),
        CheckConstraint("is_validated = (validated_at IS NOT NULL)", name="validated_at_when_validated"),
        CheckConstraint("validated_by IS NULL OR validated_at IS NOT NULL", name="validated_by_with_a_time"),
        CheckConstraint(_one_of_or_null("smoke_type", SmokeType), name="known_smoke_type"),
        CheckConstraint(_one_of_or_null("false_positive_type", FalsePositiveType), name="known_false_positive_type"),
        CheckConstraint("member_count >= 0", name="member_count_is_a_count"),
        CheckConstraint("(highest_score IS NULL) = (lowest_score IS NULL)", name="scores_come_together"),
        Index(None, "camera_id", "azimuth"),
        Index(None, "revision"),
        _listed(COUNTING_INDEX),
        _listed(listing_index("member_count"), "member_count", "id"),
        _listed(listing_index("created_at"), "created_at", "id"),
        _listed(listing_index("camera_name"), "camera_name", "id"),
        _listed(listing_index("azimuth"), "azimuth", "id"),
        _listed(listing_index("highest_score"), "highest_score", "id"),
    )

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    camera_id: Mapped[int]
    camera_name: Mapped[str]
    azimuth: Mapped[int]
    organization_key: Mapped[str]
    organization_name: Mapped[str]
    x1: Mapped[float]
    y1: Mapped[float]
    x2: Mapped[float]
    y2: Mapped[float]
    confidence: Mapped[float]
    smoke_type: Mapped[str | None]
    false_positive_type: Mapped[str | None]
    is_unsure: Mapped[bool] = mapped_column(server_default=false())
    is_validated: Mapped[bool] = mapped_column(server_default=false())
    validated_at: Mapped[datetime | None]
    validated_by: Mapped[int | None] = mapped_column(ForeignKey("reviewers.id"))
    labeled_at: Mapped[datetime | None]
    labeled_by: Mapped[int | None] = mapped_column(ForeignKey("reviewers.id"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    label_state: Mapped[str] = mapped_column(
        String,
        Computed(
            "CASE WHEN labeled_at IS NOT NULL THEN 'labeled' WHEN is_unsure THEN 'unsure' ELSE 'unlabeled' END",
            persisted=True,
        ),
    )
    member_count: Mapped[int] = mapped_column(Integer)
    highest_score: Mapped[float | None]
    lowest_score: Mapped[float | None]
    revision: Mapped[int]


class ReviewSequence(Base):
    """A sequence of the annotator, under its id there, and the group that it is in.

    Camera, azimuth and first frame are as they were when it was assigned or skipped. ``excluded_from`` is the group
    that a person took it out of. ``first_boxes`` is a list of [x1, y1, x2, y2, confidence].
    """

    __tablename__ = "sequences"
    __table_args__ = (
        CheckConstraint("group_id IS NULL OR NOT is_group_excluded", name="excluded_is_in_no_group"),
        CheckConstraint("excluded_from IS NULL OR is_group_excluded", name="excluded_from_when_excluded"),
        CheckConstraint("group_id IS NULL OR skipped_reason IS NULL", name="skipped_is_in_no_group"),
        CheckConstraint(_one_of_or_null("skipped_reason", SkippedReason), name="known_skipped_reason"),
        Index(None, "group_id", "recorded_at", "id"),
        Index(None, "organization_key"),
        # Only what people took out of a group is in it, so placing a sequence costs nothing.
        Index(None, "excluded_from", "recorded_at", "id", sqlite_where=_REMOVED, postgresql_where=_REMOVED),
        Index(None, "revision"),
    )

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    organization_key: Mapped[str]
    camera_id: Mapped[int | None]
    azimuth: Mapped[int | None]
    recorded_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    n_detections: Mapped[int] = mapped_column(Integer)
    first_detection_id: Mapped[int | None]
    first_boxes: Mapped[list[list[float]]] = mapped_column(JSON)
    group_id: Mapped[int | None] = mapped_column(ForeignKey("sequence_groups.id", ondelete="SET NULL"))
    is_group_excluded: Mapped[bool] = mapped_column(server_default=false())
    excluded_from: Mapped[int | None] = mapped_column(ForeignKey("sequence_groups.id", ondelete="SET NULL"))
    skipped_reason: Mapped[str | None]
    score: Mapped[float | None]
    revision: Mapped[int]


class SequenceAnnotation(Base):
    """What is known about a sequence; one row per sequence. ``annotation`` is the list of its clusters."""

    __tablename__ = "sequence_annotations"
    __table_args__ = (
        CheckConstraint(_one_of("stage", Stage), name="known_stage"),
        CheckConstraint(_one_of("origin", Origin), name="known_origin"),
        Index(None, "revision"),
    )

    sequence_id: Mapped[int] = mapped_column(
        Identity, ForeignKey("sequences.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    stage: Mapped[str]
    has_smoke: Mapped[bool]
    has_false_positives: Mapped[bool]
    smoke_types: Mapped[list[str]] = mapped_column(JSON)
    false_positive_types: Mapped[list[str]] = mapped_column(JSON)
    is_unsure: Mapped[bool]
    annotation: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    origin: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    revision: Mapped[int]


class AnnotationContributor(Base):
    """Somebody who had a hand in an annotation, and when they first had."""

    __tablename__ = "annotation_contributors"

    sequence_id: Mapped[int] = mapped_column(
        Identity, ForeignKey("sequence_annotations.sequence_id", ondelete="CASCADE"), primary_key=True
    )
    reviewer_id: Mapped[int] = mapped_column(Identity, ForeignKey("reviewers.id"), primary_key=True, index=True)
    contributed_at: Mapped[datetime]


class GroupAnnotator(Base):
    """Somebody who contributed to an annotation of a member: what `annotation_contributors` says, group by group.

    A page shows the annotators of fifty groups, which have tens of thousands of members.
    """

    __tablename__ = "group_annotators"

    group_id: Mapped[int] = mapped_column(
        Identity, ForeignKey("sequence_groups.id", ondelete="CASCADE"), primary_key=True
    )
    reviewer_id: Mapped[int] = mapped_column(Identity, ForeignKey("reviewers.id"), primary_key=True)


class DecisionRow(Base):
    """The audit: appended to, never changed. It outlives the groups that it speaks of, so it refers to none."""

    __tablename__ = "decisions"
    __table_args__ = (
        CheckConstraint(_one_of("action", Action), name="known_action"),
        Index(None, "group_id", "id"),
        Index(None, "sequence_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    at: Mapped[datetime]
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("reviewers.id"))
    action: Mapped[str]
    revision: Mapped[int]
    group_id: Mapped[int | None]
    sequence_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
