"""The list of groups and a camera's angles."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import OpenPage, served
from tests.viewer.page.people_at_groups import (
    change_group,
    largest_group,
    list_groups,
    looking_only,
)

Screenshot = Callable[[Page, str], None]


def shown_groups(page: Page) -> list[int]:
    """The groups of the list, in its order."""
    names = page.get_by_role("rowheader").or_(page.get_by_role("link", name=re.compile(r"^Group \d+$")))
    return [int(name.split()[1]) for name in names.all_inner_texts()]


@pytest.fixture
def groups(address: str, page: Page) -> Page:
    page.goto(f"{address}/groups")
    expect(page.get_by_role("table")).to_be_visible()
    return page


def test_the_list_begins_with_unlabeled_groups_as_many_as_the_badge_says(
    groups: Page, address: str, screenshot: Screenshot
) -> None:
    expected = list_groups(address)
    assert shown_groups(groups) == [each["id"] for each in expected]
    expect(groups.get_by_role("radio", name=f"unlabeled {len(expected)}")).to_be_checked()
    expect(groups.get_by_role("link", name=f"Groups {len(expected)} unlabeled")).to_be_visible()
    expect(groups.get_by_text(f"1–{len(expected)} of {len(expected)} groups")).to_be_visible()
    groups.wait_for_load_state("networkidle")
    screenshot(groups, "groups-list")


def test_a_group_shows_its_first_middle_and_last_member_with_boxes_and_region(groups: Page, address: str) -> None:
    group = list_groups(address)[0]
    row = groups.get_by_role("row").nth(1)
    assert row.locator("img").count() == len(group["thumbnails"])
    expect(row.locator("svg rect").first).to_be_attached()


@pytest.mark.parametrize(
    ("heading", "order", "first"),
    [
        ("Camera", "camera_name", "asc"),
        ("Angle", "azimuth", "asc"),
        # It is sorted by that already: once more turns it around.
        ("Members", "member_count", "asc"),
        ("Scores", "score", "desc"),
        ("Created", "created_at", "desc"),
    ],
)
def test_headings_sort_the_list_and_say_how(groups: Page, address: str, heading: str, order: str, first: str) -> None:
    other = "asc" if first == "desc" else "desc"
    for direction in (first, other):
        groups.get_by_role("button", name=heading).click()
        says = "ascending" if direction == "asc" else "descending"
        expect(groups.get_by_role("columnheader", name=heading)).to_have_attribute("aria-sort", says)
        expected = [each["id"] for each in list_groups(address, f"order_by={order}&order_direction={direction}")]
        expect(groups.get_by_role("link", name=re.compile(r"^Group \d+$"))).to_have_text(
            [f"Group {each}" for each in expected]
        )


def test_filters_narrow_the_list_and_the_address_has_them(groups: Page, address: str, open_page: OpenPage) -> None:
    group = list_groups(address)[0]
    change_group(address, group["id"], is_validated=True, false_positive_type="antenna")
    groups.get_by_role("radio", name=re.compile("^all")).check()
    groups.get_by_label("Organization").select_option(group["organization_key"])
    groups.get_by_label("Camera").select_option(str(group["camera_id"]))
    groups.get_by_label("Angle").select_option(str(group["azimuth"]))
    groups.get_by_label("Validated").select_option("true")
    groups.get_by_label("Members, at least").fill("3")
    expect(groups.get_by_text("1–1 of 1 groups")).to_be_visible()
    expect(groups.get_by_role("cell").filter(has_text="antenna")).to_be_visible()
    with open_page(groups.url) as copy:
        expect(copy.get_by_text("1–1 of 1 groups")).to_be_visible()
        expect(copy.get_by_label("Angle")).to_have_value(str(group["azimuth"]))
    groups.get_by_role("button", name="Clear the filters").click()
    expect(groups.get_by_text(f"of {len(list_groups(address, 'label_state=all'))} groups")).to_be_visible()
    groups.go_back()
    expect(groups.get_by_text("1–1 of 1 groups")).to_be_visible()


def test_pages_say_which_part_they_are_and_have_every_group_once(address: str, open_page: OpenPage) -> None:
    expected = list_groups(address, "min_members=1&size=100")
    assert len(expected) > 20
    seen: list[int] = []
    with open_page(f"{address}/groups?min_members=1&size=10") as page:
        for first in range(1, len(expected) + 1, 10):
            last = min(first + 9, len(expected))
            expect(page.get_by_text(f"{first}–{last} of {len(expected)} groups").first).to_be_visible()
            seen += shown_groups(page)
            if last < len(expected):
                page.get_by_role("button", name="Next").first.click()
        expect(page.get_by_role("button", name="Next").first).to_be_disabled()
    assert seen == [each["id"] for each in expected]


@pytest.mark.parametrize(
    ("search", "title", "says"),
    [
        ("?label_state=unsure", "No group here is unsure", "Things that were seen once are not listed"),
        ("?label_state=all&min_members=1000", "No group matches these filters", "Clear the filters"),
    ],
)
def test_an_empty_list_says_why(address: str, open_page: OpenPage, search: str, title: str, says: str) -> None:
    with open_page(f"{address}/groups{search}") as page:
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text(says)


def test_a_list_that_is_done_says_so_and_leads_on(address: str, open_page: OpenPage, screenshot: Screenshot) -> None:
    groups = list_groups(address)
    for group in groups:
        change_group(address, group["id"], false_positive_type="tree")
    with open_page(f"{address}/groups") as page:
        expect(page.get_by_role("heading", name="Every group has a label")).to_be_visible()
        screenshot(page, "groups-done")
        page.get_by_role("button", name="Show all of them").click()
        expect(page.get_by_text(f"1–{len(groups)} of {len(groups)} groups")).to_be_visible()


def test_a_store_without_groups_says_how_they_come(store: Path, open_page: OpenPage) -> None:
    for each in store.glob("review.sqlite*"):
        each.unlink()
    with served(store) as address, open_page(f"{address}/groups") as page:
        expect(page.get_by_role("heading", name="Nothing is grouped yet")).to_be_visible()
        page.get_by_role("button", name="Run assignment").click()
        expect(page.get_by_role("status").filter(has_text="sequences assigned")).to_be_visible()
        expect(page.get_by_role("table")).to_be_visible()


def test_an_assignment_says_what_it_did(groups: Page) -> None:
    groups.get_by_role("button", name="Run assignment").click()
    expect(groups.get_by_role("status").filter(has_text="There was nothing new to assign")).to_be_visible()


def test_scores_far_apart_are_marked(groups: Page, address: str) -> None:
    apart = [each for each in list_groups(address) if each["highest_score"] - each["lowest_score"] >= 0.5]
    assert apart, "the demo has a group that the model is of two minds about"
    expect(groups.get_by_text("scores far apart")).to_have_count(len(apart))


HOSTILE = "<script>alert(1)</script>\n\"quoted'\u202etxet"


@pytest.fixture
def hostile(store: Path) -> Iterator[str]:
    with closing(sqlite3.connect(store / "review.sqlite")) as review, review:
        review.execute("UPDATE sequence_groups SET camera_name = ?, organization_name = ?", (HOSTILE, HOSTILE))
        (group_id,) = review.execute("SELECT id FROM sequence_groups WHERE member_count > 1 LIMIT 1").fetchone()
        (camera_id,) = review.execute("SELECT camera_id FROM sequence_groups WHERE id = ?", (group_id,)).fetchone()
    with served(store) as address:
        yield f"{address} {group_id} {camera_id}"


def test_names_are_text_wherever_they_come_from(hostile: str, open_page: OpenPage, screenshot: Screenshot) -> None:
    address, group_id, camera_id = hostile.split()
    for path in ("/groups", f"/groups/{group_id}", f"/cameras/{camera_id}"):
        with open_page(f"{address}{path}") as page:
            names = page.locator("bdi").filter(has_text="<script>alert(1)</script> \"quoted'")
            expect(names.first).to_be_visible()
            if path == "/groups":
                page.wait_for_load_state("networkidle")
                screenshot(page, "groups-hostile-names")


def test_a_camera_shows_where_its_groups_sit(address: str, open_page: OpenPage, screenshot: Screenshot) -> None:
    group = largest_group(address)
    others = list_groups(address, f"label_state=all&camera_id={group['camera_id']}")
    with open_page(f"{address}/cameras/{group['camera_id']}") as page:
        dial = page.get_by_role("group", name="Angles of the camera")
        angles = sorted({each["azimuth"] for each in others})
        expect(dial.get_by_role("button")).to_have_count(len(angles))
        for each in others:
            expect(page.get_by_role("link", name=f"Group {each['id']}", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        screenshot(page, "camera-angles")
        assert serious_findings(page) == []
        dial.get_by_role("button", name=f"{group['azimuth']}°").press("Enter")
        expect(page.get_by_role("region", name="Angle")).to_have_count(1)
        assert page.url.endswith(f"?azimuth={group['azimuth']}")
        page.get_by_role("link", name=f"Group {group['id']}", exact=True).click()
        expect(page.get_by_role("heading", name=f"Group {group['id']}")).to_be_visible()


def test_a_camera_with_very_many_groups_shows_every_angle(store: Path, open_page: OpenPage) -> None:
    with closing(sqlite3.connect(store / "review.sqlite")) as review, review:
        names = [
            row[1] for row in review.execute("PRAGMA table_info(sequence_groups)") if row[1] not in ("id", "azimuth")
        ]
        (group_id, camera_id) = review.execute(
            "SELECT id, camera_id FROM sequence_groups WHERE member_count > 1 LIMIT 1"
        ).fetchone()
        review.execute("DELETE FROM sequence_groups WHERE camera_id = ? AND id <> ?", (camera_id, group_id))
        review.execute("UPDATE sequence_groups SET azimuth = 0 WHERE id = ?", (group_id,))
        for azimuth in range(1, 150):
            review.execute(
                f"INSERT INTO sequence_groups ({', '.join(names)}, azimuth)"
                f" SELECT {', '.join(names)}, ? FROM sequence_groups WHERE id = ?",
                (azimuth, group_id),
            )
    with served(store) as address, open_page(f"{address}/cameras/{camera_id}?azimuth=149") as page:
        expect(page.get_by_text("150 groups at 150 angles")).to_be_visible()
        expect(page.get_by_role("region", name="Angle 149°")).to_be_visible()


def test_an_angle_that_is_no_direction_is_listed_and_not_drawn(address: str, open_page: OpenPage) -> None:
    (group,) = [each for each in list_groups(address) if each["azimuth"] == -1]
    with open_page(f"{address}/cameras/{group['camera_id']}") as page:
        expect(page.get_by_text("1 group at -1°, which is no direction.")).to_be_visible()
        expect(page.get_by_role("link", name=f"Group {group['id']}", exact=True)).to_be_visible()


def test_who_may_only_look_cannot_assign(store: Path, open_page: OpenPage) -> None:
    with looking_only(store, open_page, "/groups") as page:
        button = page.get_by_role("button", name="Run assignment")
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", re.compile("role reviewer"))


@pytest.mark.parametrize(("width", "colors"), [(1440, "light"), (1440, "dark"), (1024, "light")])
def test_the_list_is_usable_by_everybody(
    address: str, open_page: OpenPage, screenshot: Screenshot, width: int, colors: str
) -> None:
    with open_page(f"{address}/groups", width=width, height=768, colors=colors) as page:
        expect(page.get_by_role("table")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is to the right of the window"
        assert serious_findings(page) == []
        screenshot(page, f"groups-{width}-{colors}")
