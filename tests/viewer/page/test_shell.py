"""What is around every page."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.viewer.page.conftest import OpenPage

PAGES = ["/triage", "/groups", "/run"]


@pytest.mark.parametrize("path", PAGES)
def test_an_address_leads_to_its_page(page: Page, address: str, path: str) -> None:
    page.goto(f"{address}{path}")
    expect(page.get_by_role("navigation").get_by_role("link").and_(page.locator("[aria-current=page]"))).to_have_count(
        1
    )


def test_an_unknown_page_says_so(page: Page, address: str) -> None:
    page.goto(f"{address}/elsewhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_the_badge_counts_what_the_list_has(page: Page, screenshot: Callable[[Page, str], None]) -> None:
    expect(page.get_by_role("link", name="Groups")).to_contain_text("unlabeled")
    screenshot(page, "shell")


@contextmanager
def viewer(store: Path, port: int) -> Iterator[str]:
    """`triage viewer` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIAGE_")}
    command = [sys.executable, "-m", "triage_assets.cli", "viewer", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=store.parent, env={**kept, "TRIAGE_STORE": str(store)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        address = f"http://127.0.0.1:{port}"
        assert address in process.stdout.readline()
        try:
            yield address
        finally:
            process.kill()


def test_a_page_outlives_its_server_and_goes_on_with_the_next(store: Path, open_page: OpenPage) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ExitStack() as window:
        with viewer(store, port) as address:
            gone = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY")
            page = window.enter_context(open_page(f"{address}/run", expects=gone))
            expect(page.get_by_text("Everything is made of what there is now.")).to_be_visible()
        old = page.get_by_text("The server does not answer: this is what it said last.")
        expect(old).to_be_visible(timeout=60_000)
        expect(page.get_by_role("heading", name="Worklists", exact=False)).to_be_visible()
        with viewer(store, port):
            expect(old).to_have_count(0, timeout=60_000)


def test_a_page_that_an_update_has_taken_away_offers_to_load_anew(address: str, open_page: OpenPage) -> None:
    def answer_nothing(route: Route) -> None:
        route.fulfill(status=404, body="")

    with open_page(f"{address}/elsewhere", expects=("404", "run-page")) as page:
        page.route("**/assets/run-page-*", answer_nothing)
        page.get_by_role("link", name="Run", exact=True).click()
        expect(page.get_by_role("heading", name="This page cannot be shown")).to_be_visible()
        page.unroute("**/assets/run-page-*")
        page.get_by_role("button", name="Load it anew").click()
        expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
