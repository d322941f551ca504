"""Review databases for tests: on SQLite, and on a real PostgreSQL server that the tests start and stop themselves.

What lives here: the server, and a database of its own for each test. What does not: rows in it.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from triage_assets.review.database import ReviewDatabase, open_review

DatabaseKind = Literal["sqlite", "postgresql"]

# The server ends with its test process, however that ends: then the shell's input ends. What is lost is a test's data,
# so an immediate shutdown is the right one.
_SERVE_UNTIL_INPUT_ENDS = """
postgres=$1 folder=$2 port=$3 addresses=$4
"$postgres" -D "$folder/data" -k "$folder" -p "$port" -c listen_addresses="$addresses" \
  -c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=64MB </dev/null >"$folder/log" 2>&1 &
server=$!
read -r end
kill -QUIT "$server"
wait "$server"
rm -rf "$folder"
"""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server on a Unix socket in its own folder; on its port it listens only where it was asked to."""

    folder: Path
    pid: int
    port: int = 5432

    def url(self, database: str) -> str:
        """Where a database of this server is."""
        return f"postgresql+psycopg://triage@/{database}?host={self.folder}&port={self.port}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as the server's owner, outside a transaction."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()

    def create_database(self, template: str = "template1") -> str:
        """A new database, named by its URL."""
        name = f"review_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.execute(f"DROP DATABASE {url.partition('@/')[2].partition('?')[0]} WITH (FORCE)")


def find_postgres() -> Path | None:
    """The newest server program that is installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    found = versions[-1] if versions else shutil.which("postgres")
    return Path(found).resolve() if found else None


@contextmanager
def serve_postgres(port: int = 5432, addresses: str = "") -> Iterator[PostgresServer]:
    """A new server with nothing in it. Skips the test where there is no PostgreSQL or nobody to run it as.

    Whoever comes over the network, if it listens on ``addresses``, needs a password.
    """
    postgres = find_postgres()
    if postgres is None:
        pytest.skip("NOT TESTED on PostgreSQL: no server program is installed (tests/install_system_packages.sh)")
    folder = Path(tempfile.mkdtemp(prefix="triage-postgres-"))
    owner: dict[str, int | str] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        owner = {"user": user.pw_uid, "group": user.pw_gid}
    initdb = [postgres.with_name("initdb"), "-D", folder / "data", "-U", "triage", "-E", "UTF8"]
    initdb += ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-locale", "--no-sync"]
    made = subprocess.run(initdb, capture_output=True, text=True, cwd=folder, timeout=120, **owner)
    if made.returncode:
        shutil.rmtree(folder)
        raise RuntimeError(f"initdb: {made.stderr}")
    shell = subprocess.Popen(
        ["/bin/sh", "-c", _SERVE_UNTIL_INPUT_ENDS, "serve", postgres, folder, str(port), addresses],
        stdin=subprocess.PIPE,
        cwd="/",
        start_new_session=True,  # an interrupt at the terminal stops the tests, and they stop the server
        **owner,
    )
    try:
        yield PostgresServer(folder, _wait_for(folder, port, shell), port)
    finally:
        shell.communicate(timeout=60)


def _wait_for(folder: Path, port: int, shell: subprocess.Popen[bytes], timeout_seconds: float = 60) -> int:
    """The server's process id, once it takes connections."""
    pid_file = folder / "data" / "postmaster.pid"
    engine = create_engine(PostgresServer(folder, 0, port).url("postgres"))
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            engine.connect().close()
            return int(pid_file.read_text().split()[0])
        except OperationalError:
            if shell.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {(folder / 'log').read_text()[-2000:]}") from None
            time.sleep(0.05)
        finally:
            engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server of this test process."""
    with serve_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """The name of a database of this version without rows, to copy others from."""
    postgres.execute("CREATE DATABASE migrated")
    open_review(postgres.url("migrated")).close()
    return "migrated"


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of this version without rows, to copy others from."""
    path = tmp_path_factory.mktemp("review") / "migrated.sqlite"
    open_review(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> DatabaseKind:
    """A test that asks for a database runs on each kind."""
    return request.param


@pytest.fixture
def new_review_url(database_kind: DatabaseKind, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a database can be made: nothing there yet."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'review.sqlite'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def review_url(database_kind: DatabaseKind, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this version without rows."""
    if database_kind == "sqlite":
        path = tmp_path / "review.sqlite"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database(template=request.getfixturevalue("migrated_postgres"))
    yield url
    server.drop_database(url)


@pytest.fixture
def review(review_url: str) -> Iterator[ReviewDatabase]:
    """A database of this version without rows, open."""
    opened = open_review(review_url)
    yield opened
    opened.close()
