"""From the URL of a review database to an engine, and from a driver's errors to the project's.

What lives here: which databases are taken, how each is connected to and how its transactions begin, what it is called
in messages. What does not: its tables and versions, and what a transaction is for.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from triage_assets.errors import ReviewBusy, ReviewReadOnly, ReviewUnavailable, SettingsError

# The longest write is the first assignment of a large backlog: 30 s for a million sequences.
BUSY_SECONDS = 60.0
_CONNECT_SECONDS = 10
# SQLite keeps this much of a database in memory per connection: a page of groups at a million sequences reads 30 MB.
_SQLITE_CACHE_KB = 64 * 1024

_DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg"}
_EXPECTED = "sqlite:////path/to/review.sqlite or postgresql://user:password@host/database"


def parse_url(text: str) -> URL:
    """The URL of a database that this project can use. Raises `SettingsError`, which never quotes it."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # their messages may quote a password with an @ in it
        raise _wrong_url("it is no URL, or has special characters that are not percent-encoded") from None
    backend, _, driver = url.drivername.partition("+")
    backend = "postgresql" if backend == "postgres" else backend
    if backend not in _DRIVERS:
        raise _wrong_url(f"a database of kind {backend!r}")
    if driver not in ("", _DRIVERS[backend]):
        raise _wrong_url(f"the driver {driver!r}")
    if backend == "sqlite" and (not url.database or url.database == ":memory:" or url.database.startswith("file:")):
        raise _wrong_url("an SQLite database that is no file, which would forget what people decided")
    return url.set(drivername=f"{backend}+{_DRIVERS[backend]}")


def _wrong_url(found: str) -> SettingsError:
    return SettingsError(
        "TRIAGE_REVIEW_DB does not name a database that can be used",
        found=found,
        expected=_EXPECTED,
        do="Correct it in the environment or in .env.",
    )


def describe(url: URL) -> str:
    """A database by a name that holds no secret."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    query = {name: value for name, value in url.query.items() if name in ("host", "port")}
    return URL.create("postgresql", host=url.host, port=url.port, database=url.database, query=query).render_as_string()


def is_sqlite(engine: Engine) -> bool:
    """Whether this database is a file; else it is on a PostgreSQL server."""
    return engine.dialect.name == "sqlite"


def sqlite_path(engine: Engine) -> Path:
    """The file of an SQLite database."""
    return Path(str(engine.url.database))


def make_engine(url: URL, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine for one that `parse_url` gave; nothing is opened yet. Raises `SettingsError` without a driver."""
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url, busy_seconds)
    try:
        engine = create_engine(
            url, pool_pre_ping=True, pool_timeout=busy_seconds, connect_args=_postgresql_arguments(url)
        )
    except ImportError as error:
        raise SettingsError(
            "TRIAGE_REVIEW_DB names a PostgreSQL database, whose driver is not installed",
            found=str(error),
            do="Install it: `pip install 'triage-assets[postgres]'`.",
        ) from None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if _is_write(connection):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(busy_seconds * 1000)}")
        elif _is_read(connection):
            # By default each statement of a transaction sees another state.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    return engine


def _postgresql_arguments(url: URL) -> dict[str, object]:
    return {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}


