"""Transactions of the review database, and what it says when it cannot be used."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from tests.databases import PostgresServer, serve_postgres
from tests.review.rows import add_group, add_sequence
from triage_assets.errors import ReviewBusy, ReviewReadOnly, ReviewUnavailable, SettingsError
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.models import ReviewSequence, ReviewState


def revision(connection: Connection) -> int:
    return connection.execute(select(ReviewState.revision)).scalar_one()


def read_revision(review: ReviewDatabase) -> int:
    with review.read() as connection:
        return revision(connection)


def test_each_write_has_the_next_number(review: ReviewDatabase) -> None:
    numbers = []
    for _ in range(3):
        with review.write() as write:
            numbers.append(write.revision)
    assert numbers == [1, 2, 3]
    assert read_revision(review) == 3


def test_an_exception_undoes_all_of_a_write(review: ReviewDatabase) -> None:
    with pytest.raises(KeyError), review.write() as write:
        add_sequence(write.connection, 1)
        raise KeyError
    with review.read() as connection:
        assert connection.execute(select(ReviewSequence.id)).all() == []
        assert revision(connection) == 0


def test_a_reader_sees_one_state_while_others_write(review: ReviewDatabase) -> None:
    with review.read() as connection:
        before = revision(connection)
        with review.write() as write:
            add_sequence(write.connection, 1)
        assert revision(connection) == before
        assert connection.execute(select(ReviewSequence.id)).all() == []
    assert read_revision(review) == before + 1


def test_a_reader_waits_for_no_writer(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_sequence(write.connection, 1)
        assert read_revision(review) == 0


def test_a_reader_cannot_write(review: ReviewDatabase) -> None:
    with pytest.raises(ReviewReadOnly), review.read() as connection:
        add_sequence(connection, 1)
    with review.write() as write:  # and a connection that was read from can be written with again
        add_sequence(write.connection, 1)


def test_a_writer_that_waits_too_long_is_told_to_try_again(review: ReviewDatabase, review_url: str) -> None:
    with closing(open_review(review_url, busy_seconds=0.2)) as impatient, review.write():
        waiting = impatient.write()
        with pytest.raises(ReviewBusy, match=r"is in use by another writer; found .*\. Try again\."):
            waiting.__enter__()
    with review.write() as write:
        assert write.revision == 2


def test_a_broken_promise_is_a_fault_of_ours_and_says_so(review: ReviewDatabase) -> None:
    with pytest.raises(IntegrityError), review.write() as write:
        add_sequence(write.connection, 1, group_id=9)


def test_a_statement_that_cannot_be_is_a_fault_of_ours_and_says_so(review: ReviewDatabase) -> None:
    with pytest.raises((OperationalError, ProgrammingError), match="nowhere"), review.read() as connection:
        connection.execute(text("SELECT * FROM nowhere"))


# On SQLite, what power loss and other users of the file mean.


@pytest.fixture
def path(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """The file of a database of this version."""
    return Path(shutil.copyfile(migrated_sqlite, tmp_path / "review.sqlite"))


def pragma(review: ReviewDatabase, name: str) -> object:
    with review.read() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_sqlite_keeps_a_log_syncs_each_decision_and_checks_references(path: Path) -> None:
    with closing(open_review(f"sqlite:///{path}")) as review:
        assert pragma(review, "journal_mode") == "wal"
        assert pragma(review, "synchronous") == 2  # FULL
        assert pragma(review, "foreign_keys") == 1


@contextmanager
def as_nobody(*folders: Path) -> Iterator[None]:
    """Without the rights of root, who may write whatever is read-only."""
    if os.getuid():
        yield
        return
    for folder in folders:
        for parent in (folder, *folder.parents):
            if parent.stat().st_mode & 0o005 != 0o005:
                parent.chmod(parent.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("locked", ["file", "folder", "both"])
def test_a_database_that_may_not_be_written_can_be_read(path: Path, locked: str) -> None:
    folder = path.parent / "kept"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    path = Path(shutil.move(path, folder / path.name))
    path.chmod(0o666 if locked == "folder" else 0o444)
    folder.chmod(0o777 if locked == "file" else 0o555)
    with as_nobody(folder), closing(open_review(f"sqlite:///{path}")) as review:
        assert read_revision(review) == 0
        with pytest.raises(ReviewReadOnly, match=r"may be read and not written; found .* Allow this user"):
            review.write().__enter__()
        if locked != "file":
            with pytest.raises(ReviewReadOnly, match="cannot be locked for an assignment"):
                review.try_assignment_lock().__enter__()
    folder.chmod(0o777)


def test_a_read_only_disk_can_be_read(path: Path, small_disk: Path) -> None:
    moved = shutil.copyfile(path, small_disk / "review.sqlite")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with closing(open_review(f"sqlite:///{moved}")) as review:
        assert read_revision(review) == 0
        with pytest.raises(ReviewReadOnly):
            review.write().__enter__()
    with pytest.raises(ReviewReadOnly, match=r"cannot be created; found Read-only file system\. Make its folder"):
        open_review(f"sqlite:///{small_disk}/new/review.sqlite")


@pytest.mark.parametrize("small_disk", ["2m"], indirect=True)
def test_a_disk_that_fills_up_loses_nothing_that_was_written(path: Path, small_disk: Path) -> None:
    full = shutil.copyfile(path, small_disk / "review.sqlite")
    with closing(open_review(f"sqlite:///{full}")) as review:
        with review.write() as write:
            add_sequence(write.connection, 1)
        with pytest.raises(ReviewUnavailable, match=r"full|I/O"), review.write() as write:
            for number in range(2, 20_000):
                add_sequence(write.connection, number, first_boxes=[[0.1, 0.2, 0.3, 0.4, 0.5]] * 20)
        with review.read() as connection:
            assert connection.execute(select(ReviewSequence.id)).scalars().all() == [1]


@pytest.mark.parametrize("act", ["read", "write"])
def test_a_file_that_is_gone_is_not_written_to_as_if_it_were_there(path: Path, act: str) -> None:
    with closing(open_review(f"sqlite:///{path}")) as review:
        read_revision(review)
        for each in path.parent.glob("review.sqlite*"):
            each.unlink()
        with pytest.raises(ReviewUnavailable, match="cannot be used; found unable to open database file"):
            getattr(review, act)().__enter__()
        assert not path.exists()


def test_a_file_that_was_put_back_from_a_backup_is_what_is_read(path: Path, migrated_sqlite: Path) -> None:
    with closing(open_review(f"sqlite:///{path}")) as review:
        with review.write():
            pass
        for each in path.parent.glob("review.sqlite*"):
            each.unlink()
        shutil.copyfile(migrated_sqlite, path)
        assert read_revision(review) == 0


def test_a_damaged_file_is_said_to_be_damaged(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(ReviewUnavailable, match="malformed"):
        open_review(f"sqlite:///{path}")


# On PostgreSQL, what a server can do.


def test_a_database_that_takes_no_writes_can_be_read(postgres: PostgresServer, migrated_postgres: str) -> None:
    url = postgres.create_database(migrated_postgres)
    name = url.partition("@/")[2].partition("?")[0]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with closing(open_review(url)) as review:
        assert read_revision(review) == 0
        with pytest.raises(ReviewReadOnly, match="found cannot execute UPDATE in a read-only transaction"):
            review.write().__enter__()
    postgres.drop_database(url)


def test_a_user_who_may_only_read_can_read(postgres: PostgresServer, migrated_postgres: str) -> None:
    url = postgres.create_database(migrated_postgres)
    name = url.partition("@/")[2].partition("?")[0]
    postgres.execute(f"CREATE ROLE reader_{name} LOGIN")
    postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{name}", name)
    with closing(open_review(url.replace("triage@", f"reader_{name}@"))) as review:
        assert read_revision(review) == 0
        with pytest.raises(ReviewReadOnly, match="permission denied"):
            review.write().__enter__()
    postgres.drop_database(url)
    postgres.execute(f"DROP ROLE reader_{name}")


def test_a_server_that_stops_in_the_middle_is_named_and_nothing_is_half_written() -> None:
    with serve_postgres() as server:
        url = server.url("postgres")
        with closing(open_review(url)) as review:
            with (
                pytest.raises(ReviewUnavailable, match=r"cannot be used; found .*(terminating|closed)"),
                review.write() as write,
            ):
                add_sequence(write.connection, 1)
                server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend'"
                )
                add_sequence(write.connection, 2)
            with review.read() as connection:  # it is back
                assert connection.execute(select(ReviewSequence.id)).all() == []
    with pytest.raises(ReviewUnavailable, match=r"cannot be used; found .*connection"):
        open_review(url)


# Settings that name no database, and secrets in those that do.


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("review.sqlite", "it is no URL"),  # a path
        ("postgresql://ana:my@secret:pass@host:port/x", "it is no URL"),  # not percent-encoded
        ("mysql://ana:secret@host/x", "a database of kind 'mysql'"),
        ("nonsense://ana:secret@host/x", "a database of kind 'nonsense'"),
        ("postgresql+psycopg2://ana:secret@host/x", "the driver 'psycopg2'"),
        ("sqlite://", "no file"),
        ("sqlite:///:memory:", "no file"),
        ("sqlite:///file:x?mode=memory&uri=true", "no file"),
    ],
)
def test_a_url_that_names_no_database_is_refused_without_being_quoted(url: str, found: str) -> None:
    with pytest.raises(SettingsError, match=f"TRIAGE_REVIEW_DB does not name .*{found}") as refusal:
        open_review(url)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize("place", ["ana:hunter2@localhost:1/x", "localhost:1/x?user=ana&password=hunter2"])
def test_no_message_holds_the_password(scheme: str, place: str) -> None:
    with pytest.raises(ReviewUnavailable) as refusal:
        open_review(f"{scheme}://{place}")
    message = f"{refusal.value} {refusal.value.__cause__}"
    assert "hunter2" not in message
    assert "postgresql://localhost:1/x cannot be used; found connection failed" in message


def test_a_missing_driver_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install 'triage-assets\[postgres\]'"):
        open_review("postgresql://localhost/x")


def test_a_server_that_refuses_the_login_is_unavailable(postgres: PostgresServer) -> None:
    with pytest.raises(ReviewUnavailable, match='role "nobody" does not exist'):
        open_review(postgres.url("postgres").replace("triage@", "nobody@"))


def test_a_database_that_the_server_does_not_have_is_unavailable(postgres: PostgresServer) -> None:
    with pytest.raises(ReviewUnavailable, match='database "nowhere" does not exist'):
        open_review(postgres.url("nowhere"))


def test_the_file_of_a_new_database_is_as_private_as_the_user_makes_files(tmp_path: Path) -> None:
    open_review(f"sqlite:///{tmp_path}/review.sqlite").close()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "review.sqlite").stat().st_mode) == 0o666 & ~umask


def test_groups_written_by_another_program_are_read_too(path: Path) -> None:
    with closing(open_review(f"sqlite:///{path}")) as review:
        with review.write() as write:
            add_group(write.connection, 1)
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT id, label_state FROM sequence_groups").fetchall() == [(1, "unlabeled")]
