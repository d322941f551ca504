"""The services of deploy/ on a real PostgreSQL with passwords and a real S3 server: all that is remembered is there.

Databases and roles are made by deploy/postgres/create-databases.sh, and the instance is deploy/dagster.yaml as it is.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from click.testing import CliRunner
from dagster._cli import cli as dagster_cli

from tests.databases import PostgresServer, find_postgres, serve_postgres
from tests.e2e.conftest import Workplace, demo_annotator, make_workplace  # noqa: F401
from tests.e2e.readings import read_lists
from tests.s3_server import LOGGER, PLAIN, READER, S3Server
from triage_assets.errors import SettingsError
from triage_assets.orchestrate import open_instance
from triage_assets.store import open_store

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
COMPOSED = {name for service in SERVICES.values() for name in service.get("environment", {})}
PROGRAMS = {
    "dagster": "dagster",
    "dagster-daemon": "dagster._daemon",
    "dagster-webserver": "dagster_webserver",
    "triage": "triage_assets.cli",
}
# Each with what a URL, a shell or a line of YAML would stumble over.
PASSWORDS = {
    "DAGSTER_PG_PASSWORD": "d@g:st/er %41'\"$x",
    "DAGSTER_READER_PASSWORD": "re#a:d?er",
    "REVIEW_PG_PASSWORD": "re&vi@ew: \\",
    "ANNOTATOR_API_PASSWORD": "anno%40tator",
}
GIVE_UP_SECONDS = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@dataclass(frozen=True)
class Deployment:
    """What `docker compose` would have made of deploy/compose.yaml on one address."""

    workplace: Workplace
    server: PostgresServer
    home: Path
    code_port: int
    processes: list[subprocess.Popen[bytes]]

    def start(self, service: str, *command: str | int) -> None:
        """A service with its variables of the compose file and no others; what it says is in a file of its own."""
        log = self.workplace.folder / f"{service}.log"
        words = [sys.executable, "-m", PROGRAMS[str(command[0])], *map(str, command[1:])]
        with log.open("wb") as said:
            process = subprocess.Popen(
                words,
                cwd=self.workplace.folder,
                env=_variables_of(service),
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.processes.append(process)

    def said(self) -> str:
        """What all services have said."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.workplace.folder.glob("*.log")))

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        began = time.monotonic()
        while time.monotonic() - began < GIVE_UP_SECONDS:
            assert all(process.poll() is None for process in self.processes), f"a service ended:\n{self.said()[-6000:]}"
            if holds():
                return
            time.sleep(0.3)
        pytest.fail(f"not within {GIVE_UP_SECONDS} s: {what}\n{self.said()[-6000:]}")

    def count(self, database: str, statement: str) -> int:
        """The one number that a statement finds, as the administrator."""
        with psycopg.connect(
            host=str(self.server.folder), port=self.server.port, user="triage", dbname=database
        ) as link:
            row = link.execute(statement).fetchone()
        assert row
        return int(row[0])

    def dump(self, database: str) -> bytes:
        """Everything in a database."""
        postgres = find_postgres()
        assert postgres
        command = [postgres.with_name("pg_dump"), "-h", self.server.folder, "-p", str(self.server.port), "-U", "triage"]
        return subprocess.run([*command, database], capture_output=True, check=True).stdout


@pytest.fixture
def deployment(
    make_workplace: Callable[..., Workplace],  # noqa: F811
    s3: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployment]:
    """Three sequences wait; the databases are as new, and no service runs yet."""
    workplace = make_workplace(3, password=PASSWORDS["ANNOTATOR_API_PASSWORD"])
    (tmp_path / "dagster.yaml").unlink()
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    code_port = free_port()
    workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())
    workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": code_port}
    (home / "workspace.yaml").write_text(yaml.safe_dump(workspace))
    port = free_port()
    with serve_postgres(port, "127.0.0.1") as server:
        subprocess.run(
            [DEPLOY / "postgres/create-databases.sh"],
            env={
                **os.environ,
                **PASSWORDS,
                "PGHOST": str(server.folder),
                "PGPORT": str(port),
                "POSTGRES_USER": "triage",
            },
            check=True,
        )
        for name, value in _environment(home, port).items():
            monkeypatch.setenv(name, value)
        place = replace(workplace, store=open_store(f"s3://{PLAIN}/triage"))
        made = Deployment(place, server, home, code_port, [])
        try:
            yield made
        finally:
            for process in made.processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _environment(home: Path, port: int) -> Mapping[str, str]:
    """What the compose file gives the code location, on this machine's addresses."""
    return {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(port),
        "DAGSTER_PG_DB": "dagster",
        "DAGSTER_PG_USER": "dagster",
        "DAGSTER_PG_PASSWORD": PASSWORDS["DAGSTER_PG_PASSWORD"],
        "DAGSTER_LOGS_BUCKET": PLAIN,
        "TRIAGE_STORE": f"s3://{PLAIN}/triage",
        "TRIAGE_REVIEW_DB": f"postgresql://review@127.0.0.1:{port}/review",
        "PGPASSWORD": PASSWORDS["REVIEW_PG_PASSWORD"],
        **{f"{who}_AWS_ACCESS_KEY_ID": key for who, key in (("READER", READER), ("LOGS", LOGGER))},
        **{f"{who}_AWS_SECRET_ACCESS_KEY": "secret" for who in ("READER", "LOGS")},
    }


