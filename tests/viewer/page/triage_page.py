"""What the triage page's tests look at: its figures, its table, and what the server says of the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Locator, Page, Request


def ask(address: str, route: str, **wanted: Any) -> Any:
    """What the server answers."""
    answer = httpx.get(f"{address}/api/v1/triage/{route}", params=wanted)
    answer.raise_for_status()
    return answer.json()


def figure(page: Page, name: str) -> Locator:
    """The button with a bucket's count."""
    return page.get_by_role("region", name="Counts").get_by_role("button", name=name)


def total_said(page: Page) -> Locator:
    """Which rows of how many the table shows."""
    return page.get_by_test_id("rows-said")


def grid(page: Page) -> Locator:
    """The table of sequences."""
    return page.get_by_role("grid")


def rows(page: Page) -> Locator:
    """The rows that are drawn, in their order."""
    return grid(page).locator("tbody").get_by_role("row")


def row_of(page: Page, sequence_id: int) -> Locator:
    """The row of one sequence."""
    return rows(page).filter(has=page.get_by_role("gridcell", name=f"{sequence_id}", exact=True))


def search_of(page: Page) -> dict[str, list[str]]:
    """What the address says."""
    return parse_qs(urlsplit(page.url).query)


def written(number: int) -> str:
    """A count as the page writes it."""
    return f"{number:,}"


@contextmanager
def requests_of(page: Page, route: str) -> Iterator[list[str]]:
    """The addresses that are asked for of a route meanwhile."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).path == f"/api/v1/triage/{route}":
            asked.append(request.url)

    page.on("request", note)
    try:
        yield asked
    finally:
        page.remove_listener("request", note)
