"""Whoever only looks installs neither torch nor Dagster, and every command that needs neither works."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.light_install import required
from tests.sharing.stores import make_store
from tests.stores import ROOT

PAGES = ("triage/rows?limit=3", "sequences/1", "run", "sequence_groups/")
HEAVY = {"torch", "dagster", "dagster-webserver", "distributed", "matplotlib", "aiohttp"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "store"
    make_store(folder)
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.light_install", *map(str, arguments)]


def environment(store: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TRIAGE_", "ANNOTATOR_"))}
    return {**own, "PYTHONPATH": f"{ROOT}:{ROOT / 'viewer'}", "TRIAGE_STORE": str(store), "COLUMNS": "500"}


def triage(store: Path, *arguments: object, code: int = 0) -> str:
    done = subprocess.run(command(*arguments), cwd=store.parent, env=environment(store), capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_extra_of_the_viewer_brings_nothing_heavy_and_that_of_the_pipeline_does() -> None:
    assert required("triage-assets", frozenset({"viewer"})) & HEAVY == set()
    assert required("triage-assets", frozenset({"pipeline"})) >= HEAVY


def test_a_store_is_fetched_looked_at_and_taken_out_without_the_pipeline(published: Path, tmp_path: Path) -> None:
    store = tmp_path / "mine"
    assert "55 frames copied" in triage(store, "fetch", published)
    assert "ok    store" in triage(store, "doctor", "--viewer")
    assert ": 0 faults" in triage(store, "shards", "verify")
    triage(store, "export", "eval-viewer", tmp_path / "out")
    triage(store, "export", "parquet", tmp_path / "split.parquet")
    assert list((tmp_path / "out").rglob("results.json")) and (tmp_path / "split.parquet").is_file()
    assert "Nothing was left to copy" in triage(store, "publish", published)


def test_the_viewer_runs_without_the_pipeline(published: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        command("viewer", "--port", "0"),
        cwd=tmp_path,
        env=environment(published) | {"TRIAGE_REVIEW_DB": f"sqlite:///{tmp_path}/review.sqlite"},
        stdout=subprocess.PIPE,
        text=True,
    ) as viewer:
        try:
            assert viewer.stdout is not None
            address = re.search(r"http://\S+", viewer.stdout.readline())
            assert address is not None
            for path in PAGES:
                with urlopen(f"{address[0]}/api/v1/{path}") as answer:
                    assert json.load(answer)
        finally:
            viewer.terminate()


def test_what_needs_the_pipeline_says_what_to_install(tmp_path: Path) -> None:
    said = triage(tmp_path / "store", "run", code=1)
    assert "Error This needs more than is installed here; found no module " in said
    assert said.rstrip().endswith("Install triage-assets[pipeline].")
    assert not (tmp_path / "store").exists()
    checked = triage(tmp_path / "store", "doctor", code=1)
    assert "fails annotator: " in checked
    assert "Install triage-assets[pipeline]." in checked
