"""One group: looking at its members, and everything that people decide about it."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import OpenPage, held_request
from tests.viewer.page.people_at_groups import (
    annotate,
    change_group,
    get_group,
    get_standing,
    largest_group,
    looking_only,
)

Screenshot = Callable[[Page, str], None]
CHANGED, OTHER_LABEL = ("412",), ("409",)
"""What the browser notes of a decision that was refused."""


@pytest.fixture
def group(address: str) -> dict[str, Any]:
    return largest_group(address)


@pytest.fixture
def detail(page: Page, address: str, group: dict[str, Any]) -> Page:
    page.goto(f"{address}/groups/{group['id']}")
    expect(page.get_by_role("heading", name=f"Group {group['id']}")).to_be_visible()
    return page


def member(page: Page, sequence_id: int) -> Locator:
    return page.get_by_role("article", name=f"Sequence {sequence_id}", exact=True)


def ids(group: dict[str, Any]) -> list[int]:
    return [each["sequence_id"] for each in group["members"]]


def choose_label(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).check(force=True)


def test_every_member_shows_its_boxes_and_the_same_region(
    detail: Page, group: dict[str, Any], screenshot: Screenshot
) -> None:
    regions = set()
    for each in ids(group):
        rects = member(detail, each).locator("svg rect")
        expect(rects.first).to_be_attached()
        n_boxes = len(next(m for m in group["members"] if m["sequence_id"] == each)["first_detection_boxes"])
        assert rects.count() == n_boxes + 1
        regions.add(tuple(rects.first.get_attribute(name) for name in ("x", "y", "width", "height")))
    assert len(regions) == 1
    detail.wait_for_load_state("networkidle")
    screenshot(detail, "group-members")


def test_a_group_is_validated_and_that_is_taken_back(detail: Page, address: str, group: dict[str, Any]) -> None:
    detail.get_by_role("button", name="Validate", exact=True).click()
    expect(detail.get_by_text("Validated by ana")).to_be_visible()
    assert get_group(address, group["id"])["validated_by_username"] == "ana"
    expect(detail.get_by_role("region", name="Decisions")).to_contain_text("ana validated the group of 3 members")
    detail.get_by_role("button", name="Take the validation back").click()
    expect(detail.get_by_role("button", name="Validate", exact=True)).to_be_visible()
    assert not get_group(address, group["id"])["is_validated"]


def test_a_member_is_taken_out_after_a_question_and_put_back_by_undo(
    detail: Page, address: str, group: dict[str, Any], screenshot: Screenshot
) -> None:
    first = ids(group)[0]
    card = member(detail, first)
    card.get_by_role("button", name="Take out").click()
    question = detail.get_by_role("dialog", name=f"Take sequence {first} out of group {group['id']}?")
    screenshot(detail, "group-remove")
    question.get_by_role("button", name="Keep it").click()
    expect(question).to_have_count(0)
    assert first in ids(get_group(address, group["id"])), "nothing happens before the answer"
    card.get_by_role("button", name="Take out").click()
    question.get_by_role("button", name="Take it out").click()
    expect(card).to_have_count(0)
    assert first not in ids(get_group(address, group["id"]))
    detail.get_by_role("button", name="Undo").click()
    expect(card).to_be_visible()
    assert first in ids(get_group(address, group["id"]))


def test_what_was_taken_out_is_listed_until_it_is_put_back(detail: Page, address: str, group: dict[str, Any]) -> None:
    last = ids(group)[-1]
    taken_out = detail.get_by_role("region", name="Taken out")
    expect(taken_out).to_contain_text("Nothing was taken out")
    member(detail, last).get_by_role("button", name="Take out").click()
    detail.get_by_role("button", name="Take it out").click()
    taken_out.get_by_role("button", name=f"Put back sequence {last}").click()
    expect(member(detail, last)).to_be_visible()
    expect(taken_out).to_contain_text("Nothing was taken out")
    assert last in ids(get_group(address, group["id"]))


def test_one_label_goes_to_every_member_that_is_not_locked(
    detail: Page, address: str, group: dict[str, Any], screenshot: Screenshot
) -> None:
    locked, *others = ids(group)
    annotate(address, locked, smoke_type="industrial")
    choose_label(detail, "antenna")
    detail.get_by_role("button", name="Label 3 members as antenna").click()
    detail.get_by_role("dialog").get_by_role("button", name="Label 3 members").click()
    result = detail.get_by_role("status").filter(has_text="2 members labelled.")
    expect(result).to_contain_text("The group carries it now.")
    expect(result).to_contain_text("1 member left as it is, locked stage: seq annotation done")
    expect(result.get_by_role("link", name=str(locked), exact=True)).to_be_visible()
    for each in others:
        expect(member(detail, each)).to_contain_text("antenna")
        assert get_standing(address, each)["annotation"]["false_positive_types"] == ["antenna"]
    assert get_standing(address, locked)["annotation"]["smoke_types"] == ["industrial"]
    screenshot(detail, "group-labelled")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"status": 503, "json": {"detail": "Not now."}}, "were not labelled: Not now."),
        (None, "3 members labelled."),  # as the server answers
    ],
)
def test_whoever_left_a_group_is_told_how_its_labelling_ended(
    address: str, group: dict[str, Any], open_page: OpenPage, reply: dict[str, Any] | None, said: str
) -> None:
    with open_page(f"{address}/groups/{group['id']}", expects=("503",)) as page:
        choose_label(page, "antenna")
        page.get_by_role("button", name="Label 3 members as antenna").click()
        with held_request(page, "**/api/v1/annotations/sequences/bulk") as answer:
            page.get_by_role("dialog").get_by_role("button", name="Label 3 members").click()
        page.get_by_role("link", name="Run", exact=True).click()
        expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
        answer(reply)
        expect(page.get_by_role("status").get_by_text(said)).to_be_visible()


def test_a_label_against_the_groups_takes_an_explicit_yes(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    with open_page(f"{address}/groups/{group['id']}", expects=OTHER_LABEL) as page:
        choose_label(page, "building")
        page.get_by_role("button", name="Label 3 members as building").click()
        change_group(address, group["id"], false_positive_type="tree")
        page.get_by_role("dialog").get_by_role("button", name="Label 3 members").click()
        question = page.get_by_role("dialog", name="Replace the group's label?")
        expect(question).to_contain_text(f"Group {group['id']} carries another label")
        assert get_group(address, group["id"])["false_positive_type"] == "tree", "nothing was done yet"
        question.get_by_role("button", name="Replace it with building").click()
        expect(page.get_by_text("3 members labelled.")).to_be_visible()
        assert get_group(address, group["id"])["false_positive_type"] == "building"


def test_a_correction_takes_the_labels_along_that_came_through_the_group(
    detail: Page, address: str, group: dict[str, Any]
) -> None:
    first, *others = ids(group)
    change_group(address, group["id"], is_validated=True)
    annotate(address, first, false_positive_type="antenna")
    detail.reload()
    expect(member(detail, others[0])).to_contain_text("through the group")
    choose_label(detail, "building")
    detail.get_by_role("button", name="Correct it to building").click()
    for each in others:
        expect(member(detail, each)).to_contain_text("building")
    assert get_standing(address, first)["annotation"]["false_positive_types"] == ["antenna"], "a person's own stays"
    expect(detail.get_by_text("1 member here labelled otherwise than the group.")).to_be_visible()
    detail.get_by_role("button", name="Choose none").click()
    detail.get_by_role("button", name="Take the label away").click()
    expect(detail.get_by_role("region", name="Label")).to_contain_text("No label yet.")
    assert get_standing(address, others[0])["annotation"]["processing_stage"] == "ready_to_annotate"


def test_a_group_can_be_unsure_without_a_label(detail: Page, address: str, group: dict[str, Any]) -> None:
    detail.get_by_role("checkbox", name="Unsure").check()
    detail.get_by_role("button", name="Say the group is unsure").click()
    expect(detail.get_by_text("Somebody was unsure.")).to_be_visible()
    assert get_group(address, group["id"])["label_state"] == "unsure"


def test_whoever_was_slower_is_told_sees_it_anew_and_loses_nothing(
    address: str, group: dict[str, Any], open_page: OpenPage, screenshot: Screenshot
) -> None:
    change_group(address, group["id"], false_positive_type="tree")
    with open_page(f"{address}/groups/{group['id']}", expects=CHANGED) as page:
        choose_label(page, "building")
        change_group(address, group["id"], false_positive_type="sky")
        page.get_by_role("button", name="Correct it to building").click()
        refusal = page.get_by_role("alert").filter(has_text="It changed meanwhile, and yours is not saved.")
        expect(refusal).to_contain_text("by ana (relabel)")
        expect(page.get_by_role("region", name="Label").locator("strong").first).to_have_text("sky")
        expect(page.get_by_role("radio", name="building", exact=True)).to_be_checked()
        assert get_group(address, group["id"])["false_positive_type"] == "sky"
        screenshot(page, "group-changed-meanwhile")
        expect(page.get_by_role("button", name="Correct it to building")).to_be_disabled()
        page.get_by_role("button", name="Go on with mine: building").click()
        page.get_by_role("button", name="Correct it to building").click()
        expect(page.get_by_role("region", name="Label").locator("strong").first).to_have_text("building")


def test_a_correction_that_was_begun_does_not_become_one_of_what_others_wrote_since(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    change_group(address, group["id"], false_positive_type="tree")
    with open_page(f"{address}/groups/{group['id']}", expects=CHANGED) as page:
        choose_label(page, "building")
        change_group(address, group["id"], false_positive_type="sky")
        page.get_by_role("button", name="Validate", exact=True).click()  # refused, and the group is read anew
        told = page.get_by_role("region", name="Label").get_by_role("alert")
        expect(told).to_contain_text("It changed meanwhile, and yours is not saved.")
        expect(page.get_by_role("button", name="Correct it to building")).to_be_disabled()
        told.get_by_role("button", name="Take what is stored: sky").click()
        expect(page.get_by_role("radio", name="sky", exact=True)).to_be_checked()
        expect(told).to_have_count(0)
    assert get_group(address, group["id"])["false_positive_type"] == "sky"


def test_a_conflict_stays_until_the_two_say_the_same(
    address: str, group: dict[str, Any], open_page: OpenPage, screenshot: Screenshot
) -> None:
    change_group(address, group["id"], is_validated=True, false_positive_type="tree")
    odd = ids(group)[0]
    annotate(address, odd, smoke_type="wildfire")
    with open_page(f"{address}/groups/{group['id']}?sequence={odd}") as page:
        banner = page.get_by_role("alert").filter(has_text=f"Sequence {odd} is wildfire")
        expect(banner).to_contain_text(f"group {group['id']} is tree")
        page.reload()
        expect(banner).to_be_visible()
        screenshot(page, "group-conflict")
        assert serious_findings(page) == []
        banner.get_by_role("button", name="Take the sequence out").click()
        expect(banner).to_have_count(0)
        page.get_by_role("button", name="Undo").click()
        expect(banner).to_be_visible()
        banner.get_by_role("button", name="Make the group wildfire").click()
        expect(banner).to_have_count(0)
        assert get_group(address, group["id"])["smoke_type"] == "wildfire"


@pytest.fixture
def crowd(store: Path) -> int:
    """A group that almost every sequence is in."""
    with closing(sqlite3.connect(store / "review.sqlite")) as review, review:
        (group_id,) = review.execute("SELECT id FROM sequence_groups ORDER BY member_count DESC LIMIT 1").fetchone()
        review.execute("UPDATE sequences SET group_id = ? WHERE group_id IS NOT NULL", (group_id,))
        review.execute(
            "UPDATE sequence_groups SET member_count = "
            "(SELECT count(*) FROM sequences WHERE group_id = sequence_groups.id)"
        )
    return int(group_id)


def test_a_large_group_has_pages_of_members_and_one_label_for_all(
    crowd: int, address: str, open_page: OpenPage, screenshot: Screenshot
) -> None:
    expected = ids(get_group(address, crowd))
    assert len(expected) > 50
    with open_page(f"{address}/groups/{crowd}") as page:
        cards = page.get_by_role("article")
        expect(page.get_by_text(f"1–50 of {len(expected)} members").first).to_be_visible()
        expect(cards).to_have_count(50)
        screenshot(page, "group-crowd")
        page.get_by_role("button", name="Next").first.click()
        expect(page.get_by_text(f"51–{len(expected)} of {len(expected)} members").first).to_be_visible()
        expect(cards).to_have_count(len(expected) - 50)
        choose_label(page, "dust")
        page.get_by_role("button", name=f"Label {len(expected)} members as dust").click()
        page.get_by_role("dialog").get_by_role("button", name="Label").click()
        expect(page.get_by_text(f"{len(expected)} members labelled.")).to_be_visible()
        page.get_by_role("link", name="Annotate the members").click()
        expect(page.get_by_role("heading", name=f"Annotate sequence {expected[50]}", exact=True)).to_be_visible()
        expect(page.get_by_text(f"51 of {len(expected)}", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/groups/987654", "There is no group 987654"),
        ("/groups/abc", "group_id"),
        ("/groups/%2e%2e%2fetc", "no such page|group_id"),
    ],
)
def test_what_is_no_group_says_so(address: str, open_page: OpenPage, path: str, sentence: str) -> None:
    with open_page(f"{address}{path}", expects=("404", "422")) as page:
        expect(page.get_by_role("main")).to_contain_text(re.compile(sentence))


def test_a_group_that_everybody_left_says_so(detail: Page, address: str, group: dict[str, Any]) -> None:
    for each in ids(group):
        httpx.delete(f"{address}/api/v1/sequence_groups/{group['id']}/members/{each}").raise_for_status()
    detail.reload()
    expect(detail.get_by_role("heading", name="Everybody was taken out")).to_be_visible()
    expect(detail.get_by_role("button", name=re.compile("^Put back"))).to_have_count(len(ids(group)))


def test_who_may_only_look_decides_nothing(
    store: Path, address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    with looking_only(store, open_page, f"/groups/{group['id']}") as page:
        for name in ("Validate", re.compile("^Take out")):
            for button in page.get_by_role("button", name=name, exact=name == "Validate").all():
                expect(button).to_be_disabled()
                expect(button).to_have_attribute("title", re.compile("role reviewer"))
        expect(page.get_by_role("radio", name="antenna", exact=True)).to_be_disabled()


@pytest.mark.parametrize(("width", "colors"), [(1440, "light"), (1440, "dark"), (1024, "light")])
def test_a_group_is_usable_by_everybody(
    address: str, group: dict[str, Any], open_page: OpenPage, screenshot: Screenshot, width: int, colors: str
) -> None:
    change_group(address, group["id"], is_validated=True)
    annotate(address, ids(group)[0], false_positive_type="antenna")
    with open_page(f"{address}/groups/{group['id']}", width=width, height=768, colors=colors) as page:
        expect(page.get_by_text("through the group").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is to the right of the window"
        assert serious_findings(page) == []
        screenshot(page, f"group-{width}-{colors}")
