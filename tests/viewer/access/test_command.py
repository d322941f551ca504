"""`triage viewer` for more than this machine's user, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tests.viewer.access.people import GROUPS, PASSWORD, SESSION, log_in
from triage_assets.cli import app
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import open_review

TRIAGE = str(Path(sys.executable).with_name("triage"))


@pytest.fixture
def add_rita(tmp_path: Path, password_hash: str) -> None:
    with closing(open_review(f"sqlite:///{tmp_path}/data/review.sqlite")) as review:
        Accounts(review).add("rita", Role.REVIEWER, password_hash)


@contextmanager
def viewer(*options: str, **environment: str) -> Iterator[tuple[str, str]]:
    """The command under way: what it announced, and the port that it listens on."""
    command = [TRIAGE, "viewer", "--port", "0", *options]
    given = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        announced = process.stdout.readline()
        try:
            address = next((word for word in announced.split() if word.startswith("http://")), None)
            assert address, announced
            yield announced, address.rpartition(":")[2]
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors


def refused(*options: str) -> str:
    """Why it does not start, said in this process."""
    done = CliRunner().invoke(app, ["viewer", "--port", "0", *options])
    assert (done.exit_code, type(done.exception), done.stdout) == (1, SystemExit, ""), done.output
    return done.stderr


ANYWHERE = ["--host", "0.0.0.0", "--allowed-host", "localhost"]
PROXY = {"TRIAGE_TRUSTED_PROXY_HEADER": "X-Forwarded-User", "TRIAGE_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.mark.parametrize("options", [ANYWHERE, ["--login"], ["--allowed-host", "triage.example"]])
def test_it_is_refused_where_nobody_could_log_in(options: list[str]) -> None:
    said = refused(*options)
    assert "Nobody could log in; found a viewer on " in said
    assert "`triage users add NAME --role reviewer`" in said


@pytest.mark.usefixtures("add_rita")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "Under which names people reach the viewer has to be said"),
        (["--host", ""], "The viewer cannot listen on the host ''"),
        (["--host", "nowhere.invalid"], "The viewer cannot listen on the host 'nowhere.invalid'"),
        (["--host", "192.0.2.1"], "found Cannot assign requested address"),
        (["--allowed-host", "a b"], "That is no name of a host"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_said_in_a_sentence(options: list[str], said: str) -> None:
    assert said in refused(*options)


@pytest.mark.usefixtures("add_rita")
def test_people_log_in_beyond_this_machine() -> None:
    with viewer(*ANYWHERE) as (announced, port):
        assert "for 1 account; Ctrl-C ends it" in announced
        with httpx.Client(base_url=f"http://localhost:{port}") as client:
            assert client.get(f"{GROUPS}/stats").status_code == 401
            assert log_in(client).json()["name"] == "rita"
            assert client.post(f"{GROUPS}/assign").status_code == 200
            assert client.get(SESSION, headers={"Host": f"evil.example:{port}"}).status_code == 403


@pytest.mark.usefixtures("add_rita")
def test_people_log_in_on_this_machine_where_it_is_asked_for() -> None:
    with viewer("--login") as (_, port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get(f"{GROUPS}/stats").status_code == 401
        assert log_in(client, password=f"{PASSWORD}!").status_code == 401
        assert log_in(client).status_code == 200


def test_a_proxy_names_people_without_any_account() -> None:
    with viewer(*ANYWHERE, **PROXY, TRIAGE_TRUSTED_PROXY_ROLE="reviewer") as (announced, port):
        assert "for 0 accounts and whom X-Forwarded-User names;" in announced
        named = {"X-Forwarded-User": "zoe"}
        address = f"http://localhost:{port}"
        assert httpx.get(f"{address}{SESSION}", headers=named).json()["role"] == "reviewer"
        assert httpx.get(f"{address}{GROUPS}/stats").status_code == 401


def test_nobody_who_connects_is_believed_to_be_a_proxy_on_loopback() -> None:
    """Uvicorn by itself believes whatever X-Forwarded-For comes from this machine."""
    with viewer(**{**PROXY, "TRIAGE_TRUSTED_PROXIES": "192.0.2.1"}) as (_, port):
        spoofed = {"X-Forwarded-User": "zoe", "X-Forwarded-For": "192.0.2.1"}
        assert httpx.get(f"http://127.0.0.1:{port}{SESSION}", headers=spoofed).status_code == 403


def test_it_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    with viewer() as (announced, port):
        assert " http://127.0.0.1:" in announced
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for address in others - {"127.0.0.1"}:
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, int(port)), timeout=5)
