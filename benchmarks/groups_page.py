"""What a page of groups costs: run `python -m benchmarks.groups_page [--sequences 1000000] [--url URL]`.

What lives here: the time of `list_groups`, which counts too, for each order and filter on the first page, on one in the
middle and on the last; and that of the requests which a browser sends, over a socket. What does not: the browser.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import httpx
import numpy as np
import uvicorn
from triage_viewer.app import create_app
from triage_viewer.context import Context

from benchmarks.review_rows import fill
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.listing import list_groups
from triage_assets.review.records import GroupFilter, GroupOrder, LabelState
from triage_assets.store import open_store

SIZE = 50
FILTERS = {
    "unlabeled": GroupFilter(),
    "all": GroupFilter(label_state=None),
    "labeled": GroupFilter(label_state=LabelState.LABELED),
    "unvalidated": GroupFilter(is_validated=False),
    "camera": GroupFilter(camera_id=7),
    "azimuth": GroupFilter(azimuth=45),
    "organization": GroupFilter(organization_key="valley-brigade-7"),
    "5 members": GroupFilter(min_members=5),
}

REQUESTS = (
    "",
    "?size=100",
    "?label_state=all",
    "?label_state=all&order_by=score",
    "?label_state=all&page=1500",
    "?camera_id=7",
    "stats",
    "facets",
)


@dataclass(frozen=True, slots=True)
class Question:
    """One page to ask for."""

    order_by: GroupOrder
    descending: bool
    wanted: GroupFilter
    page: int


def main() -> None:
    """Fill a database where none is given, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5, help="of every question")
    parser.add_argument("--url", help="of a new or an already filled database; a temporary SQLite file if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'review.sqlite'}"
        with closing(open_review(url)) as review:
            _fill_once(review, options.sequences)
            _measure(review, options.repeats)
            _measure_requests(review, Path(folder) / "store", 8 * options.repeats)


def _fill_once(review: ReviewDatabase, n_sequences: int) -> None:
    with review.read() as connection:
        anything = GroupFilter(min_members=0, label_state=None)
        if list_groups(connection, anything, order_by="created_at", descending=False, page=1, size=1).total:
            return
    with review.write() as write:
        fill(write.connection, n_sequences)
    if review.engine.dialect.name == "postgresql":  # as its own housekeeping does by and by
        with review.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _measure(review: ReviewDatabase, repeats: int) -> None:
    print(f"{'':28s}{'groups':>8s}{'p50 ms':>9s}{'p95 ms':>9s}{'max ms':>9s}")
    everything: list[float] = []
    for name, wanted in FILTERS.items():
        for order_by in get_args(GroupOrder):
            total, times = 0, []
            for question in _questions(review, order_by, wanted):
                for _ in range(repeats):
                    seconds, total = _ask(review, question)
                    times.append(seconds)
            everything += times
            _print(f"{name}, by {order_by}", total, times)
    _print("all of these", 0, everything)


def _questions(review: ReviewDatabase, order_by: GroupOrder, wanted: GroupFilter) -> Iterator[Question]:
    _, total = _ask(review, Question(order_by, False, wanted, 1))
    last = max(1, -(-total // SIZE))
    for descending in (False, True):
        for page in dict.fromkeys((1, 2, max(1, last // 2), last)):
            yield Question(order_by, descending, wanted, page)


def _ask(review: ReviewDatabase, question: Question) -> tuple[float, int]:
    begun = time.perf_counter()
    with review.read() as connection:
        page = list_groups(
            connection,
            question.wanted,
            order_by=question.order_by,
            descending=question.descending,
            page=question.page,
            size=SIZE,
        )
    return time.perf_counter() - begun, page.total


def _measure_requests(review: ReviewDatabase, store: Path, repeats: int) -> None:
    print(f"\n{'over HTTP':36s}{'p50 ms':>9s}{'p95 ms':>9s}{'max ms':>9s}")
    with _serve(Context(open_store(str(store)), review, actor="nobody")) as client:
        for request in REQUESTS:
            times = []
            for _ in range(repeats):
                begun = time.perf_counter()
                client.get(f"/api/v1/sequence_groups/{request}").raise_for_status()
                times.append(time.perf_counter() - begun)
            _print(request or "the page as it opens", "", times)


@contextmanager
def _serve(context: Context) -> Iterator[httpx.Client]:
    server = uvicorn.Server(uvicorn.Config(create_app(context), port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def _print(name: str, total: int | str, times: list[float]) -> None:
    p50, p95, most = (1000 * float(value) for value in np.percentile(times, [50, 95, 100]))
    print(f"{name:28s}{total or '':>8}{p50:9.1f}{p95:9.1f}{most:9.1f}")


if __name__ == "__main__":
    main()