def _variables_of(service: str) -> dict[str, str]:
    """This process's, less what the compose file gives others alone, and with the keys that it gives this service."""
    given = SERVICES[service]["environment"]
    hidden = COMPOSED | {"AWS_REGION"}  # by that name only the compose file knows it
    kept = {name: value for name, value in os.environ.items() if name not in hidden or name in given}
    for name, value in given.items():
        if name.startswith("AWS_") and value is not None:
            asked, default = re.fullmatch(r"\$\{(\w+):-(.*)\}", value).groups()
            kept[name] = os.environ[asked] if not default else os.environ.get(asked, default)
    return kept


def is_well(service: str, port: int) -> bool:
    """What the health check of the compose file finds out, asking another port of this machine."""
    *_, script = SERVICES[service]["healthcheck"]["test"]
    try:
        exec(re.sub(r"(?<=127.0.0.1:)\d+", str(port), script))
    except OSError:
        return False
    return True


def test_services_that_start_at_once_on_empty_databases_come_up_and_keep_everything_in_them(
    deployment: Deployment, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page, people = free_port(), free_port()
    workspace = deployment.home / "workspace.yaml"
    location = ("-h", "127.0.0.1", "-p", deployment.code_port, "-m", "triage_assets.definitions")
    deployment.start("code", "dagster", "api", "grpc", *location)
    deployment.start("daemon", "dagster-daemon", "run", "--workspace", workspace)
    at = ("--host", "127.0.0.1", "--port", page)
    deployment.start("webserver", "dagster-webserver", *at, "--workspace", workspace)
    deployment.wait_until(lambda: is_well("webserver", page), "Dagster's page answers")
    output = deployment.workplace.triage("run").output
    assert set.union(*read_lists(deployment.workplace.store).values()) == deployment.workplace.backlog_ids()
    migrated = CliRunner().invoke(dagster_cli, ["instance", "migrate"], catch_exceptions=False).output
    assert "Running migration" in migrated

    # The viewer, which may read what Dagster remembers, and the bucket.
    monkeypatch.setenv("DAGSTER_PG_USER", "dagster_reader")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", PASSWORDS["DAGSTER_READER_PASSWORD"])
    monkeypatch.setenv("TRIAGE_TRUSTED_PROXIES", "127.0.0.1")
    monkeypatch.setenv("TRIAGE_TRUSTED_PROXY_HEADER", "X-Forwarded-User")
    with open_instance() as instance, pytest.raises(Exception, match="permission denied"):
        instance.add_dynamic_partitions("organizations", ["somebody"])
    written = len(s3.writes)
    deployment.start("viewer", "triage", "viewer", "--port", people, "--allowed-host", "triage.example.org")
    deployment.wait_until(lambda: is_well("viewer", people), "the viewer answers")
    seen: dict[str, Any] = {}

    def sees_dagster() -> bool:
        headers = {"Host": "triage.example.org", "X-Forwarded-User": "ana"}
        answer = httpx.get(f"http://127.0.0.1:{people}/api/v1/run", headers=headers, timeout=GIVE_UP_SECONDS)
        seen.update(answer.raise_for_status().json())
        assert seen["dagster"]["state"] != "unreachable", seen["dagster"]
        # By then the daemon has had the code location look what has changed.
        return seen["dagster"]["daemon_seen_at"] is not None

    deployment.wait_until(sees_dagster, "the viewer sees the daemon")
    assert seen["worklists"]["events"]["last"]["run_state"] == "success"

    # Dagster's page, which may use nothing of the bucket but what was printed.
    def printed() -> list[str]:
        return [key for key in s3.stored_keys() if key.startswith("dagster-logs/storage/") and key.endswith("err")]

    deployment.wait_until(lambda: printed() != [], "something that was printed is in the bucket")
    path = printed()[0].removeprefix("dagster-logs/storage/").replace(".err", "/err")
    shown = httpx.get(f"http://127.0.0.1:{page}/logs/{path}", timeout=GIVE_UP_SECONDS)
    assert (shown.status_code, shown.content) == (200, s3.backend.buckets[PLAIN].keys[printed()[0]].value)

    assert deployment.count("dagster", "SELECT count(*) FROM runs WHERE status = 'SUCCESS'") >= 4
    assert deployment.count("review", "SELECT count(*) FROM sequence_groups") > 0
    assert [each for each in s3.writes[written:] if "dagster-logs/" not in each] == []
    kept = b"".join(key.value for key in s3.backend.buckets[PLAIN].keys.values())
    kept += deployment.dump("dagster") + deployment.dump("review")
    kept += (deployment.said() + output + migrated).encode()
    assert [secret for secret in PASSWORDS.values() if secret.encode() in kept] == []
    local = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".log"]
    assert sorted(path.name for path in local) == ["dagster.yaml", "workspace.yaml"]


def test_a_database_that_cannot_be_used_is_a_sentence(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_PG_DB", "review")  # which is not Dagster's to read
    with pytest.raises(SettingsError, match="permission denied for database") as caught, open_instance():
        pass
    assert PASSWORDS["DAGSTER_PG_PASSWORD"] not in str(caught.value)
