"""The review database as a whole: opening it by URL, its version, and transactions that see one state.

What lives here: engines for SQLite and PostgreSQL, bringing a database to this version, read and write transactions,
and the translation of driver errors. What does not: tables (`models`) and what is read or written in a transaction.

A write begins by locking the one row of `review_state` and counting it up, so writes happen one after the other and a
reader of revision N sees everything up to N.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, insert, make_url, select, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from triage_assets.errors import NewerFormat, ReviewUnavailable
from triage_assets.review.models import ReviewState

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Write:
    """A write transaction under way: its connection, the number it has, and the one time that it stamps."""

    connection: Connection
    revision: int
    now: datetime


class ReviewDatabase:
    """A review database of this version, to be opened with `open_review`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one state. Raises `ReviewUnavailable`."""
        with _driver_errors(self.engine), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Write]:
        """A transaction that may change anything, one at a time; an exception inside undoes all of it.

        Raises `ReviewUnavailable`, and its children `ReviewBusy` and `ReviewReadOnly`.
        """
        with _driver_errors(self.engine), self.engine.connect() as connection:
            connection = connection.execution_options(is_write=True)
            with connection.begin():
                counted = update(ReviewState).values(revision=ReviewState.revision + 1).returning(ReviewState.revision)
                revision = connection.execute(counted).scalar_one()
                yield Write(connection, revision, datetime.now(UTC))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_review(url: str) -> ReviewDatabase:
    """The database at an SQLAlchemy URL, created and migrated to this version where needed.

    Raises `ReviewUnavailable`, `NewerFormat`.
    """
    engine = make_engine(url)
    with _driver_errors(engine):
        migrate(engine)
    return ReviewDatabase(engine)


def make_engine(url: str) -> Engine:
    """An engine with this project's ways: SQLite with WAL and foreign keys on, writes that lock when they begin."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: object, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # the driver's own BEGIN would come too late
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins by reading could not become a writing one beside another.
    is_write = connection.get_execution_options().get("is_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for one connection: there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring a database to a version of its tables. Raises `NewerFormat` for one that this code does not know."""
    with engine.connect().execution_options(is_write=True) as connection, connection.begin():
        config = migration_config(connection)
        script = ScriptDirectory.from_config(config)
        found = MigrationContext.configure(connection).get_current_revision()
        known = {each.revision for each in script.walk_revisions()}
        if found is not None and found not in known:
            raise NewerFormat(
                "The review database was written by a newer version of this project",
                found=f"version {found}",
                expected=f"at most {script.get_current_head()}",
                do="Update triage-assets, or name another database in TRIAGE_REVIEW_DB.",
            )
        if found == script.get_current_head() and revision == "head":
            return
        command.upgrade(config, revision)
        if connection.execute(select(ReviewState.id)).first() is None:
            connection.execute(insert(ReviewState).values(id=1, database_id=uuid.uuid4().hex, revision=0))


@contextmanager
def _driver_errors(engine: Engine) -> Iterator[None]:
    """Say in the project's words what a driver says in its own."""
    try:
        yield
    except (OperationalError, DBAPIError) as error:
        raise ReviewUnavailable(
            f"The review database {engine.url.render_as_string()} cannot be used",
            found=" ".join(str(error.orig).split())[:200],
            do="Look whether it is there and may be written; TRIAGE_REVIEW_DB names it.",
        ) from error
