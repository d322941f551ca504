"""Accounts of reviewers, and the sessions that they have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "accounts",
        sa.Column("reviewer_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("session_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'reviewer')", name=op.f("ck_accounts_known_role")),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"], name="fk_accounts_reviewer_id"),
        sa.PrimaryKeyConstraint("reviewer_id", name="pk_accounts"),
        sa.UniqueConstraint("name_key", name="uq_accounts_name_key"),
    )
    op.create_table(
        "ended_sessions",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("forget_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_ended_sessions"),
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("ended_sessions")
    op.drop_table("accounts")
