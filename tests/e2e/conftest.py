"""The whole pipeline in an empty folder, against a real demo annotator with small pictures."""

import functools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import torch
from typer.testing import CliRunner, Result

from triage_assets.annotator import client
from triage_assets.annotator.client import AnnotatorClient
from triage_assets.annotator.retries import RetryPolicy, Timeouts
from triage_assets.cli import app
from triage_assets.demo.backlog import DemoBacklog
from triage_assets.demo.server import DemoAnnotator
from triage_assets.folder_store import FolderStore
from triage_assets.orchestrate import open_instance

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Workplace:
    """A folder with a store, a Dagster instance of its own, and the annotator that the environment names."""

    folder: Path
    server: DemoAnnotator
    store: FolderStore

    def triage(self, *arguments: str, code: int = 0) -> Result:
        """Run the command in this process; its output is in the result."""
        result = CliRunner().invoke(app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def backlog_ids(self) -> set[int]:
        """What waits at the annotator now."""
        return set(self.server.backlog.ready_ids())

    def materializations(self, *names: str) -> Mapping[str, int]:
        """How many events of each asset the instance has."""
        with open_instance() as instance:
            return {
                name: len(instance.fetch_materializations(dg.AssetKey(name), limit=10_000).records) for name in names
            }

    def shard_files(self) -> Mapping[str, tuple[bytes, int]]:
        """Bytes and modification time of everything below shards/."""
        files = (file for file in (self.store.root / "shards").rglob("*") if file.is_file())
        return {str(file): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


@pytest.fixture
def demo_annotator() -> Iterator[Callable[..., DemoAnnotator]]:
    """Start servers that stop with the test."""
    running: list[DemoAnnotator] = []

    def start(sequences: int = 12, **options: object) -> DemoAnnotator:
        backlog = DemoBacklog(sequences=sequences, seed=3, image_size=(160, 90))
        server = DemoAnnotator(backlog, cache_folder=None, **options)
        server.__enter__()
        running.append(server)
        return server

    yield start
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def make_workplace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_annotator: Callable[..., DemoAnnotator]
) -> Callable[..., Workplace]:
    """A workplace around a new server."""
    torch.set_num_threads(1)

    def make(sequences: int = 12, **options: object) -> Workplace:
        server = demo_annotator(sequences, **options)
        shutil.copy(PROJECT / "dagster.yaml", tmp_path)
        monkeypatch.setenv("ANNOTATOR_API_URL", server.api_url)
        monkeypatch.setenv("ANNOTATOR_API_LOGIN", server.login)
        monkeypatch.setenv("ANNOTATOR_API_PASSWORD", server.password)
        return Workplace(tmp_path, server, FolderStore(tmp_path / "data"))

    return make


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client with a patience that suits a server on this machine, so that hung sockets cost little."""
    hurried = functools.partial(
        AnnotatorClient,
        timeouts=Timeouts(connect=5.0, login=3.0, listing=3.0, detections=3.0, url=3.0, image=3.0),
        retry=RetryPolicy(attempts=8, base_seconds=0.01, cap_seconds=0.1, retry_after_cap_seconds=0.1),
    )
    monkeypatch.setattr(client, "AnnotatorClient", hurried)


@pytest.fixture
def workplace(make_workplace: Callable[..., Workplace]) -> Workplace:
    """A workplace with twelve sequences waiting."""
    return make_workplace()
