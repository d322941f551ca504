"""The README's commands, run as they are written there, in a copy of the project."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from triage_assets.demo import DEMO_MODEL
from triage_assets.scoring.identity import read_identity

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text("utf-8")
GOLDEN = PROJECT / "tests/scoring/golden"


def console_blocks() -> list[list[tuple[str, list[str]]]]:
    """For each console block its commands, each with the output that is shown for it."""
    blocks = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        commands: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        blocks.append(commands)
    return blocks


def plain(text: str) -> str:
    """Without what differs between two runs or two machines: a free port, how long it took, and the model's hash."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r" as \S+; Ctrl-C", " as YOU; Ctrl-C", text)
    text = re.sub(r"scored in [^()]+ \([^()]+\)", "scored in SECONDS", text)
    version = re.escape(read_identity(DEMO_MODEL).version)
    return re.sub(rf"{version}-[0-9a-f]{{8}}\b", "MODEL", text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a clone has it, with the environment that is installed already."""
    folder = tmp_path_factory.mktemp("clone") / "triage"
    kept_out = shutil.ignore_patterns(
        ".venv", ".git", ".dagster", "data", ".env", "*_cache", "__pycache__", "*.egg-info", "node_modules"
    )
    shutil.copytree(PROJECT, folder, ignore=kept_out)
    if not (PROJECT / ".venv/.installed").exists():
        pytest.skip("SKIPPED LOUDLY: the environment was not made by `make setup`, so make would install it anew")
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    # Newer than the environment, they would have make install this copy into it, for good.
    for name in ("pyproject.toml", "constraints.txt", "triage_assets.pth"):
        os.utime(folder / name, (0, 0))
    return folder


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRIAGE_", "ANNOTATOR_"))}
    path = f"{PROJECT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "COLUMNS": "200", "PORT": str(PORT)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = free_port()
"""Where this process has `make demo` serve its page: several test processes do so at once."""


def run(command: str, folder: Path, code: int = 0) -> str:
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == code, f"$ {command}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def demo(copy: Path) -> Iterator[list[str]]:
    """The first `make demo` of the copy, which goes on serving the page: what it has said until then."""
    (command, shown), *rest = console_blocks()[0]
    assert (command, rest) == ("make demo", [])
    with subprocess.Popen(
        ["make", "demo"],
        cwd=copy,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout
        said: list[str] = []
        try:
            for line in running.stdout:
                said.append(line)
                if plain(shown[-1]) in plain(line):
                    break
            yield said
        finally:
            os.killpg(running.pid, signal.SIGINT)


def test_the_demo_says_what_the_readme_shows(demo: list[str]) -> None:
    output = plain("".join(demo))
    for line in console_blocks()[0][0][1]:
        assert plain(line) in output, output


def test_the_demo_ends_with_the_page_open(demo: list[str]) -> None:
    assert demo
    assert b"<title>Triage</title>" in urllib.request.urlopen(f"http://127.0.0.1:{PORT}", timeout=5).read()


@pytest.fixture(scope="module")
def after_demo(copy: Path, demo: list[str]) -> Path:
    """The copy when its first `make demo` has come to serving the page, which goes on."""
    assert demo
    return copy


def test_a_second_demo_finds_nothing_to_do(after_demo: Path) -> None:
    assert "0 frames downloaded, 0 sequences scored" in run("make demo SERVE=0", after_demo)


def test_every_file_of_the_table_is_there(after_demo: Path) -> None:
    table = README[README.index("| file in") : README.index("## Use it")]
    rows = re.findall(r"^\| ((?:`[\w.]+`(?:, )?)+) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    assert named == {file.name for file in (after_demo / "data/worklists").iterdir() if not file.name.startswith(".")}


def test_the_page_opens(after_demo: Path) -> None:
    assert console_blocks()[1] == [("make dev", [])]
    with socket.socket() as probe:
        is_taken = probe.connect_ex(("127.0.0.1", 3000)) == 0
    if is_taken:
        pytest.skip("SKIPPED LOUDLY: something else listens on port 3000 of this machine")
    with subprocess.Popen(
        ["make", "dev"],
        cwd=after_demo,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as page:
        try:
            deadline = time.monotonic() + 120
            answer = b""
            while b"dagster" not in answer and time.monotonic() < deadline:
                try:
                    answer = urllib.request.urlopen("http://127.0.0.1:3000/server_info", timeout=5).read()
                except OSError:
                    time.sleep(0.5)
            assert b"dagster_webserver_version" in answer
        finally:
            os.killpg(page.pid, signal.SIGINT)
            try:
                page.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(page.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def annotator(copy: Path) -> Iterator[dict[str, str]]:
    """`triage demo-annotator --port P` in a process of its own, and the settings that it prints."""
    port = free_port()
    command = ["triage", "demo-annotator", "--port", str(port), "--sequences", "4", "--frames", "2"]
    with subprocess.Popen(command, cwd=copy, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert f":{port}" in server.stdout.readline()
        yield dict(re.findall(r"(ANNOTATOR_\w+)=(\S+)", server.stdout.readline()))
        server.send_signal(signal.SIGINT)


def test_the_viewer_answers_and_takes_decisions(after_demo: Path) -> None:
    questions = [command for command, _ in console_blocks()[3]]
    if shutil.which("curl") is None:
        pytest.skip("SKIPPED LOUDLY: there is no curl on this machine")
    assert all("127.0.0.1:8765/" in question for question in questions)
    listed, validated = (json.loads(run(each.replace(":8765/", f":{PORT}/"), after_demo)) for each in questions)
    assert len(listed["items"]) == 1
    assert listed["total"] > 1
    assert validated["is_validated"] is True


def test_every_command_of_the_table_runs(copy: Path, annotator: dict[str, str]) -> None:
    (_, shown), *commands = console_blocks()[2]
    names = [line.split("=")[0] for line in shown]
    values = {**annotator, "TRIAGE_MODEL": str(GOLDEN / "model.zip"), "TRIAGE_STORE": str(copy / "own-store")}
    (copy / ".env").write_text("".join(f"{name}={values[name]}\n" for name in names), "utf-8")
    assert [command for command, _ in commands] == [".venv/bin/triage doctor", ".venv/bin/triage run"]
    for command, _ in commands:
        run(command, copy)
    table = README[README.index("| command |") : README.index("The commands are in")]
    golden = read_identity(GOLDEN / "model.zip").name
    expected = {
        "triage run [--limit N] [--stage S] [--organization NAME]": "triage run --limit 1 --stage ready_to_annotate",
        "triage pull": "triage pull",
        "triage worklists --threshold 0.5": "triage worklists --threshold 0.5",
        "triage viewer [--port P]": None,  # it has a test of its own
        "triage users list": "triage users list",
        "triage users add NAME --role viewer": None,  # it asks for a password
        "triage models list": "triage models list",
        "triage models forget NAME": f"triage models forget {golden} --yes --configured",
        "dagster asset materialize --select predictions": "dagster asset materialize --select predictions",
        # Those without a command have tests of their own, on what they need beside this.
        "triage import DIR": None,
        "triage export eval-viewer\\|frames\\|parquet\\|csv": "triage export csv split.csv",
        "triage score --model M [--json] DIR...": f"triage score --model {GOLDEN}/model.zip --json "
        f"{GOLDEN}/sequences/three_frames",
        "triage publish DEST": None,
        "triage fetch SRC": None,
        "triage shards verify": "triage shards verify",
        "triage shards reindex": "triage shards reindex",
        "triage shards compact": "triage shards compact",
        "triage shards gc": "triage shards gc",
        "triage doctor": "triage doctor",
        "triage doctor --viewer": None,  # it wants the built page
        "triage doctor --model": "triage doctor --model",
        "triage demo-annotator --port P": None,  # it serves the others
    }
    written = [
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    ]
    assert written == list(expected)
    for command in expected.values():
        if command:
            run(command, copy)


def test_every_link_and_picture_leads_to_a_file() -> None:
    names = [name for name in re.findall(r"\]\(([^)]+)\)", README) if "://" not in name]
    assert len(names) > 5
    assert [name for name in names if not (PROJECT / name).exists()] == []


def test_every_variable_is_in_the_table_and_real() -> None:
    from triage_assets.settings import Settings

    table = README[README.index("| variable |") :]
    named = set(re.findall(r"`((?:ANNOTATOR|TRIAGE)_\w+)`", table[: table.index("\n\n")]))
    assert named == {name.upper() for name in Settings.model_fields}
