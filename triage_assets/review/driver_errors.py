"""From a driver's errors to the project's.

What lives here: which of them say that a database cannot be used, and in what words. What does not: connecting
(`engines`), and what is done about it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from triage_assets.errors import ReviewBusy, ReviewReadOnly, ReviewUnavailable
from triage_assets.review.engines import describe, is_sqlite, primary_code
from triage_assets.review.models import Base


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
    family = primary_code(error.orig if isinstance(error, DBAPIError) else error)
    if family == sqlite3.SQLITE_ERROR and "no such table" in str(error):
        return _if_of_this_project(str(error.orig if isinstance(error, DBAPIError) else error))
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


def _postgresql_kind(error: DBAPIError | sqlite3.Error) -> type[ReviewUnavailable] | None:
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    if state in ("55P03", "40P01", "40001"):  # no lock in time, a deadlock, not serializable
        return ReviewBusy
    if state in ("25006", "42501"):  # a read-only transaction, no privilege
        return ReviewReadOnly
    if state == "42P01":  # no such table
        return _if_of_this_project(str(error.orig).partition("\n")[0])  # without the statement, which is quoted below
    # A session that the server ended because it stood still in the middle of a transaction; connection, authorization,
    # no such database, resources, shutdown, the system below: each class by its first two.
    if state == "25P03" or error.connection_invalidated or (state or "")[:2] in ("08", "28", "3D", "53", "57", "58"):
        return ReviewUnavailable
    return ReviewUnavailable if state is None and isinstance(error, OperationalError) else None


def _if_of_this_project(said: str) -> type[ReviewUnavailable] | None:
    """A table of this project that is missing was there when the database was opened: it was emptied or replaced."""
    return ReviewUnavailable if any(name in said for name in (*Base.metadata.tables, "alembic_version")) else None
