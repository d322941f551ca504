"""The page of somebody who only looks: the store's groups, where they are from, and nothing to decide."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.viewer.conftest import serve
from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import OpenPage
from tests.viewer.page.people_at_groups import largest_group
from triage_assets.settings import load_settings
from triage_assets.viewer_command import open_context

Screenshot = Callable[[Page, str], None]
WHERE = "Decisions are taken in the review database of whoever makes the store: set TRIAGE_REVIEW_DB to it."


@pytest.fixture
def address(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the page is served over a store whose review database stayed where it was made."""
    for file in store.glob("review.sqlite*"):
        file.unlink()
    monkeypatch.setenv("TRIAGE_STORE", str(store))
    with closing(open_context(load_settings())) as context, serve(context) as client:
        yield str(client.base_url).rstrip("/")


def test_groups_are_shown_and_where_decisions_are_taken_is_said(
    address: str, open_page: OpenPage, screenshot: Screenshot
) -> None:
    group = largest_group(address)
    with open_page(f"{address}/groups") as page:
        expect(page.get_by_role("status").filter(has_text="Groups from the store, last changed 20")).to_contain_text(
            WHERE
        )
        expect(page.get_by_role("button", name="Run assignment")).to_be_disabled()
        expect(page.get_by_role("banner")).to_contain_text("may look")
        screenshot(page, "groups-copied")
        page.goto(f"{address}/groups/{group['id']}")
        expect(page.get_by_role("main")).to_contain_text(WHERE)
        for each in group["members"][:3]:
            shown = page.get_by_role("article", name=f"Sequence {each['sequence_id']}", exact=True)
            expect(shown.locator("svg rect").first).to_be_attached()
        expect(page.get_by_role("region", name="Decisions")).to_contain_text("in the review database alone")
        expect(page.get_by_role("button", name="Validate")).to_be_disabled()
        expect(page.get_by_role("button", name="Take out").first).to_be_disabled()
        assert serious_findings(page) == []
        screenshot(page, "group-copied")
        page.goto(f"{address}/cameras/{group['camera_id']}")
        expect(page.get_by_role("main")).to_contain_text(WHERE)


def test_a_sequence_is_looked_at_and_not_annotated(address: str, open_page: OpenPage) -> None:
    sequence_id = largest_group(address)["members"][0]["sequence_id"]
    with open_page(f"{address}/annotate/{sequence_id}") as page:
        expect(page.get_by_role("main")).to_contain_text(WHERE)
        expect(page.get_by_role("button", name="Save", exact=False).first).to_be_disabled()
        expect(page.get_by_role("form", name="Label")).to_contain_text("You may look and not decide")
