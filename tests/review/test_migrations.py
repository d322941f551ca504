"""Coming to this version: from nothing, from an older one with data, and refusing what is newer or not ours."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text

from tests.review.rows import (
    add_account,
    add_annotation,
    add_contributor,
    add_decision,
    add_group,
    add_reviewer,
    add_sequence,
)
from triage_assets.errors import NewerFormat, ReviewUnavailable
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.models import Base, ReviewSequence, ReviewState, SequenceAnnotation
from triage_assets.review.versions import MIGRATIONS, migrating, migration_config

# Every table is copied and dropped on SQLite, which is where rows that refer to them could be lost.
NEXT_MIGRATION = '''
"""A column more in every table that others refer to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
TABLES = ("reviewers", "sequence_annotations", "sequences")


def upgrade():
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "auto"
    for table in TABLES:
        with op.batch_alter_table(table, recreate=recreate) as batch:
            batch.add_column(sa.Column("note", sa.String(), server_default="", nullable=False))


def downgrade():
    for table in TABLES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("note")
'''


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """The migrations of this version and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "0003_throw_away.py").write_text(NEXT_MIGRATION, encoding="utf-8")
    return folder


def fill(connection: Connection) -> None:
    add_account(connection, add_reviewer(connection, 1, "ana"))
    add_group(connection, 1, member_count=1)
    add_sequence(connection, 1, group_id=1)
    add_contributor(connection, add_annotation(connection, 1), 1)
    add_decision(connection, group_id=1, reviewer_id=1, details={"why": "smoke"})


def everything(review: ReviewDatabase) -> dict[str, list[tuple[object, ...]]]:
    with review.read() as connection:
        return {name: sorted(connection.execute(select(table)).all()) for name, table in Base.metadata.tables.items()}


def differences(review: ReviewDatabase) -> list[object]:
    with review.read() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


def test_a_new_database_has_an_identity_and_no_writes_yet(new_review_url: str) -> None:
    with closing(open_review(new_review_url)) as review, review.read() as connection:
        row = connection.execute(select(ReviewState.id, ReviewState.revision, ReviewState.database_id)).one()
    assert (row.id, row.revision, len(row.database_id)) == (1, 0, 32)


def test_the_migrations_make_what_the_models_say(review: ReviewDatabase) -> None:
    assert differences(review) == []


def test_the_migrations_make_the_checks_that_the_models_name(review: ReviewDatabase) -> None:
    for table in Base.metadata.tables.values():
        named = {str(each.name) for each in table.constraints if str(each.name).startswith("ck_")}
        with review.read() as connection:
            assert {each["name"] for each in inspect(connection).get_check_constraints(table.name)} == named


def test_opening_again_changes_nothing(review: ReviewDatabase, review_url: str) -> None:
    with review.write() as write:
        fill(write.connection)
    before = everything(review)
    open_review(review_url).close()
    assert everything(review) == before


def test_down_to_nothing_and_up_again(review: ReviewDatabase, review_url: str) -> None:
    with review.write() as write:
        fill(write.connection)
    with migrating(review.engine) as connection:
        command.downgrade(migration_config(connection), "base")
    with review.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    with closing(open_review(review_url)) as again:
        assert differences(again) == []
        assert len(everything(again)["review_state"]) == 1


def test_data_survives_a_migration_up_and_down(review: ReviewDatabase, migrations: Path) -> None:
    with review.write() as write:
        fill(write.connection)
    before = everything(review)
    with migrating(review.engine) as connection:
        command.upgrade(migration_config(connection, migrations), "0003")
    assert everything(review) == before
    with review.read() as connection:
        assert connection.execute(text("SELECT note FROM sequences")).scalar_one() == ""
    with migrating(review.engine) as connection:
        command.downgrade(migration_config(connection, migrations), "0002")
    assert everything(review) == before
    assert differences(review) == []


def test_foreign_keys_are_on_again_after_a_migration(review: ReviewDatabase, migrations: Path) -> None:
    with review.write() as write:
        fill(write.connection)
    with migrating(review.engine) as connection:
        command.upgrade(migration_config(connection, migrations), "0003")
    writing = review.engine.connect().execution_options(is_write=True)
    with writing as connection, connection.begin():  # as a program of that version would
        connection.execute(text("DELETE FROM sequences"))
    with review.read() as connection:
        assert connection.execute(select(SequenceAnnotation.sequence_id)).all() == []


def test_a_migration_that_fails_leaves_the_old_version(review: ReviewDatabase, migrations: Path) -> None:
    broken = NEXT_MIGRATION.replace("def downgrade", "    raise RuntimeError('halfway')\n\n\ndef downgrade")
    (migrations / "versions" / "0003_throw_away.py").write_text(broken, encoding="utf-8")
    with review.write() as write:
        fill(write.connection)
    before = everything(review)
    with pytest.raises(RuntimeError, match="halfway"), migrating(review.engine) as connection:
        command.upgrade(migration_config(connection, migrations), "0003")
    assert everything(review) == before
    assert differences(review) == []


def test_a_database_of_a_newer_version_is_refused_and_left_alone(review: ReviewDatabase, review_url: str) -> None:
    with review.write() as write:
        fill(write.connection)
        write.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = everything(review)
    with pytest.raises(NewerFormat) as refusal:
        open_review(review_url)
    assert "found version 9999; expected at most 0002. Update triage-assets, or name another" in str(refusal.value)
    assert everything(review) == before


def test_the_tables_of_somebody_else_are_refused_and_left_alone(new_review_url: str, tmp_path: Path) -> None:
    with closing(open_review(new_review_url)) as review:
        with migrating(review.engine) as connection:
            command.downgrade(migration_config(connection), "base")
            connection.execute(text("CREATE TABLE recipes (name VARCHAR)"))
            # Another project whose first migration has the same name as this one's.
            connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
        with pytest.raises(
            ReviewUnavailable, match=r"is not a review database; found tables recipes; expected an empty"
        ):
            open_review(new_review_url)
        with review.engine.connect() as connection:
            assert set(inspect(connection).get_table_names()) == {"alembic_version", "recipes"}


def test_a_database_file_of_somebody_else_keeps_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "recipes.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(ReviewUnavailable, match="is not a review database"):
        open_review(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["recipes.sqlite"]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk, " * 1000, encoding="utf-8")
    with pytest.raises(ReviewUnavailable, match=r"notes\.txt cannot be used; found file is not a database\. Look"):
        open_review(f"sqlite:///{path}")
    assert path.read_text(encoding="utf-8") == "buy milk, " * 1000


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReviewUnavailable, match="cannot be used"):
        open_review(f"sqlite:///{tmp_path}")


def test_processes_that_open_a_new_database_at_once_all_succeed(new_review_url: str) -> None:
    code = "import sys; from triage_assets.review.database import open_review; open_review(sys.argv[1]).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code, new_review_url]) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0, 0, 0, 0]
    with closing(open_review(new_review_url)) as review:
        assert differences(review) == []
        assert len(everything(review)["review_state"]) == 1


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    open_review(f"sqlite:///{tmp_path}/store of one/review.sqlite").close()
    assert (tmp_path / "store of one" / "review.sqlite").exists()


def test_sequences_keep_their_boxes_as_they_were(review: ReviewDatabase) -> None:
    boxes = [[0.1, 0.2, 0.30000000000000004, 1.0, 0.0]]
    with review.write() as write:
        add_sequence(write.connection, 1, first_boxes=boxes)
    with review.read() as connection:
        stored = connection.execute(select(ReviewSequence.first_boxes)).scalar_one()
    assert json.dumps(stored) == json.dumps(boxes)
