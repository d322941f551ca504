"""Fixtures shared by all tests: a clean environment, so that no setting of the machine reaches a test."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start each test in an empty folder without any of the project's variables."""
    for name in list(os.environ):
        if name.startswith(("ANNOTATOR_", "TRIAGE_")) or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
