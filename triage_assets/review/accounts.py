"""Accounts in the review database: who may log in, as what, and which sessions are over.

What lives here: reading and changing them. What does not: passwords and their hashes (`passwords`), cookies and who is
asked to log in (`triage_viewer.access`).

An account belongs to a reviewer, so that what somebody decides is theirs whichever way they came in. Each account has a
key of its own that its sessions are signed with: a new password brings a new key, which ends every session.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Row, Select, delete, exists, func, insert, select, update

from triage_assets.errors import InvalidAccount
from triage_assets.review.account_records import Account, Role, clean_name, name_key
from triage_assets.review.database import ReviewDatabase, Write
from triage_assets.review.driver_errors import driver_errors
from triage_assets.review.engines import is_sqlite, sqlite_path
from triage_assets.review.models import AccountRow, EndedSession, Reviewer, ReviewState
from triage_assets.review.reviewers import reviewer_id

_KEY_BYTES = 32
_OTHERS = 0o007


class Accounts:
    """The accounts of a review database. Names are compared without regard to case; threads may share this.

    Everything raises `ReviewUnavailable` and its children; what is about one account raises `InvalidAccount` where
    there is none of that name.
    """

    def __init__(self, review: ReviewDatabase) -> None:
        self._review = review

    def add(self, name: str, role: Role, password_hash: str) -> Account:
        """A new account; somebody who has decided here under that name before keeps it as it was written then."""
        key = name_key(name)
        with self._write() as write:
            if write.connection.execute(select(AccountRow.name_key).where(AccountRow.name_key == key)).first():
                raise InvalidAccount(
                    f"There is an account called {clean_name(name)!r} already",
                    do="Change it with `triage users password` or `triage users role`, or remove it first.",
                )
            row = {
                "reviewer_id": reviewer_id(write, _known_spelling(write, name)),
                "name_key": key,
                "role": role,
                "password_hash": password_hash,
                "session_key": secrets.token_bytes(_KEY_BYTES),
                "created_at": write.now,
            }
            write.connection.execute(insert(AccountRow).values(row))
            return _as_account(write.connection.execute(_accounts(AccountRow.name_key == key)).one())

    def set_password(self, name: str, password_hash: str) -> None:
        """Another password; whoever is logged in with the old one no longer is."""
        self._change(name, password_hash=password_hash, session_key=secrets.token_bytes(_KEY_BYTES))

    def set_role(self, name: str, role: Role) -> None:
        """Another role, at once for those who are logged in."""
        self._change(name, role=role)

    def remove(self, name: str) -> None:
        """End an account and its sessions; what its owner decided stays theirs."""
        with self._write() as write:
            removed = delete(AccountRow).where(AccountRow.name_key == name_key(name)).returning(AccountRow.name_key)
            if write.connection.execute(removed).first() is None:
                raise _nobody(name)

    def all(self) -> tuple[Account, ...]:
        """Every account, by name."""
        with self._review.read() as connection:
            return tuple(map(_as_account, connection.execute(_accounts().order_by(AccountRow.name_key))))

    def count(self) -> int:
        """How many there are."""
        with self._review.read() as connection:
            return connection.execute(select(func.count()).select_from(AccountRow)).scalar_one()

    def find(self, name: str) -> Account | None:
        """The account of that name, None where there is none."""
        try:
            key = name_key(name)
        except InvalidAccount:
            return None
        with self._review.read() as connection:
            row = connection.execute(_accounts(AccountRow.name_key == key)).first()
        return None if row is None else _as_account(row)

    def find_open(self, reviewer_id: int, session_id: str) -> Account | None:
        """The account that a session says it is of; None where there is none, or that session was ended."""
        has_ended = exists().where(EndedSession.session_id == session_id)
        with self._review.read() as connection:
            row = connection.execute(_accounts(AccountRow.reviewer_id == reviewer_id, ~has_ended)).first()
        return None if row is None else _as_account(row)

    def end_session(self, session_id: str, forget_at: datetime) -> None:
        """Let a session be over; it need not be remembered once it could not go on anyhow."""
        with self._write() as write:
            write.connection.execute(delete(EndedSession).where(EndedSession.forget_at <= write.now))
            known = select(EndedSession.session_id).where(EndedSession.session_id == session_id)
            if write.connection.execute(known).first() is None:
                ended = insert(EndedSession).values(session_id=session_id, forget_at=forget_at)
                write.connection.execute(ended)

    def keep_from_others(self) -> bool:
        """Take the file of an SQLite database from whoever is neither its owner nor in its group; whether that was new.

        It holds hashes and keys now. Raises `OSError` where this user may not.
        """
        if not is_sqlite(self._review.engine):
            return False
        # The files of the log get the rights of the database when SQLite makes them; these may be there already.
        path = sqlite_path(self._review.engine)
        open_to_others = [
            each
            for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
            if each.exists() and each.stat().st_mode & _OTHERS
        ]
        for each in open_to_others:
            each.chmod(each.stat().st_mode & 0o7777 & ~_OTHERS)
        return bool(open_to_others)

    def _change(self, name: str, **values: object) -> None:
        with self._write() as write:
            changed = update(AccountRow).where(AccountRow.name_key == name_key(name)).values(**values)
            if write.connection.execute(changed.returning(AccountRow.name_key)).first() is None:
                raise _nobody(name)

    @contextmanager
    def _write(self) -> Iterator[Write]:
        """One write at a time, as of a decision, but without a number: no snapshot shows accounts."""
        engine = self._review.engine
        with driver_errors(engine), engine.connect() as connection:
            connection = connection.execution_options(is_write=True)
            with connection.begin():
                locked = update(ReviewState).values(revision=ReviewState.revision).returning(ReviewState.revision)
                yield Write(connection, connection.execute(locked).scalar_one(), datetime.now(UTC))


_Columns = tuple[int, str, str, datetime, str, bytes]


def _accounts(*conditions: ColumnElement[bool]) -> Select[_Columns]:
    query = select(
        AccountRow.reviewer_id,
        Reviewer.name,
        AccountRow.role,
        AccountRow.created_at,
        AccountRow.password_hash,
        AccountRow.session_key,
    )
    return query.join(Reviewer, Reviewer.id == AccountRow.reviewer_id).where(*conditions)


def _as_account(row: Row[_Columns]) -> Account:
    number, name, role, created_at, password_hash, session_key = row
    return Account(number, name, Role(role), created_at, password_hash, bytes(session_key))


def _known_spelling(write: Write, name: str) -> str:
    """The name as somebody has decided under it before: as it is given if they have, else the oldest of its spellings.

    Two reviewers whose names differ in case alone can only have one account, which is then the first one's.
    """
    name, key = clean_name(name), name_key(name)
    names = write.connection.execute(select(Reviewer.name).order_by(Reviewer.id)).scalars().all()
    return name if name in names else next((each for each in names if _key_or_none(each) == key), name)


def _key_or_none(name: str) -> str | None:
    try:
        return name_key(name)
    except InvalidAccount:  # a reviewer by the name of an operating system's user may have any
        return None


def _nobody(name: str) -> InvalidAccount:
    return InvalidAccount(f"There is no account called {clean_name(name)!r}", do="See `triage users list`.")
