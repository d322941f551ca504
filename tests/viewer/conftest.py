"""The API over a real store and a real review database of each kind, asked over a socket."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from triage_viewer.access.rules import LOCAL, AccessRules
from triage_viewer.app import create_app
from triage_viewer.context import Context

from tests.groups.review_rows import KEY, NOON, all_detections, fill_review
from triage_assets.annotator.records import SequenceRow
from triage_assets.annotator.snapshot import SnapshotWriter, detections_array, snapshot_path
from triage_assets.review.database import ReviewDatabase
from triage_assets.store import Store, open_store


def store_backlog(store: Store) -> None:
    """The snapshot that the sequences of `fill_review` came from."""
    detections = all_detections()
    ids = sorted(detections)
    rows = [
        SequenceRow(each, 7, "North", 5, "cam", 90, NOON, NOON, NOON, None, None, None, None, None, None)
        for each in ids
    ]
    writer = SnapshotWriter(KEY, "North", "ready_to_annotate")
    writer.write(rows, detections_array([detections[each] for each in ids]))
    store.write(snapshot_path(KEY), writer.finish())


@pytest.fixture
def context(tmp_path: Path, review: ReviewDatabase) -> Context:
    store = open_store(str(tmp_path / "store"))
    store_backlog(store)
    fill_review(review)
    return Context(store, review, actor="bob")


@contextmanager
def serve(context: Context, rules: AccessRules = LOCAL, now: Callable[[], float] = time.time) -> Iterator[httpx.Client]:
    """The application on a free port of 127.0.0.1, and a program of this machine that asks it."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(context, rules, now), port=0, log_level="warning", proxy_headers=False)
    )
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


@pytest.fixture
def client(context: Context) -> Iterator[httpx.Client]:
    """The application, asked over a socket."""
    with serve(context) as client:
        yield client
