"""What tests of the groups' pages and of annotating share.

What lives here: asking the server beside the page, as another person would. What does not: the server and the browser
(`conftest`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from tests.viewer.access.people import LOGIN, PASSWORD
from tests.viewer.page.conftest import OpenPage, served
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import open_review
from triage_assets.review.passwords import hash_password

GROUPS = "/api/v1/sequence_groups"


def list_groups(address: str, query: str = "") -> list[dict[str, Any]]:
    """The groups of a list, in its order."""
    items: list[dict[str, Any]] = _answer(httpx.get(f"{address}{GROUPS}/?{query}"))["items"]
    return items


def get_group(address: str, group_id: int) -> dict[str, Any]:
    return _answer(httpx.get(f"{address}{GROUPS}/{group_id}?members_size=100"))


def largest_group(address: str) -> dict[str, Any]:
    """With its members."""
    return get_group(address, list_groups(address)[0]["id"])


def change_group(address: str, group_id: int, **change: object) -> None:
    """As another person would, who has not seen what the page shows."""
    _answer(httpx.patch(f"{address}{GROUPS}/{group_id}", json=change))


def get_standing(address: str, sequence_id: int) -> dict[str, Any]:
    return _answer(httpx.get(f"{address}/api/v1/sequences/{sequence_id}/standing"))


def annotate(address: str, sequence_id: int, **label: object) -> None:
    _answer(httpx.put(f"{address}/api/v1/annotations/sequences/{sequence_id}", json=label))


def _answer(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


@contextmanager
def looking_only(store: Path, open_page: OpenPage, path: str) -> Iterator[Page]:
    """A page of one who has the role viewer."""
    review = open_review(f"sqlite:///{store / 'review.sqlite'}")
    Accounts(review).add("vera", Role.VIEWER, hash_password(PASSWORD, "vera"))
    review.close()
    with served(store, LOGIN) as address, open_page(f"{address}{path}", expects=("401",)) as page:
        page.get_by_label("Name").fill("vera")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("banner")).to_contain_text("vera")
        yield page
