"""The table of sequences: choosing which, in which order, and walking through them."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.viewer.page.conftest import OpenPage
from tests.viewer.page.triage_page import ask, figure, grid, row_of, rows, search_of, total_said, written

ORGANIZATION = "sdis-ardeche-100"
CAMERA = "brison-00"


def _press(group: str, name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("group", name=group).get_by_role("button", name=name, exact=True).click()


def _choose_camera(page: Page) -> None:
    page.get_by_role("button", name="SDIS Ardèche").click()
    page.get_by_label("Camera").select_option(CAMERA)


FILTERS: dict[str, tuple[Callable[[Page], None], dict[str, Any]]] = {
    # By the table of organizations, where a click on any of a row's numbers does as well.
    "organization": (
        lambda page: page.get_by_role("button", name="SDIS Ardèche").click(),
        {"organization": ORGANIZATION},
    ),
    "camera": (_choose_camera, {"organization": ORGANIZATION, "camera": CAMERA}),
    "bucket": (_press("Bucket", "To Review"), {"bucket": "review"}),
    # The figure is the same filter.
    "figure": (lambda page: figure(page, "Unlabel").click(), {"bucket": "unlabeled"}),
    "group state": (_press("Group", "in none"), {"group_state": "none"}),
    "validated": (lambda page: page.get_by_label("Validated").select_option("no"), {"is_validated": False}),
    # Without case and accents, as the server folds them.
    "text": (lambda page: page.get_by_role("searchbox").fill("ARDECHE"), {"text": "ardeche"}),
    "days": (lambda page: page.get_by_label("From").fill("2026-08-01"), {"started_from": "2026-08-01"}),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_as_many_as_the_server_counts(page: Page, address: str, name: str) -> None:
    act, wanted = FILTERS[name]
    page.goto(f"{address}/triage")
    act(page)
    expected = ask(address, "rows", **wanted)
    assert 0 < expected["total"] <= 60
    expect(total_said(page)).to_contain_text(f"of {expected['total']}")
    first = expected["items"][0]["sequence_id"]
    expect(rows(page).first).to_contain_text(str(first))
    counts = ask(address, "summary", **{key: value for key, value in wanted.items() if key != "bucket"})["counts"]
    expect(figure(page, "To Review")).to_contain_text(written(counts["review"]))
    page.get_by_role("button", name="Clear").click()
    expect(total_said(page)).to_contain_text("of 60")


def test_filters_that_leave_nothing_say_so_and_can_be_cleared(page: Page, address: str) -> None:
    page.goto(f"{address}/triage?text=nowhere")
    expect(page.get_by_role("heading", name="No sequence matches")).to_be_visible()
    expect(total_said(page)).to_have_text("0 of 0")
    page.get_by_role("button", name="Clear filters").click()
    expect(total_said(page)).to_contain_text("of 60")


def test_a_filter_that_the_backlog_does_not_know_is_explained(page: Page, address: str, open_page: Any) -> None:
    with open_page(f"{address}/triage?camera=elsewhere", expects=("422",)) as page:
        expect(page.get_by_role("alert").first).to_contain_text("The backlog has no camera of that name")
        page.get_by_role("button", name="Clear 1 filter").click()
        expect(total_said(page)).to_contain_text("of 60")


@pytest.mark.parametrize(
    ("header", "sort", "first"),
    [
        ("Score", "triage_score", "desc"),  # a number begins with its highest
        ("Camera", "camera_name", "asc"),  # a name with its first letter
        ("Started (UTC)", "started_at", "desc"),
        ("Group", "group_size", "desc"),
    ],
)
def test_a_column_orders_the_rows_one_way_the_other_and_as_usual(
    page: Page, address: str, header: str, sort: str, first: str
) -> None:
    page.goto(f"{address}/triage")
    column = page.get_by_role("columnheader", name=header, exact=True)
    for direction in (first, "asc" if first == "desc" else "desc"):
        column.get_by_role("button").click()
        expected = ask(address, "rows", sort=sort, direction=direction)["items"]
        expect(column).to_have_attribute("aria-sort", f"{direction}ending")
        expect(rows(page).first).to_contain_text(str(expected[0]["sequence_id"]))
        shown = [text.split() for text in rows(page).all_inner_texts()]
        assert all(str(row["sequence_id"]) in words for row, words in zip(expected, shown, strict=False))
    column.get_by_role("button").click()
    expect(column).to_have_attribute("aria-sort", "none")
    assert "sort" not in search_of(page)


def test_keys_walk_through_all_rows_and_open_one(page: Page, address: str) -> None:
    ids = [row["sequence_id"] for row in ask(address, "rows")["items"]]
    page.goto(f"{address}/triage")
    expect(total_said(page)).to_contain_text("of 60")
    grid(page).focus()

    def expect_at(place: int) -> None:
        # A row far away is named once it is drawn, which is after the list has scrolled there.
        expect(grid(page)).to_have_attribute("aria-activedescendant", re.compile(f"-{place}$"))
        active = grid(page).get_attribute("aria-activedescendant")
        row = page.locator(f"[id='{active}']")
        expect(row).to_have_attribute("aria-rowindex", str(place + 2))
        expect(row).to_contain_text(str(ids[place]))
        expect(row).to_be_in_viewport()

    page.keyboard.press("ArrowDown")
    expect_at(0)
    page.keyboard.press("j")
    expect_at(1)
    page.keyboard.press("k")
    page.keyboard.press("ArrowUp")  # the first stays
    expect_at(0)
    page.keyboard.press("End")
    expect_at(59)
    page.keyboard.press("PageUp")
    page.keyboard.press("Home")
    expect_at(0)
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name=f"Sequence {ids[0]}")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("complementary", name=f"Sequence {ids[1]}")).to_be_visible()
    assert search_of(page)["sequence"] == [str(ids[1])]
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_letters_walk_from_the_pane_and_not_from_where_one_writes(page: Page, address: str) -> None:
    ids = [row["sequence_id"] for row in ask(address, "rows")["items"]]
    page.goto(f"{address}/triage?sequence={ids[3]}")
    pane = page.get_by_role("complementary", name=f"Sequence {ids[3]}")
    expect(row_of(page, ids[3])).to_have_attribute("aria-selected", "true")
    pane.get_by_role("link", name="Annotate").focus()
    page.keyboard.press("j")
    expect(page.get_by_role("complementary", name=f"Sequence {ids[4]}")).to_be_visible()
    page.get_by_role("searchbox").press_sequentially("j")
    expect(page.get_by_role("searchbox")).to_have_value("j")
    expect(page.get_by_role("complementary", name=f"Sequence {ids[4]}")).to_be_visible()


def test_the_sequence_of_the_address_is_scrolled_to(page: Page, address: str) -> None:
    last = ask(address, "rows")["items"][-1]["sequence_id"]
    page.goto(f"{address}/triage?sequence={last}")
    expect(row_of(page, last)).to_be_in_viewport()
    expect(row_of(page, last)).to_have_attribute("aria-selected", "true")


def test_a_sequence_that_is_not_among_the_rows_is_shown_and_said(page: Page, address: str) -> None:
    unlabel = ask(address, "rows", bucket="unlabeled")["items"][0]["sequence_id"]
    page.goto(f"{address}/triage?bucket=review&sequence={unlabel}")
    expect(page.get_by_role("complementary", name=f"Sequence {unlabel}")).to_be_visible()
    expect(page.get_by_text(f"sequence {unlabel} is not among them")).to_be_visible()


def test_the_pane_leads_to_the_annotation_of_this_selection(page: Page, address: str) -> None:
    first = ask(address, "rows", bucket="review")["items"][0]["sequence_id"]
    page.goto(f"{address}/triage?bucket=review&sequence={first}")
    link = page.get_by_role("complementary").get_by_role("link", name="Annotate")
    target = httpx.URL(str(link.get_attribute("href")))
    assert target.path == f"/annotate/{first}"
    assert target.params["queue"] == "triage?bucket=review&threshold=0.35"


@pytest.mark.parametrize("name", ["CSV", "Parquet", "To Review worklist", "Unlabel worklist"])
def test_a_download_has_as_many_as_are_said(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/triage?threshold=0.5&organization={ORGANIZATION}")
    total = ask(address, "rows", threshold=0.5, organization=ORGANIZATION)["total"]
    expect(total_said(page)).to_contain_text(f"of {total}")
    with page.expect_download() as started:
        page.get_by_role("navigation", name="Downloads").get_by_role("link", name=name).click()
    content = started.value.path().read_bytes()
    counts = ask(address, "summary", threshold=0.5, organization=ORGANIZATION)["counts"]
    if name == "CSV":
        assert len(list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))) == total + 1
    elif name == "Parquet":
        assert content[:4] == content[-4:] == b"PAR1"
    else:
        worklist = json.loads(content)
        assert worklist["threshold"] == 0.5
        assert worklist["count"] == counts["review" if name == "To Review worklist" else "unlabeled"]


def test_a_download_that_is_refused_says_why(address: str, open_page: OpenPage) -> None:
    with open_page(f"{address}/triage", expects=("503",)) as page:
        refusal = {"detail": "The store cannot be read at the moment."}
        page.route("**/api/v1/triage/download?*", lambda route: route.fulfill(status=503, json=refusal))
        page.get_by_role("navigation", name="Downloads").get_by_role("link", name="CSV").click()
        expect(page.get_by_role("status").get_by_text(refusal["detail"])).to_be_visible()
        assert page.url.startswith(f"{address}/triage")


def test_what_is_being_typed_is_cleared_with_the_filters(page: Page, address: str) -> None:
    page.goto(f"{address}/triage?bucket=review")
    find = page.get_by_role("searchbox", name="Find")
    clear = page.get_by_role("button", name="Clear 1 filter")
    expect(clear).to_be_visible()
    page.clock.install()
    find.fill("nowhere")
    clear.click()
    expect(find).to_have_value("")
    page.clock.run_for(1_000)
    expect(clear).to_have_count(0)
    expect(page).not_to_have_url(re.compile("text="))


def test_cameras_that_cannot_be_asked_for_are_not_none(address: str, open_page: OpenPage) -> None:
    with open_page(f"{address}/run", expects=("500",)) as page:
        page.route(
            "**/api/v1/triage/cameras?*", lambda route: route.fulfill(status=500, json={"detail": "No cameras."})
        )
        page.goto(f"{address}/triage?organization={ORGANIZATION}")
        expect(page.get_by_role("region", name="Filters").get_by_role("alert")).to_have_text("No cameras.")
        expect(page.get_by_label("Camera")).to_contain_text("not known")
