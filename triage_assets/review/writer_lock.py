"""The lock of the one assignment: across processes and machines, never waited for, and gone with its holder.

What lives here: the lock on both kinds of database. What does not: the order of writes, which every write transaction
keeps by itself, so that people's decisions go on while an assignment runs.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from triage_assets.errors import ReviewReadOnly, ReviewUnavailable
from triage_assets.review.engines import is_sqlite, sqlite_path

# PostgreSQL keeps such locks per database, so any number will do as long as nothing else in it locks the same.
_KEY = 4_208_731_002


@contextmanager
def try_lock(engine: Engine) -> Iterator[bool]:
    """Whether the lock was free and is now held until the block ends. Raises `ReviewUnavailable`, `ReviewReadOnly`."""
    locked = _lock_file(sqlite_path(engine)) if is_sqlite(engine) else _lock_session(engine)
    with locked as is_held:
        yield is_held


@contextmanager
def _lock_session(engine: Engine) -> Iterator[bool]:
    with engine.connect() as pooled:
        # Outside any transaction: one that stays open would keep PostgreSQL from clearing up after everybody's writes.
        connection = pooled.execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # closed for certain at the end, and the lock with it
        is_held = bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_KEY})").scalar_one())
        try:
            yield is_held
        finally:
            # The server notices a closed connection a little later, and the next assignment would find the lock held.
            if is_held:
                with suppress(DBAPIError):
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_KEY})")


@contextmanager
def _lock_file(database: Path) -> Iterator[bool]:
    path = database.with_name(f"{database.name}.assigning")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        kind = ReviewReadOnly if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else ReviewUnavailable
        raise kind(
            f"The review database {database} cannot be locked for an assignment",
            found=f"{path.name}: {error.strerror}",
            do="Make its folder writable, or name another place in TRIAGE_REVIEW_DB.",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
