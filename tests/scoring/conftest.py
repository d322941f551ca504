"""Fixtures of the scoring tests: the reference package and an engine that runs it on one thread of torch."""

from collections.abc import Iterator

import pytest
import torch

from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.package import load_package
from triage_assets.scoring.records import RuntimeChoice

from .reference import MODEL


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run side by side; each takes one core."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def engine() -> Iterator[ScoringEngine]:
    """An engine with the reference package."""
    with ScoringEngine(load_package(MODEL), RuntimeChoice("torch")) as engine:
        yield engine
