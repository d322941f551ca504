"""A demo annotator for each test, and a small caller that holds a token."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from triage_assets.demo.backlog import DemoBacklog
from triage_assets.demo.server import DemoAnnotator

SAMPLES = Path(__file__).parents[1] / "samples"
TINY = (64, 36)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


class Caller:
    """Asks one server, with a token unless told otherwise."""

    def __init__(self, server: DemoAnnotator) -> None:
        self.server = server
        self.session = requests.Session()
        self.plain = requests.Session()
        self.log_in()

    def log_in(self) -> None:
        answer = self.plain.post(
            f"{self.server.api_url}/api/v1/auth/login",
            json={"username": self.server.login, "password": self.server.password},
            timeout=10,
        )
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, *, timeout: float = 10, **query: object) -> requests.Response:
        return self.session.get(
            f"{self.server.api_url}/api/v1/{path}", params=query, timeout=timeout, allow_redirects=False
        )

    def json(self, path: str, **query: object) -> Any:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def picture_url(self, detection_id: int) -> str:
        return str(self.json(f"detections/{detection_id}/url")["url"])

    def picture(self, detection_id: int, **headers: str) -> requests.Response:
        return self.plain.get(self.picture_url(detection_id), headers=headers, timeout=10)

    def close(self) -> None:
        self.session.close()
        self.plain.close()


@pytest.fixture
def backlog() -> DemoBacklog:
    return DemoBacklog(sequences=60, seed=0, image_size=TINY)


@pytest.fixture
def server(backlog: DemoBacklog) -> Iterator[DemoAnnotator]:
    with DemoAnnotator(backlog, cache_folder=None) as running:
        yield running


@pytest.fixture
def caller(server: DemoAnnotator) -> Iterator[Caller]:
    asking = Caller(server)
    yield asking
    asking.close()
