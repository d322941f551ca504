"""Fixtures of the annotator's tests: demo annotators, clients of them, and scripted servers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from triage_assets.annotator.client import AnnotatorClient
from triage_assets.demo.backlog import DemoBacklog
from triage_assets.demo.faults import Faults
from triage_assets.demo.server import DemoAnnotator

from .servers import Reply, Scripted, open_client


@pytest.fixture
def serve(tmp_path_factory) -> Iterator[Callable[..., DemoAnnotator]]:
    """Starts demo annotators with small pictures."""
    with ExitStack() as stack:

        def start(
            sequences: int = 12, *, frames: int | None = 3, faults: Faults | None = None, **options
        ) -> DemoAnnotator:
            backlog = DemoBacklog(sequences=sequences, frames=frames, image_size=(96, 54))
            return stack.enter_context(DemoAnnotator(backlog, faults=faults, cache_folder=None, **options))

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., AnnotatorClient]]:
    """Opens clients of a demo annotator that lose no time waiting."""
    with ExitStack() as stack:

        def start(server: DemoAnnotator, **options) -> AnnotatorClient:
            return stack.enter_context(open_client(server.api_url, server.login, server.password, **options))

        yield start


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[str, str, int], Reply]], Scripted]]:
    """Starts scripted servers."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Scripted(answer))
