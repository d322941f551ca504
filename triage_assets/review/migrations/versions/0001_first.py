"""Groups, membership, annotations, contributors, reviewers and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Groups, membership, annotations, contributors, reviewers and the audit."""
    op.create_table(
        "review_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("database_id", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_review_state_is_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_state")),
    )
    op.create_table(
        "reviewers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviewers")),
        sa.UniqueConstraint("name", name=op.f("uq_reviewers_name")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("sequence_id", sa.BigInteger(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "action IN ('validate', 'unvalidate', 'remove_member', 're_include', 'annotate', 'propagate', 'bulk_annotate', 'inherit')",
            name=op.f("ck_decisions_known_action"),
        ),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"], name=op.f("fk_decisions_reviewer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decisions_group_id_id"), ["group_id", "id"], unique=False)

    op.create_table(
        "sequence_groups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
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
        sa.Column("validated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("validated_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("labeled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("labeled_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "label_state",
            sa.String(),
            sa.Computed(
                "CASE WHEN labeled_at IS NOT NULL THEN 'labeled' WHEN is_unsure THEN 'unsure' ELSE 'unlabeled' END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("highest_score", sa.Double(), nullable=True),
        sa.Column("lowest_score", sa.Double(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "false_positive_type IN ('antenna', 'building', 'cliff', 'combine_harvester', 'dark', 'dust', 'high_cloud', 'low_cloud', 'lens_flare', 'lens_droplet', 'light', 'rain', 'trail', 'road', 'sky', 'tree', 'water_body', 'other', 'unlabeled')",
            name=op.f("ck_sequence_groups_known_false_positive_type"),
        ),
        sa.CheckConstraint(
            "smoke_type IN ('wildfire', 'industrial', 'other')", name=op.f("ck_sequence_groups_known_smoke_type")
        ),
        sa.CheckConstraint(
            "(highest_score IS NULL) = (lowest_score IS NULL)", name=op.f("ck_sequence_groups_scores_come_together")
        ),
        sa.CheckConstraint(
            "(labeled_at IS NOT NULL) = (smoke_type IS NOT NULL OR false_positive_type IS NOT NULL)",
            name=op.f("ck_sequence_groups_labeled_at_with_a_label"),
        ),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_sequence_groups_confidence_is_a_share")),
        sa.CheckConstraint(
            "is_validated = (validated_at IS NOT NULL)", name=op.f("ck_sequence_groups_validated_at_when_validated")
        ),
        sa.CheckConstraint(
            "labeled_by IS NULL OR labeled_at IS NOT NULL", name=op.f("ck_sequence_groups_labeled_by_with_a_time")
        ),
        sa.CheckConstraint("member_count >= 0", name=op.f("ck_sequence_groups_member_count_is_a_count")),
        sa.CheckConstraint(
            "smoke_type IS NULL OR false_positive_type IS NULL", name=op.f("ck_sequence_groups_one_label")
        ),
        sa.CheckConstraint(
            "validated_by IS NULL OR validated_at IS NOT NULL", name=op.f("ck_sequence_groups_validated_by_with_a_time")
        ),
        sa.CheckConstraint("x1 <= x2 AND y1 <= y2", name=op.f("ck_sequence_groups_box_is_not_reversed")),
        sa.ForeignKeyConstraint(["labeled_by"], ["reviewers.id"], name=op.f("fk_sequence_groups_labeled_by")),
        sa.ForeignKeyConstraint(["validated_by"], ["reviewers.id"], name=op.f("fk_sequence_groups_validated_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sequence_groups")),
    )
    with op.batch_alter_table("sequence_groups", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sequence_groups_camera_id_azimuth"), ["camera_id", "azimuth"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_sequence_groups_revision"), ["revision"], unique=False)

    op.create_table(
        "sequences",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("organization_key", sa.String(), nullable=False),
        sa.Column("camera_id", sa.BigInteger(), nullable=True),
        sa.Column("azimuth", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_detections", sa.Integer(), nullable=False),
        sa.Column("first_detection_id", sa.BigInteger(), nullable=True),
        sa.Column("first_boxes", sa.JSON(), nullable=False),
        sa.Column("group_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("is_group_excluded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("excluded_from", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("skipped_reason", sa.String(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "skipped_reason IN ('no_camera', 'no_azimuth', 'no_valid_box')",
            name=op.f("ck_sequences_known_skipped_reason"),
        ),
        sa.CheckConstraint(
            "excluded_from IS NULL OR is_group_excluded", name=op.f("ck_sequences_excluded_from_when_excluded")
        ),
        sa.CheckConstraint(
            "group_id IS NULL OR NOT is_group_excluded", name=op.f("ck_sequences_excluded_is_in_no_group")
        ),
        sa.CheckConstraint(
            "group_id IS NULL OR skipped_reason IS NULL", name=op.f("ck_sequences_skipped_is_in_no_group")
        ),
        sa.ForeignKeyConstraint(
            ["excluded_from"], ["sequence_groups.id"], name=op.f("fk_sequences_excluded_from"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["sequence_groups.id"], name=op.f("fk_sequences_group_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sequences")),
    )
    with op.batch_alter_table("sequences", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sequences_group_id_recorded_at_id"), ["group_id", "recorded_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_sequences_revision"), ["revision"], unique=False)

    op.create_table(
        "sequence_annotations",
        sa.Column(
            "sequence_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("has_smoke", sa.Boolean(), nullable=False),
        sa.Column("has_false_positives", sa.Boolean(), nullable=False),
        sa.Column("smoke_types", sa.JSON(), nullable=False),
        sa.Column("false_positive_types", sa.JSON(), nullable=False),
        sa.Column("is_unsure", sa.Boolean(), nullable=False),
        sa.Column("annotation", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "origin IN ('person', 'propagated', 'bulk', 'inherited')", name=op.f("ck_sequence_annotations_known_origin")
        ),
        sa.CheckConstraint(
            "stage IN ('imported', 'ready_to_annotate', 'under_annotation', 'seq_annotation_done', 'in_review', 'needs_manual', 'annotated')",
            name=op.f("ck_sequence_annotations_known_stage"),
        ),
        sa.ForeignKeyConstraint(
            ["sequence_id"], ["sequences.id"], name=op.f("fk_sequence_annotations_sequence_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sequence_id", name=op.f("pk_sequence_annotations")),
    )
    with op.batch_alter_table("sequence_annotations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sequence_annotations_revision"), ["revision"], unique=False)

    op.create_table(
        "annotation_contributors",
        sa.Column("sequence_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reviewer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("contributed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"], name=op.f("fk_annotation_contributors_reviewer_id")),
        sa.ForeignKeyConstraint(
            ["sequence_id"],
            ["sequence_annotations.sequence_id"],
            name=op.f("fk_annotation_contributors_sequence_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sequence_id", "reviewer_id", name=op.f("pk_annotation_contributors")),
    )
    with op.batch_alter_table("annotation_contributors", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_annotation_contributors_reviewer_id"), ["reviewer_id"], unique=False)


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("annotation_contributors", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_annotation_contributors_reviewer_id"))

    op.drop_table("annotation_contributors")
    with op.batch_alter_table("sequence_annotations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sequence_annotations_revision"))

    op.drop_table("sequence_annotations")
    with op.batch_alter_table("sequences", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sequences_revision"))
        batch_op.drop_index(batch_op.f("ix_sequences_group_id_recorded_at_id"))

    op.drop_table("sequences")
    with op.batch_alter_table("sequence_groups", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sequence_groups_revision"))
        batch_op.drop_index(batch_op.f("ix_sequence_groups_camera_id_azimuth"))

    op.drop_table("sequence_groups")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decisions_group_id_id"))

    op.drop_table("decisions")
    op.drop_table("reviewers")
    op.drop_table("review_state")
