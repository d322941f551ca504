"""The version of a review database's tables: finding it out, refusing what is not ours, and migrating.

What lives here: everything that runs Alembic. What does not: the migrations themselves, and connecting.
"""

import errno
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, String, column, insert, inspect, select, table

from triage_assets.errors import NewerFormat, ReviewReadOnly, ReviewUnavailable
from triage_assets.review.engines import describe, is_sqlite, sqlite_path
from triage_assets.review.models import ReviewState, WriteToken

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "head"
# Any number will do, as long as nothing else in the same database locks it.
_MIGRATION_LOCK = 4_208_731_001


def migration_config(connection: Connection, location: Path = MIGRATIONS) -> Config:
    """Alembic's configuration for one connection: there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def read_version(connection: Connection) -> str | None:
    """The version of a database's tables; None for one without tables.

    Raises `ReviewUnavailable` where the tables are somebody else's.
    """
    tables = set(inspect(connection).get_table_names())
    strangers = tables - {"alembic_version"}
    if ReviewState.__tablename__ in tables:
        return MigrationContext.configure(connection).get_current_revision()
    if strangers:
        raise ReviewUnavailable(
            f"{describe(connection.engine.url)} is not a review database",
            found=f"tables {', '.join(sorted(strangers)[:5])}",
            expected="an empty database, or one that this project made",
            do="Name another database in TRIAGE_REVIEW_DB.",
        )
    return None


def is_current(connection: Connection) -> bool:
    """Whether a database has the tables of this version.

    Raises `NewerFormat` where they are of a newer one, `ReviewUnavailable` where they are somebody else's.
    """
    found = read_version(connection)
    if found is not None and found not in _known_versions():
        raise _newer(connection, found)
    return found == newest_version()


def require_current(connection: Connection) -> None:
    """Refuse tables of another version: somebody may migrate or replace a database while it is open.

    Raises `NewerFormat`, `ReviewUnavailable`.
    """
    versions = select(column("version_num", String)).select_from(table("alembic_version"))
    found = connection.execute(versions).scalars().all()
    if found == [newest_version()]:
        return
    if len(found) == 1 and found[0] not in _known_versions():
        raise _newer(connection, found[0])
    raise ReviewUnavailable(
        f"The review database {describe(connection.engine.url)} was replaced while it was open",
        found=f"version {', '.join(found) or 'none'}",
        expected=newest_version(),
        do="Start this program again, which brings it up to date.",
    )


def newest_version() -> str:
    """The version that this project's tables have."""
    return _known_versions()[0]


@cache
def _known_versions() -> tuple[str, ...]:
    """Every version that this project ever had, the newest first."""
    return tuple(each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def _newer(connection: Connection, found: str) -> NewerFormat:
    return NewerFormat(
        f"The review database {describe(connection.engine.url)} was written by a newer version of this project",
        found=f"version {found}",
        expected=f"at most {newest_version()}",
        do="Update triage-assets, or name another database in TRIAGE_REVIEW_DB.",
    )


def bring_up_to_date(engine: Engine) -> None:
    """Create a database's tables, or migrate them, where needed; write nothing where not.

    Raises `NewerFormat`, `ReviewUnavailable` and its children.
    """
    if is_sqlite(engine):
        _make_sqlite_file(sqlite_path(engine))
    with engine.connect() as connection:
        if is_current(connection):
            return
    if is_sqlite(engine):
        _write_ahead(engine)
    with migrating(engine) as connection:
        if is_current(connection):  # another process was first
            return
        if read_version(connection) is not None:
            # Whoever is writing ends first, and whoever waits to write then sees the new version.
            connection.execute(select(ReviewState.id).with_for_update())
        command.upgrade(migration_config(connection), HEAD)
        if connection.execute(select(ReviewState.id)).first() is None:
            connection.execute(insert(ReviewState).values(id=1, database_id=uuid.uuid4().hex, revision=0))
            connection.execute(insert(WriteToken).values(revision=0, token=uuid.uuid4().hex))


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction in which tables may change, one at a time.

    SQLite changes a table by copying it, dropping the old one and renaming the new; with foreign keys on, the drop
    would delete or detach every row that refers to it. They are checked at the end instead.
    """
    with engine.connect().execution_options(is_write=True) as connection:
        if not is_sqlite(engine):
            with connection.begin():
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                yield connection
            return
        connection.detach()  # closed after use, and so are its settings
        _pragma(connection, "foreign_keys=OFF")
        with connection.begin():
            yield connection
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            assert broken is None, f"a migration left a reference to nothing: {broken}"


def _pragma(connection: Connection, setting: str) -> None:
    """Outside any transaction, where SQLAlchemy would begin one."""
    connection.connection.cursor().execute(f"PRAGMA {setting}")


def _make_sqlite_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch()
    except OSError as error:
        kind = ReviewReadOnly if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else ReviewUnavailable
        raise kind(
            f"The review database {path} cannot be created",
            found=error.strerror,
            do="Make its folder writable, or name another place in TRIAGE_REVIEW_DB.",
        ) from error


def _write_ahead(engine: Engine, timeout_seconds: float = 10.0) -> None:
    """Turn the write-ahead log on, once and for good: readers and the writer do not wait for each other.

    SQLite does not wait for its turn here as it does elsewhere, so this does.
    """
    deadline = time.monotonic() + timeout_seconds
    with engine.connect() as connection:
        while True:
            try:
                return _pragma(connection, "journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