def _make_sqlite_engine(url: URL, busy_seconds: float) -> Engine:
    path = Path(str(url.database))

    def connect() -> sqlite3.Connection:
        # A file that is gone is an error, not a new database: only `open_review` makes one. A file in a folder that may
        # only be read, where SQLite cannot put its log, is opened as one that nobody writes to, if nobody does.
        quoted = quote(str(path.absolute()))
        try:
            return _connect_sqlite(f"file:{quoted}?mode=rw", busy_seconds)
        except sqlite3.OperationalError as error:
            has_log = Path(f"{path}-wal").exists()
            if has_log or not path.exists() or _family(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            return _connect_sqlite(f"file:{quoted}?mode=ro&immutable=1", busy_seconds)

    engine = create_engine(url, creator=connect, pool_timeout=busy_seconds)

    @event.listens_for(engine, "connect")
    def _remember_file(_: object, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = _file_number(path)

    @event.listens_for(engine, "checkout")
    def _refuse_another_file(_: object, entry: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
        # SQLite goes on writing to a file that was deleted or replaced, and every decision would be lost.
        if entry.info["file"] != _file_number(path):
            raise DisconnectionError("the file is another one now")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that begins by reading could not become a writing one beside another.
        is_write = _is_write(connection)
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if is_write else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine


def _connect_sqlite(address: str, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address,
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,  # the driver's own BEGIN would come too late
        check_same_thread=False,  # the pool gives a connection to one thread at a time
    )
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        # With a write-ahead log, anything less may lose the last decisions at a power failure.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA cache_size=-{_SQLITE_CACHE_KB}")
        connection.execute("PRAGMA schema_version").fetchone()  # the first to look into the file
    except BaseException:
        connection.close()
        raise
    return connection


def _file_number(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_write(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("is_write", False))


def _is_read(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("is_read", False))


@contextmanager
def driver_errors(engine: Engine) -> Iterator[None]:
    """Say in the project's words what a driver says in its own.

    Faults of this project (a statement that cannot be, a constraint that it did not respect) pass as they are.
    """
    try:
        yield
    except NoFreeConnection as error:
        raise ReviewBusy(
            f"Every connection to the review database {describe(engine.url)} is in use",
            found=str(error),
            do="Try again.",
        ) from error
    except (DBAPIError, sqlite3.Error) as error:
        translated = _translate(engine, error)
        if translated is None:
            raise
        raise translated from error


def _translate(engine: Engine, error: DBAPIError | sqlite3.Error) -> ReviewUnavailable | None:
    kind = _sqlite_kind(error) if is_sqlite(engine) else _postgresql_kind(error)
    if kind is None:
        return None
    said = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    secret = engine.url.password or engine.url.query.get("password")
    what, do = _IN_WORDS[kind]
    return kind(
        what.format(describe(engine.url)), found=(said.replace(str(secret), "***") if secret else said)[:300], do=do
    )


_IN_WORDS: dict[type[ReviewUnavailable], tuple[str, str]] = {
    ReviewBusy: ("The review database {} is in use by another writer", "Try again."),
    ReviewReadOnly: (
        "The review database {} may be read and not written",
        "Allow this user to write it (for SQLite its folder too), or name another in TRIAGE_REVIEW_DB.",
    ),
    ReviewUnavailable: (
        "The review database {} cannot be used",
        "Look whether it is there, whole and open to this user; TRIAGE_REVIEW_DB names it.",
    ),
}


def _sqlite_kind(error: DBAPIError | sqlite3.Error) -> type[ReviewUnavailable] | None:
    family = _family(error.orig if isinstance(error, DBAPIError) else error)
    if family in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ReviewBusy
    if family in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return ReviewReadOnly
    gone = (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_NOMEM,
    )
    return ReviewUnavailable if family in gone else None


def _family(error: BaseException | None) -> int:
    """The primary code of an SQLite error: an extended one keeps it in its low byte."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _postgresql_kind(error: DBAPIError | sqlite3.Error) -> type[ReviewUnavailable] | None:
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    if state in ("55P03", "40P01", "40001"):  # no lock in time, a deadlock, not serializable
        return ReviewBusy
    if state in ("25006", "42501"):  # a read-only transaction, no privilege
        return ReviewReadOnly
    # Connection, authorization, no such database, resources, shutdown, the system below: each class by its first two.
    if error.connection_invalidated or (state or "")[:2] in ("08", "28", "3D", "53", "57", "58"):
        return ReviewUnavailable
    return ReviewUnavailable if state is None and isinstance(error, OperationalError) else None
