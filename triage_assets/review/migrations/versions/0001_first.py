"""Groups, membership, annotations, contributors, reviewers and the audit.

Words are written out here, not imported: a migration stays what it was when the code moves on.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_SMOKE_TYPES = "'wildfire', 'industrial', 'other'"
_FALSE_POSITIVE_TYPES = (
    "'antenna', 'building', 'cliff', 'combine_harvester', 'dark', 'dust', 'high_cloud', 'low_cloud', 'lens_flare', "
    "'lens_droplet', 'light', 'rain', 'trail', 'road', 'sky', 'tree', 'water_body', 'other', 'unlabeled'"
)
_STAGES = (
    "'imported', 'ready_to_annotate', 'under_annotation', 'seq_annotation_done', 'in_review', 'needs_manual', "
    "'annotated'"
)
_ORIGINS = "'person', 'propagated', 'bulk', 'inherited'"
_ACTIONS = (
    "'validate', 'unvalidate', 'relabel', 'remove_member', 're_include', 'annotate', 'propagate', 'bulk_annotate', "
    "'assign', 'inherit'"
)
_SKIPPED_REASONS = "'no_camera', 'no_azimuth', 'no_valid_box'"
_LABEL_STATE = "CASE WHEN labeled_at IS NOT NULL THEN 'labeled' WHEN is_unsure THEN 'unsure' ELSE 'unlabeled' END"
_LISTED = sa.text("member_count >= 2")
_REMOVED = sa.text("excluded_from IS NOT NULL")
_FILTERED = ("label_state", "is_validated", "organization_key", "camera_id", "azimuth", "member_count")
_ORDERS = ("member_count", "created_at", "camera_name", "azimuth", "highest_score")


def _check(condition: str, name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(name))  # the whole name: the models' convention adds nothing to it


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "review_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("database_id", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("annotator", sa.String(), nullable=True),
        _check("id = 1", "ck_review_state_is_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_review_state"),
    )
    op.create_table(
        "write_tokens",
        sa.Column("revision", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_write_tokens"),
    )
    op.create_table(
        "reviewers",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reviewers"),
        sa.UniqueConstraint("name", name="uq_reviewers_name"),
    )
    _create_decisions()
    _create_groups()
    _create_sequences()
    _create_annotations()


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("reviewer_id", _ROW_ID, nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("sequence_id", sa.BigInteger(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        _check(f"action IN ({_ACTIONS})", "ck_decisions_known_action"),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"], name="fk_decisions_reviewer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decisions_group_id_id", "decisions", ["group_id", "id"])
    op.create_index("ix_decisions_sequence_id_id", "decisions", ["sequence_id", "id"])


def _create_groups() -> None:
    table = "sequence_groups"
    op.create_table(
        table,
        sa.Column("id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("camera_id", sa.BigInteger(), nullable=False),
        sa.Column("camera_name", sa.String(), nullable=False),
        sa.Column("azimuth", sa.BigInteger(), nullable=False),
        sa.Column("organization_key", sa.String(), nullable=False),
        sa.Column("organization_name", sa.String(), nullable=False),
        sa.Column("x1", sa.Double(), nullable=False),
        sa.Column("y1", sa.Double(), nullable=False),
        sa.Column("x2", sa.Double(), nullable=False),
        sa.Column("y2", sa.Double(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("smoke_type", sa.String(), nullable=True),
        sa.Column("false_positive_type", sa.String(), nullable=True),
        sa.Column("is_unsure", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_validated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("validated_at", _TIME, nullable=True),
        sa.Column("validated_by", _ROW_ID, nullable=True),
        sa.Column("labeled_at", _TIME, nullable=True),
        sa.Column("labeled_by", _ROW_ID, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("label_state", sa.String(), sa.Computed(_LABEL_STATE, persisted=True), nullable=False),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("highest_score", sa.Double(), nullable=True),
        sa.Column("lowest_score", sa.Double(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        _check("x1 <= x2 AND y1 <= y2", f"ck_{table}_box_is_not_reversed"),
        _check("confidence BETWEEN 0 AND 1", f"ck_{table}_confidence_is_a_share"),
        _check("smoke_type IS NULL OR false_positive_type IS NULL", f"ck_{table}_one_label"),
        _check(
            "(labeled_at IS NOT NULL) = (smoke_type IS NOT NULL OR false_positive_type IS NOT NULL)",
            f"ck_{table}_labeled_at_with_a_label",
        ),
        _check("labeled_by IS NULL OR labeled_at IS NOT NULL", f"ck_{table}_labeled_by_with_a_time"),
        _check("is_validated = (validated_at IS NOT NULL)", f"ck_{table}_validated_at_when_validated"),
        _check("validated_by IS NULL OR validated_at IS NOT NULL", f"ck_{table}_validated_by_with_a_time"),
        _check(f"smoke_type IS NULL OR smoke_type IN ({_SMOKE_TYPES})", f"ck_{table}_known_smoke_type"),
        _check(
            f"false_positive_type IS NULL OR false_positive_type IN ({_FALSE_POSITIVE_TYPES})",
            f"ck_{table}_known_false_positive_type",
        ),
        _check("member_count >= 0", f"ck_{table}_member_count_is_a_count"),
        _check("(highest_score IS NULL) = (lowest_score IS NULL)", f"ck_{table}_scores_come_together"),
        sa.ForeignKeyConstraint(["labeled_by"], ["reviewers.id"], name=f"fk_{table}_labeled_by"),
        sa.ForeignKeyConstraint(["validated_by"], ["reviewers.id"], name=f"fk_{table}_validated_by"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_camera_id_azimuth", table, ["camera_id", "azimuth"])
    op.create_index(f"ix_{table}_revision", table, ["revision"])
    _create_listing_index(f"ix_{table}_counted", _FILTERED)
    for order in _ORDERS:
        _create_listing_index(f"ix_{table}_by_{order}", dict.fromkeys((order, "id", *_FILTERED)))


def _create_listing_index(name: str, columns: Iterable[str]) -> None:
    op.create_index(name, "sequence_groups", list(columns), sqlite_where=_LISTED, postgresql_where=_LISTED)


def _create_sequences() -> None:
    op.create_table(
        "sequences",
        sa.Column("id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("organization_key", sa.String(), nullable=False),
        sa.Column("camera_id", sa.BigInteger(), nullable=True),
        sa.Column("azimuth", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("last_seen_at", _TIME, nullable=False),
        sa.Column("n_detections", sa.Integer(), nullable=False),
        sa.Column("first_detection_id", sa.BigInteger(), nullable=True),
        sa.Column("first_boxes", sa.JSON(), nullable=False),
        sa.Column("group_id", _ROW_ID, nullable=True),
        sa.Column("is_group_excluded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("excluded_from", _ROW_ID, nullable=True),
        sa.Column("skipped_reason", sa.String(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        _check("group_id IS NULL OR NOT is_group_excluded", "ck_sequences_excluded_is_in_no_group"),
        _check("excluded_from IS NULL OR is_group_excluded", "ck_sequences_excluded_from_when_excluded"),
        _check("group_id IS NULL OR skipped_reason IS NULL", "ck_sequences_skipped_is_in_no_group"),
        _check(
            f"skipped_reason IS NULL OR skipped_reason IN ({_SKIPPED_REASONS})", "ck_sequences_known_skipped_reason"
        ),
        sa.ForeignKeyConstraint(
            ["excluded_from"], ["sequence_groups.id"], name="fk_sequences_excluded_from", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["sequence_groups.id"], name="fk_sequences_group_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sequences"),
    )
    op.create_index("ix_sequences_group_id_recorded_at_id", "sequences", ["group_id", "recorded_at", "id"])
    op.create_index(
        "ix_sequences_excluded_from_recorded_at_id",
        "sequences",
        ["excluded_from", "recorded_at", "id"],
        sqlite_where=_REMOVED,
        postgresql_where=_REMOVED,
    )
    op.create_index("ix_sequences_revision", "sequences", ["revision"])
    op.create_index("ix_sequences_organization_key", "sequences", ["organization_key"])


def _create_annotations() -> None:
    op.create_table(
        "sequence_annotations",
        sa.Column("sequence_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("has_smoke", sa.Boolean(), nullable=False),
        sa.Column("has_false_positives", sa.Boolean(), nullable=False),
        sa.Column("smoke_types", sa.JSON(), nullable=False),
        sa.Column("false_positive_types", sa.JSON(), nullable=False),
        sa.Column("is_unsure", sa.Boolean(), nullable=False),
        sa.Column("annotation", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        _check(f"stage IN ({_STAGES})", "ck_sequence_annotations_known_stage"),
        _check(f"origin IN ({_ORIGINS})", "ck_sequence_annotations_known_origin"),
        sa.ForeignKeyConstraint(
            ["sequence_id"], ["sequences.id"], name="fk_sequence_annotations_sequence_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sequence_id", name="pk_sequence_annotations"),
    )
    op.create_index("ix_sequence_annotations_revision", "sequence_annotations", ["revision"])
    op.create_table(
        "annotation_contributors",
        sa.Column("sequence_id", _ROW_ID, nullable=False),
        sa.Column("reviewer_id", _ROW_ID, nullable=False),
        sa.Column("contributed_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"], name="fk_annotation_contributors_reviewer_id"),
        sa.ForeignKeyConstraint(
            ["sequence_id"],
            ["sequence_annotations.sequence_id"],
            name="fk_annotation_contributors_sequence_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sequence_id", "reviewer_id", name="pk_annotation_contributors"),
    )
    op.create_index("ix_annotation_contributors_reviewer_id", "annotation_contributors", ["reviewer_id"])
    op.create_table(
        "group_annotators",
        sa.Column("group_id", _ROW_ID, nullable=False),
        sa.Column("reviewer_id", _ROW_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["sequence_groups.id"], name="fk_group_annotators_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"], name="fk_group_annotators_reviewer_id"),
        sa.PrimaryKeyConstraint("group_id", "reviewer_id", name="pk_group_annotators"),
    )


def downgrade() -> None:
    """Drop every table, and each index with its table."""
    for table in (
        "group_annotators",
        "annotation_contributors",
        "sequence_annotations",
        "sequences",
        "sequence_groups",
        "decisions",
        "reviewers",
        "write_tokens",
        "review_state",
    ):
        op.drop_table(table)
