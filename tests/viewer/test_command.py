"""The command `triage viewer`, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

TRIAGE = str(Path(sys.executable).with_name("triage"))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_an_empty_store_and_ends_quietly(tmp_path: Path, stop: signal.Signals) -> None:
    command = [TRIAGE, "viewer", "--port", "0"]
    environment = {**os.environ, "TRIAGE_STORE": str(tmp_path / "new"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        announced = process.stdout.readline()
        address = next(word for word in announced.split() if word.startswith("http://127.0.0.1:"))
        try:
            groups = httpx.get(f"{address}/api/v1/sequence_groups/stats")
            assert (groups.status_code, groups.json()["total"]) == (200, 0)
            assert httpx.post(f"{address}/api/v1/sequence_groups/assign").json()["processed"] == 0
        finally:
            process.send_signal(stop)
            said, errors = process.communicate(timeout=30)
    assert errors == ""
    assert "Traceback" not in said
    assert process.returncode in (0, -stop)


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([TRIAGE, "viewer", "--port", port], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"The viewer cannot listen on port {port}; found Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_opened_is_said_in_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "review.sqlite"
    broken.write_bytes(b"no database at all, however long " * 100)
    environment = {**os.environ, "TRIAGE_REVIEW_DB": f"sqlite:///{broken}"}
    done = subprocess.run([TRIAGE, "viewer"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(broken) in done.stderr


def test_importing_the_application_touches_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import triage_viewer.app"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])
