"""What is around every page."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.viewer.access.people import LOGIN, PASSWORD
from tests.viewer.page.conftest import OpenPage, served
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import open_review
from triage_assets.review.passwords import hash_password

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


def test_a_page_names_the_window_and_begins_where_it_begins(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    expect(page).to_have_title("Split · Triage")
    expect(page.locator("#page")).not_to_be_focused()
    page.get_by_role("link", name="Run", exact=True).click()
    expect(page).to_have_title("Run · Triage")
    expect(page.locator("#page")).to_be_focused()


def test_what_changes_on_a_page_leaves_the_keyboard_where_it_is(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    labeled = page.get_by_role("region", name="Counts").get_by_role("button", name="Labeled")
    labeled.click()
    expect(page).to_have_url(re.compile("bucket=labeled"))
    expect(labeled).to_be_focused()


def test_chosen_colours_are_there_before_the_page_is(address: str, open_page: OpenPage) -> None:
    with open_page(f"{address}/run", expects=("500",)) as page:
        page.get_by_role("button", name="Colours: system").click()
        page.get_by_role("button", name="Colours: light").click()
        page.route("**/api/v1/session", lambda route: route.fulfill(status=500, json={"detail": "Not now."}))
        page.reload()
        expect(page.get_by_text("Not now.")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_every_trouble_stays_until_it_is_dismissed_and_is_gone_with_who_had_it(
    store: Path, open_page: OpenPage
) -> None:
    review = open_review(f"sqlite:///{store / 'review.sqlite'}")
    Accounts(review).add("rita", Role.REVIEWER, hash_password(PASSWORD, "rita"))
    review.close()
    with served(store, LOGIN) as address, open_page(f"{address}/triage", expects=("401", "503")) as page:
        page.get_by_label("Name").fill("rita")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.route("**/api/v1/triage/download?*", lambda route: route.fulfill(status=503, json={"detail": "Not now."}))
        csv = page.get_by_role("navigation", name="Downloads").get_by_role("link", name="CSV")
        for n in range(1, 5):
            csv.click()
            expect(page.get_by_text("Not now.")).to_have_count(n)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", name="Log in to Triage")).to_be_visible()
        expect(page.get_by_text("Not now.")).to_have_count(0)


def test_the_badge_counts_what_the_list_has(page: Page, address: str, screenshot: Callable[[Page, str], None]) -> None:
    total = httpx.get(f"{address}/api/v1/sequence_groups/").raise_for_status().json()["total"]
    assert total > 0
    expect(page.get_by_role("link", name="Groups")).to_have_text(re.compile(rf"^Groups\s*{total}\s*unlabeled$"))
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
