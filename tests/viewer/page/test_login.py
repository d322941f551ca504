"""A page that people log in to: from a stranger's first look to a session that is over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.viewer.access.people import LOGIN, PASSWORD, WRONG, Clock
from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import OpenPage, served
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import open_review
from triage_assets.review.passwords import hash_password

UNKNOWN = ("401",)
"""What the browser notes of an answer to a stranger."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def address(store: Path, clock: Clock) -> Iterator[str]:
    """A server with a reviewer and a viewer."""
    review = open_review(f"sqlite:///{store / 'review.sqlite'}")
    accounts = Accounts(review)
    accounts.add("rita", Role.REVIEWER, hash_password(PASSWORD, "rita"))
    accounts.add("véra", Role.VIEWER, hash_password(PASSWORD, "véra"))
    review.close()
    with served(store, LOGIN, clock) as address:
        yield address


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_stranger_logs_in_and_is_where_they_wanted_to_go(
    address: str, open_page: OpenPage, screenshot: Callable[[Page, str], None]
) -> None:
    with open_page(f"{address}/run?x=1", expects=UNKNOWN) as page:
        expect(page.get_by_role("heading", name="Log in to Triage")).to_be_visible()
        expect(page.get_by_role("navigation")).to_have_count(0)
        screenshot(page, "login")
        assert serious_findings(page) == []
        log_in(page, "rita", WRONG)
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        log_in(page, "rita")
        expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
        assert page.url == f"{address}/run?x=1"
        expect(page.get_by_role("banner")).to_contain_text("rita")


def end_session_with(page: Page, clock: Clock, pattern: str) -> None:
    """The next request of that address comes too late; the page asks others by itself, and would tell before."""

    def come_too_late(route: Route) -> None:
        clock.seconds += 8 * 86_400
        route.continue_()

    page.route(pattern, come_too_late, times=1)


def test_a_session_that_is_over_asks_again_and_goes_on(address: str, clock: Clock, open_page: OpenPage) -> None:
    with open_page(f"{address}/groups", expects=UNKNOWN) as page:
        log_in(page, "rita")
        groups = page.get_by_role("link", name="Groups")
        expect(groups).to_have_attribute("aria-current", "page")

        end_session_with(page, clock, "**/api/v1/run")
        page.get_by_role("link", name="Run", exact=True).click()
        expect(page.get_by_role("heading", name="Log in to Triage")).to_be_visible()
        expect(page.get_by_label("Name")).to_be_focused()
        expect(page).to_have_title("Log in · Triage")
        log_in(page, "rita")
        expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
        expect(page).to_have_title("Run · Triage")


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("rita", True),
        ("véra", False),  # what somebody else was about to say is not theirs
    ],
)
def test_what_was_not_saved_when_a_session_ended_waits_for_whoever_began_it(
    address: str, clock: Clock, open_page: OpenPage, name: str, is_kept: bool
) -> None:
    with open_page(f"{address}/groups", expects=UNKNOWN) as page:
        log_in(page, "rita")
        page.get_by_role("link", name="Annotate one of each").click()
        antenna = page.get_by_role("radio", name="antenna", exact=True)
        expect(antenna).to_be_enabled()
        page.keyboard.press("a")
        expect(antenna).to_be_checked()
        clock.seconds += 8 * 86_400
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Log in to Triage")).to_be_visible()
        expect(antenna).to_be_hidden()
        page.keyboard.press("b")
        log_in(page, name)
        expect(page.get_by_role("banner")).to_contain_text(name)
        expect(antenna).to_be_checked(checked=is_kept)
        if is_kept:
            page.get_by_role("button", name="Save and go on").click()
            expect(page.get_by_text(": antenna.")).to_be_visible()


def test_a_question_that_is_open_does_not_hold_the_login(address: str, clock: Clock, open_page: OpenPage) -> None:
    with open_page(f"{address}/groups", expects=UNKNOWN) as page:
        log_in(page, "rita")
        page.get_by_role("table").get_by_role("link", name="Group").first.click()
        take_out = page.get_by_role("article").first.get_by_role("button", name="Take out")
        take_out.click()
        end_session_with(page, clock, "**/api/v1/sequence_groups/*/members/*")
        page.get_by_role("button", name="Take it out").click()
        expect(page.get_by_role("heading", name="Log in to Triage")).to_be_visible()
        log_in(page, "rita")
        expect(page.get_by_role("dialog")).to_have_count(0)
        take_out.click()
        page.get_by_role("button", name="Keep it").click()


def test_whoever_logs_out_leaves_nothing_to_see(address: str, open_page: OpenPage) -> None:
    with open_page(f"{address}/run", expects=UNKNOWN) as page:
        log_in(page, "rita")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", name="Log in to Triage")).to_be_visible()
        page.go_back()
        page.go_forward()
        expect(page.get_by_role("heading", name="Log in to Triage")).to_be_visible()
        expect(page.get_by_role("heading", name="Run", exact=True)).to_have_count(0)


def test_a_viewer_is_told_that_they_only_look(address: str, open_page: OpenPage) -> None:
    with open_page(f"{address}/run", expects=UNKNOWN) as page:
        log_in(page, "véra")
        expect(page.get_by_role("banner")).to_contain_text("may look")
