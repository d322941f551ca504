"""What is at the URL of a review database, and whether people have decided anything since somebody last looked.

What lives here: cheap looks that create and migrate nothing. What does not: what was decided (`audit`).
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, select

from triage_assets.errors import ReviewBusy, ReviewReadOnly
from triage_assets.groups.records import DatabaseState
from triage_assets.review.database import Contents, ReviewDatabase
from triage_assets.review.engines import describe, make_engine, parse_url
from triage_assets.review.models import (
    DecisionRow,
    ReviewSequence,
    ReviewState,
    SequenceAnnotation,
    SequenceGroup,
    WriteToken,
)
from triage_assets.review.records import Action
from triage_assets.review.versions import is_current, read_version


@dataclass(frozen=True, slots=True)
class Examination:
    """A database as it stands: ``version`` is None where nobody has made one, ``contents`` where it is not this one's.

    ``is_in_use`` tells that somebody was writing for longer than there was time to wait.
    """

    name: str
    version: str | None
    is_current: bool
    is_in_use: bool
    contents: Contents | None


def is_there(url: str) -> bool:
    """Whether somebody has made a review database at this URL. Raises `ReviewUnavailable`."""
    with _look(url) as connection:
        return connection is not None


def has_annotations(url: str) -> bool:
    """Whether there is a review database, and any annotation in it. Raises `ReviewUnavailable`."""
    with _look(url) as connection:
        return (
            connection is not None
            and connection.execute(select(SequenceAnnotation.sequence_id).limit(1)).first() is not None
        )


def is_unused(url: str, other_than: DatabaseState | None) -> bool:
    """Whether nobody has grouped or decided anything in the database at this URL, or nobody has made one.

    The database that ``other_than`` is a state of is in use, however empty it is. Raises `ReviewUnavailable`.
    """
    with _look(url) as connection:
        if connection is None:
            return True
        identity = connection.execute(select(ReviewState.database_id)).scalar()
        if other_than is not None and identity == other_than.database_id:
            return False
        used = (ReviewSequence.id, SequenceGroup.id, DecisionRow.id)
        return all(connection.execute(select(key).limit(1)).first() is None for key in used)


def last_decision(url: str) -> str | None:
    """A text that changes with every decision of a person; None where there is no database or nobody has decided.

    It is another one too where the database was restored from a copy and as much was decided since. Raises
    `ReviewUnavailable`.
    """
    with _look(url) as connection:
        if connection is None:
            return None
        decided = select(DecisionRow.id, WriteToken.token).outerjoin(
            WriteToken, WriteToken.revision == DecisionRow.revision
        )
        by_people = decided.where(DecisionRow.action != Action.INHERIT)
        newest = connection.execute(by_people.order_by(DecisionRow.id.desc()).limit(1)).one_or_none()
        identity = connection.execute(select(ReviewState.database_id)).scalar()
    return None if newest is None else f"{identity}/{newest.id}/{newest.token}"


def examine(url: str, *, busy_seconds: float) -> Examination:
    """What a program that opened the database would find, and whether it could write. Nothing is changed.

    Raises `SettingsError`, `NewerFormat`, and `ReviewUnavailable` with its children; not `ReviewBusy`, which is found.
    """
    parsed = parse_url(url)
    if _is_file(parsed) and not _path(parsed).exists():
        _require_place(_path(parsed))
        return Examination(describe(parsed), version=None, is_current=False, is_in_use=False, contents=None)
    with closing(ReviewDatabase(make_engine(parsed, busy_seconds), busy_seconds)) as review:
        with review.read() as connection:
            version, is_this = read_version(connection), is_current(connection)
        if not is_this:
            return Examination(review.name, version, is_current=False, is_in_use=False, contents=None)
        try:
            review.require_writable()
        except ReviewBusy:
            is_in_use = True
        else:
            is_in_use = False
        return Examination(review.name, version, is_current=True, is_in_use=is_in_use, contents=review.contents())


def _require_place(path: Path) -> None:
    """A new file, and the folders that it needs, can be made here."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ReviewReadOnly(
            f"The review database {path} cannot be created",
            found=f"{folder} is no folder" if not folder.is_dir() else f"no permission to write {folder}",
            do="Make its folder writable, or name another place in TRIAGE_REVIEW_DB.",
        )


@contextmanager
def _look(url: str) -> Iterator[Connection | None]:
    """A connection that reads, or None where there is no file, or a database without this project's tables."""
    parsed = parse_url(url)
    if _is_file(parsed) and not _path(parsed).exists():
        yield None
        return
    with closing(ReviewDatabase(make_engine(parsed))) as review, review.read() as connection:
        yield connection if inspect(connection).has_table(ReviewState.__tablename__) else None


def _is_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _path(url: URL) -> Path:
    return Path(str(url.database))
