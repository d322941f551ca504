"""What is around every page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

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
