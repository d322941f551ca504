"""From the URL of a review database to an engine.

What lives here: which databases are taken, how each is connected to and how its transactions begin, what it is called
in messages. What does not: its tables and versions, what a transaction is for, and a driver's errors (`driver_errors`).
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from triage_assets.errors import ReviewBusy, SettingsError

# The longest write is the first assignment of a large backlog: 30 s for a million sequences.
BUSY_SECONDS = 60.0
_CONNECT_SECONDS = 10
# What a PostgreSQL server does for itself about holders of locks: one whose machine is gone is given up after a minute,
# one that stands still in the middle after five. The longest pause of a sound one is the planning of an assignment that
# has to be planned again, some 30 s for a million sequences.
_SERVER_SETTINGS = {
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
    "idle_in_transaction_session_timeout": 300_000,
}
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
    if backend == "sqlite" and url.query:
        # A mode=ro that nobody heeds would be worse than none.
        raise _wrong_url(f"an SQLite database with parameters ({', '.join(sorted(url.query))}), which it takes none of")
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
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_wait_milliseconds(connection, busy_seconds)}")
        elif _is_read(connection):
            # By default each statement of a transaction sees another state.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    return engine


def _postgresql_arguments(url: URL) -> dict[str, object]:
    given = url.query.get("options", "")
    options = [f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items()]
    options += [given] if isinstance(given, str) else given  # last, so what somebody asks for holds
    arguments: dict[str, object] = {"options": " ".join(options)}
    return arguments if "connect_timeout" in url.query else arguments | {"connect_timeout": _CONNECT_SECONDS}


def _make_sqlite_engine(url: URL, busy_seconds: float) -> Engine:
    path = Path(str(url.database))

    def connect() -> _FileConnection:
        # A file that is gone is an error, not a new database: only `open_review` makes one. A file in a folder that may
        # only be read, where SQLite cannot put its log, is opened as one that nobody writes to, if nobody does.
        try:
            return _connect_sqlite(path, "mode=rw", busy_seconds)
        except sqlite3.OperationalError as error:
            seen = _look_at(path)
            is_locked_up = primary_code(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            if seen is None or seen.has_log or not is_locked_up:
                raise
            unchanging = _connect_sqlite(path, "mode=ro&immutable=1", busy_seconds)
            unchanging.seen = seen
            return unchanging

    engine = create_engine(url, creator=connect, pool_timeout=busy_seconds)

    @event.listens_for(engine, "connect")
    def _remember_file(_: object, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = _file_number(path)

    @event.listens_for(engine, "checkout")
    def _refuse_another_file(opened: _FileConnection, entry: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        # SQLite goes on writing to a file that was deleted or replaced, and every decision would be lost; and to a file
        # that it was told nobody changes it does not look twice.
        if entry.info["file"] != _file_number(path):
            raise DisconnectionError("the file is another one now")
        if opened.has_changed(path):
            raise DisconnectionError("the file has changed")

    @event.listens_for(engine, "commit")
    def _refuse_a_mixture(connection: Connection) -> None:
        opened = connection.connection.dbapi_connection
        if isinstance(opened, _FileConnection) and opened.has_changed(path):
            raise ReviewBusy(
                f"The review database {path} was written to while it was read from a folder without write permission",
                do="Try again.",
            )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that begins by reading could not become a writing one beside another.
        is_write = _is_write(connection)
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_wait_milliseconds(connection, busy_seconds)}")
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if is_write else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine


@dataclass(frozen=True, slots=True)
class _FileState:
    """What changes about a file when a database in it does."""

    size: int
    modified_ns: int
    has_log: bool


def _look_at(path: Path) -> _FileState | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _FileState(found.st_size, found.st_mtime_ns, Path(f"{path}-wal").exists())


class _FileConnection(sqlite3.Connection):
    """``seen`` is how the file was when it was opened as one that nobody writes to; None where SQLite looks itself."""

    seen: _FileState | None = None

    def has_changed(self, path: Path) -> bool:
        """Whether what this connection shows of the file may be out of date."""
        return self.seen is not None and self.seen != _look_at(path)


def _connect_sqlite(path: Path, how: str, busy_seconds: float) -> _FileConnection:
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{how}",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,  # the driver's own BEGIN would come too late
        check_same_thread=False,  # the pool gives a connection to one thread at a time
        factory=_FileConnection,
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


def _wait_milliseconds(connection: Connection, otherwise_seconds: float) -> int:
    """How long a transaction waits for another; at least 1, because 0 means for ever to one of the databases."""
    seconds: float = connection.get_execution_options().get("wait_seconds", otherwise_seconds)
    return max(1, int(seconds * 1000))


def primary_code(error: BaseException | None) -> int:
    """The primary code of an SQLite error: an extended one keeps it in its low byte."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
