"""The built page in a real browser over a store that the demo's run made, served by the real application.

A page that writes to the console, fails a script or asks another server fails its test.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect, sync_playwright
from triage_viewer.access.rules import LOCAL, AccessRules
from triage_viewer.context import Context
from triage_viewer.page_files import PAGE

from tests.viewer.conftest import serve
from triage_assets.review.database import open_review
from triage_assets.store import open_store

PROJECT = Path(__file__).resolve().parents[3]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Without a network of its own, and without asking anybody for updates.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SEQUENCES = 60
PATIENCE_MS = 15_000  # two processors may be shared by many tests
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say loudly what is not tested, where there is no browser or no built page."""
    here = Path(__file__).parent
    missing = "no chromium is installed" if CHROMIUM is None else "" if PAGE.is_dir() else "the page is not built"
    for item in items:
        if missing and item.path.is_relative_to(here):
            item.add_marker(pytest.mark.skip(reason=f"NOT TESTED, the viewer's page: {missing}"))


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store after the demo's run, made once for all test processes: not to be changed."""
    folder = tmp_path_factory.getbasetemp().parent / "demo-for-pages"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder / "data", ignore_errors=True)
            environment = {
                name: value for name, value in os.environ.items() if not name.startswith(("TRIAGE_", "ANNOTATOR_"))
            }
            command = [sys.executable, "-m", "triage_assets.cli", "demo", "--sequences", str(SEQUENCES)]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            (folder / "made").touch()
    return folder / "data"


@pytest.fixture
def store(demo_store: Path, tmp_path: Path) -> Path:
    """A copy of the demo's store, which a test may change."""
    return Path(shutil.copytree(demo_store, tmp_path / "data"))


@contextmanager
def served(folder: Path, rules: AccessRules = LOCAL, now: Callable[[], float] = time.time) -> Iterator[str]:
    """The application over a store and the review database in it, and its address."""
    review = open_review(f"sqlite:///{folder / 'review.sqlite'}")
    try:
        with serve(Context(open_store(str(folder)), review, actor="ana"), rules, now) as client:
            yield str(client.base_url).rstrip("/")
    finally:
        review.close()


@pytest.fixture
def address(store: Path) -> Iterator[str]:
    """Where the page is served over the test's own store."""
    with served(store) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window.

    Playwright's event loop is this thread's running one until it ends: no other module's test could have its own.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


OpenPage = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def open_page(browser: Browser) -> OpenPage:
    """Open a window of its own on an address; ``expects`` names what its console may say."""

    @contextmanager
    def open_one(
        address: str, *, width: int = 1440, height: int = 900, colors: str = "light", expects: tuple[str, ...] = ()
    ) -> Iterator[Page]:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=colors)  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        faults: list[str] = []

        def note_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and not any(each in message.text for each in expects):
                faults.append(message.text)

        def note_request(request: Request) -> None:
            if not request.url.startswith(address.split("/", 3)[0] + "//" + address.split("/", 3)[2]):
                faults.append(f"asked {request.url}")

        page.on("console", note_console)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", note_request)
        page.goto(address)
        try:
            yield page
        finally:
            context.close()
        assert faults == []

    return open_one


@contextmanager
def held_request(page: Page, pattern: str) -> Iterator[Callable[[Mapping[str, Any] | None], None]]:
    """What is done inside asks at that address; the answer waits until the test gives it, None for the server's own."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def answer(reply: Mapping[str, Any] | None) -> None:
        [route] = held
        if reply is None:
            route.continue_()
        else:
            route.fulfill(**reply)

    page.route(pattern, hold)
    with page.expect_request(pattern):
        yield answer


@pytest.fixture
def page(address: str, open_page: OpenPage) -> Iterator[Page]:
    """A window on the demo's store."""
    with open_page(address) as page:
        yield page


@pytest.fixture(scope="session")
def screenshot() -> Callable[[Page, str], None]:
    """Keep a picture of a page, under ``screenshots/`` of the project."""
    folder = PROJECT / "screenshots"
    folder.mkdir(exist_ok=True)

    def keep(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png", full_page=False)

    return keep
