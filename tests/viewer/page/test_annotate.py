"""Annotating one sequence after the other."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import OpenPage, held_request
from tests.viewer.page.people_at_groups import (
    annotate,
    change_group,
    get_standing,
    largest_group,
    list_groups,
    looking_only,
)

Screenshot = Callable[[Page, str], None]
CHANGED = ("412",)
"""What the browser notes of an annotation that was refused."""


@pytest.fixture
def group(address: str) -> dict[str, Any]:
    group = largest_group(address)
    assert len(group["members"]) == 3
    return group


def ids(group: dict[str, Any]) -> list[int]:
    return [each["sequence_id"] for each in group["members"]]


def triage_rows(address: str, query: str) -> list[int]:
    answer = httpx.get(f"{address}/api/v1/triage/rows?limit=100&{query}")
    return [row["sequence_id"] for row in answer.raise_for_status().json()["items"]]


def shows(page: Page, sequence_id: int) -> None:
    """Wait until the sequence is to be annotated, and can be."""
    expect(page.get_by_role("heading", name=f"Annotate sequence {sequence_id}", exact=True)).to_be_visible()
    expect(page.get_by_role("radio", name="antenna", exact=True)).to_be_visible()


def labels_of(address: str, sequence_id: int) -> list[str]:
    annotation = get_standing(address, sequence_id)["annotation"]
    return [] if annotation is None else [*annotation["smoke_types"], *annotation["false_positive_types"]]


def test_a_queue_is_annotated_with_the_keyboard_alone_in_its_order(
    address: str, open_page: OpenPage, screenshot: Screenshot
) -> None:
    query = "bucket=review&sort=triage_score&direction=asc"
    queue = triage_rows(address, query)
    keys = ["1", "a", "q", "v"]
    with open_page(f"{address}/annotate/{queue[0]}?queue=triage%3F{query.replace('&', '%26')}") as page:
        for place, (sequence_id, key) in enumerate(zip(queue, keys, strict=False), start=1):
            shows(page, sequence_id)
            expect(page.get_by_text(f"{place} of {len(queue)}", exact=True)).to_be_visible()
            if place == 3:
                screenshot(page, "annotate-queue")
            page.keyboard.press(key)
            page.keyboard.press("Enter")
        shows(page, queue[4])
        expect(page.get_by_text("4 saved")).to_be_visible()
        page.keyboard.press("z")
        shows(page, queue[3])
        page.keyboard.press("s")
        shows(page, queue[4])
        page.keyboard.press("s")
        shows(page, queue[5])
    assert [labels_of(address, each) for each in queue[:5]] == [
        ["wildfire"], ["antenna"], [], ["combine_harvester"], []
    ]  # fmt: skip
    assert get_standing(address, queue[2])["annotation"]["is_unsure"]
    assert get_standing(address, queue[4])["annotation"] is None, "skipped"


def test_arrows_are_the_players_and_a_label_is_given_from_its_slider(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    first, following, _ = ids(group)
    with open_page(f"{address}/annotate/{first}?queue=group%3Fgroup%3D{group['id']}&hide=boxes") as page:
        shows(page, first)
        slider = page.get_by_role("slider", name="Frame")
        page.keyboard.press("Home")
        expect(slider).to_have_value("0")
        page.keyboard.press("ArrowRight")
        expect(slider).to_have_value("1")
        slider.press("ArrowLeft")
        expect(slider).to_have_value("0")
        page.keyboard.press("a")
        expect(page.get_by_role("radio", name="antenna", exact=True)).to_be_checked()
        page.keyboard.press("Enter")
        shows(page, following)
        assert page.url.endswith("hide=boxes"), "what is drawn is the same all along the queue"
    assert labels_of(address, first) == ["antenna"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"status": 412, "json": {"detail": "It changed."}}, "was not saved: It changed."),
        (None, "is saved."),  # as the server answers
    ],
)
def test_whoever_left_before_the_answer_is_told_where_they_are(
    address: str, group: dict[str, Any], open_page: OpenPage, reply: dict[str, Any] | None, said: str
) -> None:
    first = ids(group)[0]
    with open_page(f"{address}/annotate/{first}", expects=CHANGED) as page:
        shows(page, first)
        page.keyboard.press("a")
        with held_request(page, "**/api/v1/annotations/sequences/*") as answer:
            page.keyboard.press("Enter")
        page.get_by_role("link", name="Run", exact=True).click()
        expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
        answer(reply)
        expect(page.get_by_text(f"Sequence {first} {said}")).to_be_visible()
    assert labels_of(address, first) == (["antenna"] if reply is None else [])


def test_a_refusal_that_comes_after_the_next_is_shown_names_its_own(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    first, following, _ = ids(group)
    with open_page(f"{address}/annotate/{first}?queue=group%3Fgroup%3D{group['id']}", expects=CHANGED) as page:
        shows(page, first)
        page.keyboard.press("a")
        with held_request(page, "**/api/v1/annotations/sequences/*") as answer:
            page.keyboard.press("Enter")
        page.keyboard.press("s")
        shows(page, following)
        answer({"status": 412, "json": {"detail": "It changed."}})
        expect(page.get_by_text(f"Sequence {first} was not saved: It changed.")).to_be_visible()
        page.keyboard.press("z")
        shows(page, first)
        expect(page.get_by_role("radio", name="antenna", exact=True)).to_be_checked()


def test_looking_for_the_next_tells_how_many_it_passed_and_is_left(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    first, labelled, last = ids(group)
    annotate(address, labelled, smoke_type="wildfire")
    with open_page(f"{address}/annotate/{first}?queue=group%3Fgroup%3D{group['id']}") as page:
        shows(page, first)
        expect(page.get_by_text("1 of 3", exact=True)).to_be_visible()
        page.route(f"**/sequences/{last}/standing", lambda _: None)  # no answer comes
        page.keyboard.press("s")
        queue = page.get_by_role("navigation", name="Queue")
        expect(queue).to_contain_text("Passed 1")
        queue.get_by_role("button", name="Stay here").click()
        expect(queue.get_by_role("button", name="Skip")).to_be_enabled()
        shows(page, first)


def test_a_queue_goes_on_in_order_when_what_was_saved_leaves_it(
    address: str, open_page: OpenPage, screenshot: Screenshot
) -> None:
    """Of unlabeled groups, each leaves the list with its first member's label."""
    groups = list_groups(address)
    for each in groups:
        change_group(address, each["id"], is_validated=True)
    firsts = [each["thumbnails"][0]["sequence_id"] for each in groups]
    with open_page(f"{address}/groups") as page:
        page.get_by_role("link", name="Annotate one of each").click()
        for sequence_id in firsts:
            shows(page, sequence_id)
            expect(page.get_by_text(re.compile(r"^1 of \d+$"))).to_be_visible()
            page.keyboard.press("t")
            page.keyboard.press("Enter")
        expect(page.get_by_text("This is the end of the queue.")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text(f"{len(firsts)} saved")
        screenshot(page, "annotate-end")
        page.get_by_role("link", name="Back to where the queue came from").click()
        expect(page.get_by_role("heading", name="Every group has a label")).to_be_visible()
    assert list_groups(address) == []


def test_a_label_goes_to_the_whole_validated_group_and_says_so(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    change_group(address, group["id"], is_validated=True)
    first, *others = ids(group)
    with open_page(f"{address}/groups/{group['id']}") as page:
        page.get_by_role("link", name="Annotate the members").click()
        shows(page, first)
        page.get_by_role("radio", name="building", exact=True).check(force=True)
        page.get_by_role("button", name="Save and go on").click()
        expect(page.get_by_text(f"The label went to 2 other members of group {group['id']}.")).to_be_visible()
        expect(page.get_by_text("The last 2 have a label by now and were passed.")).to_be_visible()
        page.get_by_role("button", name="Stop at those too").click()
        page.get_by_role("button", name="Skip").click()
        shows(page, others[0])
        expect(page.get_by_role("form", name="Label")).to_contain_text("through its group")
    assert [labels_of(address, each) for each in ids(group)] == [["building"]] * 3


def test_a_conflict_stops_the_queue_and_stays_until_it_is_reconciled(
    address: str, group: dict[str, Any], open_page: OpenPage, screenshot: Screenshot
) -> None:
    change_group(address, group["id"], is_validated=True, false_positive_type="tree")
    odd, following, _ = ids(group)
    with open_page(f"{address}/annotate/{odd}?queue=group%3Fgroup%3D{group['id']}") as page:
        shows(page, odd)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        banner = page.get_by_role("alert").filter(has_text=f"Sequence {odd} is wildfire")
        expect(banner).to_contain_text(f"group {group['id']} is tree")
        shows(page, odd)
        screenshot(page, "annotate-conflict")
        assert serious_findings(page) == []
        page.keyboard.press("s")
        shows(page, following)
        expect(banner).to_be_visible()
        change_group(address, group["id"], smoke_type="wildfire")
        banner.get_by_role("link", name=f"group {group['id']}").click()
        expect(page.get_by_role("heading", name=f"Group {group['id']}")).to_be_visible()
        expect(banner).to_have_count(0)
    assert labels_of(address, following) == [], "nothing spread"


def test_a_conflict_is_there_after_coming_back_and_can_be_dismissed(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    change_group(address, group["id"], is_validated=True, false_positive_type="tree")
    odd = ids(group)[0]
    annotate(address, odd, smoke_type="wildfire")
    with open_page(f"{address}/annotate/{odd}") as page:
        banner = page.get_by_role("alert").filter(has_text=f"Sequence {odd} is wildfire")
        expect(banner).to_be_visible()
        banner.get_by_role("button", name="Dismiss").click()
        expect(banner).to_have_count(0)


def test_of_two_tabs_the_second_is_told_and_loses_nothing(
    address: str, group: dict[str, Any], open_page: OpenPage, screenshot: Screenshot
) -> None:
    sequence_id = ids(group)[0]
    path = f"{address}/annotate/{sequence_id}"
    with open_page(path) as first, open_page(path, expects=CHANGED) as second:
        for page, key in ((first, "a"), (second, "b")):
            shows(page, sequence_id)
            page.keyboard.press(key)
        first.keyboard.press("Enter")
        expect(first.get_by_text(f"Saved sequence {sequence_id}: antenna.")).to_be_visible()
        second.keyboard.press("Enter")
        told = second.get_by_role("alert").filter(has_text="It changed meanwhile, and yours is not saved.")
        expect(told).to_contain_text("by ana (annotate)")
        expect(second.get_by_role("radio", name="building", exact=True)).to_be_checked()
        screenshot(second, "annotate-two-tabs")
        second.keyboard.press("Enter")
        assert labels_of(address, sequence_id) == ["antenna"], "another Enter is no answer"
        told.get_by_role("button", name="Save mine over it: building").click()
        expect(second.get_by_text(f"Saved sequence {sequence_id}: building.")).to_be_visible()
    assert labels_of(address, sequence_id) == ["building"]


def test_nothing_is_saved_that_says_nothing(address: str, group: dict[str, Any], open_page: OpenPage) -> None:
    sequence_id = ids(group)[0]
    with open_page(f"{address}/annotate/{sequence_id}") as page:
        shows(page, sequence_id)
        expect(page.get_by_text("Choose one label, or say that you are unsure.")).to_be_visible()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Save").click(force=True)
        expect(page.get_by_role("form", name="Label")).to_contain_text("No annotation yet.")
    assert get_standing(address, sequence_id)["annotation"] is None


def test_several_things_stay_when_only_their_doubt_is_changed(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    sequence_id = ids(group)[0]
    things = [
        {"is_smoke": False, "smoke_type": None, "false_positive_types": [name], "bboxes": []}
        for name in ("antenna", "dust")
    ]
    annotate(address, sequence_id, annotation={"sequences_bbox": things}, is_unsure=True)
    before = get_standing(address, sequence_id)["annotation"]
    with open_page(f"{address}/annotate/{sequence_id}") as page:
        shows(page, sequence_id)
        expect(page.get_by_text("Choose one label for all of it")).to_be_visible()
        page.keyboard.press("Enter")
        page.keyboard.press("q")
        expect(page.get_by_role("checkbox", name="Unsure")).not_to_be_checked()
        assert get_standing(address, sequence_id)["annotation"] == before, "nothing was begun"
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"Saved sequence {sequence_id}")).to_be_visible()
    after = get_standing(address, sequence_id)["annotation"]
    assert after["annotation"] == before["annotation"]
    assert not after["is_unsure"]


def test_keys_are_shown_on_demand(
    address: str, group: dict[str, Any], open_page: OpenPage, screenshot: Screenshot
) -> None:
    sequence_id = ids(group)[0]
    with open_page(f"{address}/annotate/{sequence_id}") as page:
        shows(page, sequence_id)
        page.keyboard.press("?")
        keys = page.get_by_role("dialog", name="Keys")
        expect(keys).to_contain_text("combine harvester")
        screenshot(page, "annotate-keys")
        page.keyboard.press("a")
        expect(page.get_by_role("radio", name="antenna", exact=True)).not_to_be_checked()
        page.keyboard.press("Escape")
        expect(keys).to_have_count(0)
        for is_shown in (1, 0):
            page.keyboard.press("?")
            expect(keys).to_have_count(is_shown)
        page.keyboard.press("a")
        expect(page.get_by_role("radio", name="antenna", exact=True)).to_be_checked()


def test_a_sequence_that_was_never_assigned_says_what_to_do(address: str, open_page: OpenPage) -> None:
    with open_page(f"{address}/annotate/987654", expects=("404",)) as page:
        expect(page.get_by_role("main")).to_contain_text("There is no sequence 987654 in the review database")
        expect(page.get_by_role("button", name="Run assignment")).to_be_enabled()


@pytest.mark.parametrize("path", ["/annotate/abc", "/annotate/0", "/annotate/-1", "/annotate/5?queue=elsewhere&at=x"])
def test_unusable_addresses_break_nothing(address: str, open_page: OpenPage, path: str) -> None:
    with open_page(f"{address}{path}", expects=("404", "422")) as page:
        expect(page.get_by_role("heading", name=re.compile("^Annotate sequence"))).to_be_visible()


def test_who_may_only_look_chooses_and_saves_nothing(
    store: Path, address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    first, following, _ = ids(group)
    path = f"/annotate/{first}?queue=group%3Fgroup%3D{group['id']}"
    with looking_only(store, open_page, path) as page:
        shows(page, first)
        save = page.get_by_role("button", name="Save and go on")
        expect(save).to_be_disabled()
        expect(save).to_have_attribute("title", re.compile("role reviewer"))
        page.keyboard.press("a")
        page.keyboard.press("Enter")
        expect(page.get_by_role("radio", name="antenna", exact=True)).not_to_be_checked()
        page.keyboard.press("s")
        shows(page, following)
    assert get_standing(address, first)["annotation"] is None


@pytest.mark.parametrize(("width", "colors"), [(1440, "light"), (1440, "dark"), (1024, "light")])
def test_annotating_is_possible_for_everybody(
    address: str, group: dict[str, Any], open_page: OpenPage, screenshot: Screenshot, width: int, colors: str
) -> None:
    path = f"/annotate/{ids(group)[1]}?queue=group%3Fgroup%3D{group['id']}&at=1"
    with open_page(f"{address}{path}", width=width, height=768, colors=colors) as page:
        shows(page, ids(group)[1])
        expect(page.get_by_text("2 of 3", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is to the right of the window"
        expect(page.get_by_role("button", name="Save and go on")).to_be_in_viewport()
        assert serious_findings(page) == []
        screenshot(page, f"annotate-{width}-{colors}")


def test_a_server_that_was_away_is_saved_to_once_it_is_back(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    first = ids(group)[0]
    with open_page(f"{address}/annotate/{first}", expects=("ERR_FAILED",)) as page:
        shows(page, first)
        standing = f"**/api/v1/sequences/{first}/standing"
        page.route("**/api/v1/**", lambda route: route.abort())
        page.keyboard.press("a")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Not saved: The server does not answer")).to_be_visible()
        # It gives up asking by itself after a while, and then asks every few seconds.
        for _ in range(6):
            page.wait_for_event("requestfailed", lambda request: request.url.endswith("/standing"))
        page.unroute("**/api/v1/**")
        with page.expect_response(standing):
            pass
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"Saved sequence {first}: antenna.")).to_be_visible()


def test_what_somebody_said_already_is_not_decided_twice(
    address: str, group: dict[str, Any], open_page: OpenPage
) -> None:
    first, following, _ = ids(group)
    annotate(address, first, false_positive_type="antenna")
    revision = get_standing(address, first)["annotation"]["revision"]
    with open_page(f"{address}/annotate/{first}?queue=group%3Fgroup%3D{group['id']}") as page:
        shows(page, first)
        expect(page.get_by_role("radio", name="antenna", exact=True)).to_be_checked()
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"Sequence {first} is labelled so already.")).to_be_visible()
        shows(page, following)
    assert get_standing(address, first)["annotation"]["revision"] == revision
