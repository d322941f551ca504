"""Alembic's entry: runs migrations on the connection that `versions.migration_config` gives, in its transaction."""

from alembic import context

from triage_assets.review.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
context.run_migrations()
