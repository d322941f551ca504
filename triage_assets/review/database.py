"""The review database as a whole: opening it by URL, and transactions that see one state.

What lives here: read and write transactions, and the lock of the one assignment. What does not: connecting (`engines`),
versions (`versions`), tables (`models`), and what is read or written in a transaction.

A write begins by locking the one row of `review_state` and counting it up, so writes happen one after the other and a
reader of revision N sees everything up to N. It draws a token, which no other write has, not even of a restored copy.
Writers of one process wait for their turn without a connection, so that however many they are, readers have theirs.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from sqlalchemy import Connection, Engine, func, insert, select, update

from triage_assets.errors import ReviewBusy, ReviewUnavailable
from triage_assets.review.driver_errors import driver_errors
from triage_assets.review.engines import BUSY_SECONDS, describe, make_engine, parse_url
from triage_assets.review.models import DecisionRow, ReviewState, SequenceGroup, WriteToken
from triage_assets.review.versions import bring_up_to_date, read_version, require_current
from triage_assets.review.writer_lock import try_lock


@dataclass(frozen=True, slots=True)
class Write:
    """A write transaction under way: its connection, the number it has, and the one time that it stamps."""

    connection: Connection
    revision: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """The version of a database's tables, and how much is in them."""

    version: str
    n_groups: int
    n_decisions: int


class ReviewDatabase:
    """A review database of this version, to be opened with `open_review`. Threads may share it."""

    def __init__(self, engine: Engine, busy_seconds: float = BUSY_SECONDS) -> None:
        self.engine = engine
        self._busy_seconds = busy_seconds
        self._turn = Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one state, waits for no writer and cannot write. Raises `ReviewUnavailable`."""
        with driver_errors(self.engine), self.engine.connect() as connection:
            connection = connection.execution_options(is_read=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self, *, busy_seconds: float = BUSY_SECONDS) -> Iterator[Write]:
        """A transaction that may change anything, one at a time; an exception inside undoes all of it.

        It waits at most ``busy_seconds`` for those before it, and no longer than the database was opened to wait.
        Raises `ReviewUnavailable`, its children `ReviewBusy` and `ReviewReadOnly`, and `NewerFormat` where somebody has
        migrated the database since it was opened.
        """
        with self._in_turn(busy_seconds) as connection:
            yield Write(connection, _count_up(connection), datetime.now(UTC))

    @contextmanager
    def try_assignment_lock(self) -> Iterator[bool]:
        """Whether this is the only assignment anywhere, and it stays so until the block ends or the process does.

        Never waits, and keeps nobody from reading or writing. Raises `ReviewUnavailable` and its children.
        """
        with driver_errors(self.engine), try_lock(self.engine) as is_held:
            yield is_held

    @property
    def name(self) -> str:
        """Where it is, without any secret."""
        return describe(self.engine.url)

    def require_writable(self) -> None:
        """Begin a write and undo it. Raises what `write` raises."""
        with self._in_turn(self._busy_seconds) as connection:
            _count_up(connection)
            connection.rollback()

    def contents(self) -> Contents:
        """What is in it."""
        with self.read() as connection:
            n_groups, n_decisions = (
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (SequenceGroup, DecisionRow)
            )
            return Contents(str(read_version(connection)), n_groups, n_decisions)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _in_turn(self, busy_seconds: float) -> Iterator[Connection]:
        """A transaction that may write, once those before it in this process and elsewhere have ended."""
        patience_seconds = min(busy_seconds, self._busy_seconds)
        deadline = time.monotonic() + patience_seconds
        if not self._turn.acquire(timeout=patience_seconds):
            raise ReviewBusy(
                f"The review database {self.name} is in use by another writer",
                found=f"no turn within {patience_seconds:g} s",
                do="Try again.",
            )
        try:
            with driver_errors(self.engine), self.engine.connect() as pooled:
                wait_seconds = max(deadline - time.monotonic(), 0)
                connection = pooled.execution_options(is_write=True, wait_seconds=wait_seconds)
                with connection.begin():
                    yield connection
        finally:
            self._turn.release()


def _count_up(connection: Connection) -> int:
    """Lock out every other writer, see whether this is still the database that was opened, and give the next number."""
    counted = update(ReviewState).values(revision=ReviewState.revision + 1).returning(ReviewState.revision)
    revision = connection.execute(counted).scalar_one_or_none()
    require_current(connection)
    if revision is None:
        raise ReviewUnavailable(
            f"The review database {describe(connection.engine.url)} was emptied while it was open",
            found="no row in review_state",
            do="Restore it, or start this program again.",
        )
    connection.execute(insert(WriteToken).values(revision=revision, token=uuid.uuid4().hex))
    return revision


def open_review(url: str, *, busy_seconds: float = BUSY_SECONDS) -> ReviewDatabase:
    """The database at an SQLAlchemy URL, created and migrated to this version where needed.

    A write waits ``busy_seconds`` for the one before it. Raises `SettingsError` for a URL that names no database of
    this project, `NewerFormat`, and `ReviewUnavailable` with its children.
    """
    engine = make_engine(parse_url(url), busy_seconds)
    try:
        with driver_errors(engine):
            bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return ReviewDatabase(engine, busy_seconds)
