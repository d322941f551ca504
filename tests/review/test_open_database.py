"""A database that stays open for days: what happens to it meanwhile, and who waits for whom."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from urllib.parse import quote

import pytest
from sqlalchemy import select, text

from tests.databases import PostgresServer
from tests.review.rows import add_group, add_sequence
from tests.review.test_database import as_nobody, read_revision
from triage_assets.errors import NewerFormat, ReviewBusy, ReviewUnavailable, SettingsError
from triage_assets.review import decisions, versions
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.engines import BUSY_SECONDS
from triage_assets.review.models import Base, ReviewSequence, ReviewState
from triage_assets.review.versions import migrating

KNOWN = versions._known_versions()

# Is in the middle of a write when it says so; says what became of it when its input ends.
STOPPED_WRITER = """
import sys
from tests.review.rows import add_sequence
from triage_assets.errors import TriageError
from triage_assets.review.database import open_review
try:
    with open_review(sys.argv[1]).write() as write:
        add_sequence(write.connection, 1)
        print("written", flush=True)
        sys.stdin.read()
        add_sequence(write.connection, 2)
except TriageError as error:
    print(type(error).__name__, error)
"""


# Readers and writers.


def test_readers_do_not_wait_for_writers_however_many_wait(review: ReviewDatabase) -> None:
    n_writers = 40  # the pool has 15 connections
    begun = Barrier(n_writers + 1)

    def add(sequence_id: int) -> None:
        begun.wait()
        with review.write() as write:
            add_sequence(write.connection, sequence_id)

    with ThreadPoolExecutor(n_writers) as pool:
        with review.write():
            writers = [pool.submit(add, number) for number in range(n_writers)]
            begun.wait()
            for _ in range(20):
                assert read_revision(review) == 0
                time.sleep(0.01)  # until every writer waits
            assert review.engine.pool.checkedout() == 1
        for writer in writers:
            writer.result()
    assert read_revision(review) == n_writers + 1


def test_a_writer_that_has_less_patience_gives_up_earlier(review: ReviewDatabase, review_url: str) -> None:
    with closing(open_review(review_url)) as other:
        for writer in (review, other):  # in the same process by its own turn, elsewhere by the database's lock
            with review.write(), pytest.raises(ReviewBusy, match=r"in use by another writer; found .*\. Try again\."):
                writer.write(busy_seconds=0.05).__enter__()
        with other.write(busy_seconds=0.05) as write:
            assert write.revision == 3


def test_a_person_who_clicks_waits_less_long_than_an_assignment(
    review: ReviewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decisions._CLICK_SECONDS < BUSY_SECONDS / 5
    monkeypatch.setattr(decisions, "_CLICK_SECONDS", 0.05)
    with review.write(), pytest.raises(ReviewBusy):
        decisions.DecisionDatabase(review).write(by="ana").__enter__()


def test_a_turn_is_free_after_whatever_happened_in_it(review: ReviewDatabase) -> None:
    with pytest.raises(KeyError), review.write():
        raise KeyError
    with review.write(), pytest.raises(ReviewBusy):
        review.write(busy_seconds=0.01).__enter__()
    review.require_writable()
    with review.write(busy_seconds=0.01) as write:
        assert write.revision == 2


# What becomes of a database while it is open.


def set_version(review: ReviewDatabase, version: str) -> None:
    with migrating(review.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_a_database_that_a_newer_version_migrated_is_not_written_to(review: ReviewDatabase) -> None:
    set_version(review, "9999")
    with pytest.raises(
        NewerFormat, match=f"newer version of this project; found version 9999; expected at most {KNOWN[0]}"
    ):
        review.write().__enter__()
    with pytest.raises(NewerFormat):
        review.require_writable()
    assert read_revision(review) == 0


def test_a_database_that_an_older_version_was_put_back_into_is_not_written_to(
    review: ReviewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_known_versions", lambda: ("9999", *KNOWN))
    with pytest.raises(
        ReviewUnavailable, match=rf"replaced while it was open; found version {KNOWN[0]}; expected 9999\. Start"
    ):
        review.write().__enter__()


def test_a_database_without_its_one_row_is_not_written_to(review: ReviewDatabase) -> None:
    with migrating(review.engine) as connection:
        connection.execute(text("DELETE FROM review_state"))
    with pytest.raises(ReviewUnavailable, match="was emptied while it was open; found no row in review_state"):
        review.write().__enter__()


@pytest.mark.parametrize("act", ["read", "write"])
def test_a_database_whose_tables_are_gone_is_unavailable(review: ReviewDatabase, act: str) -> None:
    read_revision(review)
    with migrating(review.engine) as connection:
        for table in [*(each.name for each in reversed(Base.metadata.sorted_tables)), "alembic_version"]:
            connection.execute(text(f"DROP TABLE {table}"))
    with (
        pytest.raises(ReviewUnavailable, match=r"cannot be used; found .*review_state"),
        getattr(review, act)() as begun,
    ):
        begun.execute(select(ReviewState.revision))


@pytest.mark.parametrize("act", ["read", "write"])
def test_a_file_that_was_replaced_by_an_empty_one_is_unavailable(tmp_path: Path, act: str) -> None:
    path = tmp_path / "review.sqlite"
    with closing(open_review(f"sqlite:///{path}")) as review:
        read_revision(review)
        for each in tmp_path.glob("review.sqlite*"):
            each.unlink()
        path.touch()
        with pytest.raises(ReviewUnavailable, match="no such table: review_state"), getattr(review, act)() as begun:
            begun.execute(select(ReviewState.revision))


# A file in a folder that may only be read.


@pytest.fixture
def kept(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """A database that its owner may write and nobody else."""
    folder = tmp_path / "kept"
    folder.mkdir()
    path = Path(shutil.copyfile(migrated_sqlite, folder / "review.sqlite"))
    path.chmod(0o644)
    return path


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root can be somebody else")
@pytest.mark.parametrize("is_still_open", [False, True], ids=["written and closed", "still open"])
def test_who_may_only_read_sees_what_is_written_after_the_first_look(kept: Path, is_still_open: bool) -> None:
    with as_nobody(kept.parent):
        reader = open_review(f"sqlite:///{kept}")
        assert n_sequences(reader) == 0
    writer = open_review(f"sqlite:///{kept}")
    with writer.write() as write:
        for sequence_id in range(1, 501):
            add_sequence(write.connection, sequence_id)
    if not is_still_open:
        writer.close()
    with as_nobody(kept.parent), closing(reader):
        assert (read_revision(reader), n_sequences(reader)) == (1, 500)
    writer.close()


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root can be somebody else")
def test_a_page_that_somebody_wrote_to_meanwhile_is_not_shown(kept: Path) -> None:
    with as_nobody(kept.parent):
        reader = open_review(f"sqlite:///{kept}")
        reading = reader.read()
        connection = reading.__enter__()
        connection.execute(select(ReviewState.revision)).scalar_one()
    with closing(open_review(f"sqlite:///{kept}")) as writer, writer.write() as write:
        add_group(write.connection, 1)
    with closing(reader), pytest.raises(ReviewBusy, match=r"was written to while it was read .* Try again\."):
        reading.__exit__(None, None, None)


def n_sequences(review: ReviewDatabase) -> int:
    with review.read() as connection:
        return len(connection.execute(select(ReviewSequence.id)).all())


# A writer that stands still.


def test_a_writer_that_stands_still_is_given_up_by_the_server(postgres: PostgresServer, migrated_postgres: str) -> None:
    url = postgres.create_database(migrated_postgres)
    impatient = f"{url}&options={quote('-c idle_in_transaction_session_timeout=300')}"
    root = str(Path(__file__).parents[2])
    arguments = [sys.executable, "-c", STOPPED_WRITER, impatient]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    stopped = subprocess.Popen(arguments, **pipes, text=True, env={"PYTHONPATH": root})
    assert stopped.stdout.readline() == "written\n"
    stopped.send_signal(signal.SIGSTOP)
    with closing(open_review(url)) as review:
        with review.write() as write:
            assert write.connection.execute(select(ReviewSequence.id)).all() == []
        stopped.send_signal(signal.SIGCONT)
        said, _ = stopped.communicate("")
        assert said.startswith("ReviewUnavailable The review database postgresql://")
        assert "idle-in-transaction timeout" in said
    postgres.drop_database(url)


def test_a_server_is_told_to_give_up_holders_of_locks(postgres: PostgresServer, migrated_postgres: str) -> None:
    url = postgres.create_database(migrated_postgres)
    for each, seconds in ((url, 300), (f"{url}&options={quote('-c idle_in_transaction_session_timeout=7s')}", 7)):
        with closing(open_review(each)) as review, review.read() as connection:
            shown = connection.execute(
                text("SELECT setting::int FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'")
            )
            assert shown.scalar_one() == seconds * 1000
            given = connection.execute(
                text("SELECT name FROM pg_settings WHERE source = 'client' AND name LIKE 'tcp_keepalives%'")
            )
            assert len(given.all()) == 3
    postgres.drop_database(url)


# URLs that ask for what is not heeded.


@pytest.mark.parametrize("query", ["mode=ro", "cache=shared", "timeout=5"])
def test_parameters_of_an_sqlite_url_are_refused(tmp_path: Path, query: str) -> None:
    name = query.partition("=")[0]
    with pytest.raises(SettingsError, match=rf"found an SQLite database with parameters \({name}\)"):
        open_review(f"sqlite:///{tmp_path}/x.sqlite?{query}")
    assert not list(tmp_path.iterdir())


def test_a_writer_of_a_database_under_migration_sees_its_outcome(review: ReviewDatabase, review_url: str) -> None:
    def decide() -> None:
        with closing(open_review(review_url)) as other, other.write():
            pass

    with ThreadPoolExecutor(1) as pool:
        with migrating(review.engine) as connection:
            connection.execute(select(ReviewState.id).with_for_update())
            waiting = pool.submit(decide)
            time.sleep(0.3)
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(NewerFormat):
            waiting.result()
