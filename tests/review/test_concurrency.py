"""Threads and processes that write at once: nothing is lost, and the numbers of writes tell their order."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.review.rows import add_sequence
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.models import ReviewSequence, ReviewState

# Adds sequences whose ids begin at the second argument, one write each, and says the number of each write.
WRITER = """
import sys
from tests.review.rows import add_sequence
from triage_assets.review.database import open_review
review = open_review(sys.argv[1])
for sequence_id in range(int(sys.argv[2]), int(sys.argv[2]) + 25):
    with review.write() as write:
        add_sequence(write.connection, sequence_id, revision=write.revision)
    print(write.revision)
"""

# Is in the middle of a write when it says so, and waits there to be killed.
HALF_WRITER = """
import sys, time
from tests.review.rows import add_sequence
from triage_assets.review.database import open_review
with open_review(sys.argv[1]).write() as write:
    for sequence_id in range(1, 2000):
        add_sequence(write.connection, sequence_id)
    print("written", flush=True)
    time.sleep(600)
"""

# Holds the assignment's lock when it says so, and waits there to be killed.
HOLDER = """
import sys, time
from triage_assets.review.database import open_review
with open_review(sys.argv[1]).try_assignment_lock() as is_held:
    print(is_held, flush=True)
    time.sleep(600)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": root}
    )


def sequences_by_revision(review: ReviewDatabase) -> list[tuple[int, int]]:
    with review.read() as connection:
        rows = connection.execute(select(ReviewSequence.revision, ReviewSequence.id).order_by("revision"))
        return [(row.revision, row.id) for row in rows]


def test_processes_that_write_at_once_lose_nothing(review: ReviewDatabase, review_url: str) -> None:
    writers = [start(WRITER, review_url, str(1000 * n)) for n in (1, 2, 3)]
    said = [[int(line) for line in writer.communicate(timeout=120)[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert sorted(number for numbers in said for number in numbers) == list(range(1, 76))  # gapless
    stored = sequences_by_revision(review)
    assert len(stored) == 75
    # A writer's later write has the higher number, and is numbered as it was told.
    for place, numbers in enumerate(said, start=1):
        assert numbers == sorted(numbers)
        assert [pair for pair in stored if pair[1] // 1000 == place] == [
            (number, 1000 * place + index) for index, number in enumerate(numbers)
        ]


def test_threads_that_write_at_once_lose_nothing(review: ReviewDatabase) -> None:
    def add(sequence_id: int) -> int:
        with review.write() as write:
            add_sequence(write.connection, sequence_id, revision=write.revision)
        return write.revision

    with ThreadPoolExecutor(12) as pool:
        numbers = list(pool.map(add, range(60)))
    assert sorted(numbers) == list(range(1, 61))
    assert sequences_by_revision(review) == sorted(zip(numbers, range(60), strict=True))


def test_what_a_reader_of_a_revision_sees_never_changes_for_that_revision(review: ReviewDatabase) -> None:
    def add(sequence_id: int) -> None:
        with review.write() as write:
            add_sequence(write.connection, sequence_id, revision=write.revision)

    def look(_: int) -> tuple[int, int]:
        with review.read() as connection:
            revision = connection.execute(select(ReviewState.revision)).scalar_one()
            return revision, len(connection.execute(select(ReviewSequence.id)).all())

    with ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(add, number) for number in range(40)]
        looks = [pool.submit(look, number) for number in range(40)]
        for write in writes:
            write.result()
        assert all(revision == n_sequences for revision, n_sequences in (each.result() for each in looks))


def test_a_writer_that_is_killed_leaves_the_old_state(review: ReviewDatabase, review_url: str) -> None:
    with review.write() as write:
        add_sequence(write.connection, 0)
    killed = start(HALF_WRITER, review_url)
    assert killed.stdout.readline() == "written\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    with review.write() as write:
        assert write.revision == 2
        assert write.connection.execute(select(ReviewSequence.id)).scalars().all() == [0]


def test_one_assignment_at_a_time(review: ReviewDatabase, review_url: str) -> None:
    with closing(open_review(review_url)) as other:
        with review.try_assignment_lock() as first, other.try_assignment_lock() as second:
            assert (first, second) == (True, False)
        with other.try_assignment_lock() as after:
            assert after


def test_the_same_process_does_not_assign_twice_at_once(review: ReviewDatabase) -> None:
    with review.try_assignment_lock() as first, review.try_assignment_lock() as second:
        assert (first, second) == (True, False)


def test_the_lock_is_free_after_an_exception(review: ReviewDatabase) -> None:
    with pytest.raises(KeyError), review.try_assignment_lock():
        raise KeyError
    with review.try_assignment_lock() as is_held:
        assert is_held


def test_the_lock_goes_with_its_holder(review: ReviewDatabase, review_url: str) -> None:
    holder = start(HOLDER, review_url)
    assert holder.stdout.readline() == "True\n"
    with review.try_assignment_lock() as is_held:
        assert not is_held
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert any(_try(review) for _ in range(200))  # a server notices by and by


def _try(review: ReviewDatabase) -> bool:
    with review.try_assignment_lock() as is_held:
        return is_held


def test_people_decide_while_an_assignment_runs(review: ReviewDatabase, review_url: str) -> None:
    with closing(open_review(review_url, busy_seconds=5)) as people, review.try_assignment_lock() as is_held:
        assert is_held
        with people.write() as write:
            add_sequence(write.connection, 1)
        with review.write() as write:
            assert write.revision == 2
