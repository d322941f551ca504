"""The threshold: what it makes of the backlog, as it is moved in every way there is."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import OpenPage
from tests.viewer.page.people_at_groups import annotate
from tests.viewer.page.triage_page import (
    ask,
    figure,
    requests_of,
    search_of,
    total_said,
    written,
)

_TEN_STEPS = """
async (slider) => {
  const shown = [];
  for (let step = 0; step < 10; step++) {
    slider.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
    await null;
    shown.push(document.querySelector("input[inputmode=decimal]").value);
  }
  return shown;
}
"""
Screenshot = Callable[[Page, str], None]


def _expect_counts(page: Page, address: str, threshold: float, **wanted: object) -> None:
    """Every count on the page is what the server counts at the threshold."""
    summary = ask(address, "summary", threshold=threshold, **wanted)
    counts = summary["counts"]
    for name, bucket in (("To Review", "review"), ("Unlabel", "unlabeled"), ("Labeled", "labeled")):
        expect(figure(page, name)).to_have_accessible_name(re.compile(rf"(^| ){written(counts[bucket])}( |$)"))
    table = page.get_by_role("region", name=re.compile("organization"))
    for each in summary["organizations"]:
        row = table.get_by_role("row").filter(has=page.get_by_role("button", name=each["name"], exact=True))
        shown = [written(each[name]) for name in ("review", "unlabeled", "sequences")]
        expect(row.get_by_role("cell")).to_have_text(shown)


def test_what_is_shown_first_is_the_split_as_it_was_written(page: Page, address: str, screenshot: Screenshot) -> None:
    page.goto(f"{address}/triage")
    threshold = ask(address, "facets")["threshold"]
    _expect_counts(page, address, threshold)
    expect(page.get_by_role("textbox", name="Threshold")).to_have_value(f"{threshold:.2f}")
    expect(figure(page, "To Review")).to_contain_text("as written")
    expect(total_said(page)).to_contain_text(f"of {ask(address, 'rows')['total']}")
    screenshot(page, "triage-light")


def test_the_slider_moves_every_count_and_asks_for_rows_once_it_rests(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    slider = page.get_by_role("slider", name="Threshold slider")
    expect(total_said(page)).to_contain_text("of 60")
    with requests_of(page, "rows") as rows, requests_of(page, "scores") as scores:
        with page.expect_response("**/rows?**threshold=0.45**"):
            # As quick as a held key, however busy the machine is: no timer comes between two of them.
            number = slider.evaluate(_TEN_STEPS)
            _expect_counts(page, address, 0.45)
        expect(page).to_have_url(re.compile("threshold=0.45$"))
    assert number == [f"{step / 100:.2f}" for step in range(36, 46)]
    assert scores == []
    assert ["threshold=0.45" in url for url in rows] == [True]


def test_what_an_address_says_and_nobody_understands_is_named(page: Page, address: str) -> None:
    page.goto(f"{address}/triage?threshold=abc&bucket=zzz")
    said = page.get_by_role("alert").filter(has_text="which means nothing here")
    expect(said).to_contain_text("threshold=abc")
    expect(said).to_contain_text("bucket=zzz")
    _expect_counts(page, address, 0.35)


def test_the_keyboard_is_where_it_was_once_a_question_is_answered(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    opener = page.get_by_role("button", name="Write these worklists…")
    opener.click()
    expect(page.get_by_role("dialog")).to_contain_text("TRIAGE_STORE=")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


@pytest.mark.parametrize(
    ("keys", "threshold"),
    [
        (["Shift+ArrowRight"], "0.40"),
        (["Shift+ArrowLeft", "ArrowLeft"], "0.29"),
        (["PageUp"], "0.40"),
        (["Home"], "0.00"),
        (["End"], "1.00"),
        (["Home", "ArrowLeft"], "0.00"),  # never beyond an end
    ],
)
def test_keys_move_the_slider(page: Page, address: str, keys: list[str], threshold: str) -> None:
    page.goto(f"{address}/triage")
    page.get_by_role("slider", name="Threshold slider").focus()
    for key in keys:
        page.keyboard.press(key)
    expect(page.get_by_role("textbox", name="Threshold")).to_have_value(threshold)
    _expect_counts(page, address, float(threshold))


def test_a_step_of_the_sweep_is_chosen_by_a_click(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    sweep = page.get_by_role("region", name="Sweep")
    expected = {step["threshold"]: step for step in ask(address, "summary")["sweep"]}
    row = sweep.get_by_role("row").filter(has_text=re.compile(r"^Threshold 0\.60"))
    expect(row.get_by_role("cell")).to_have_text([str(expected[0.6]["review"]), str(expected[0.6]["unlabeled"])])
    row.get_by_role("button").click()
    expect(row).to_have_attribute("aria-current", "true")
    _expect_counts(page, address, 0.6)
    page.wait_for_url("**threshold=0.6")


def test_the_histogram_is_pressed_and_dragged(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    box = page.get_by_test_id("histogram").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    number = page.get_by_role("textbox", name="Threshold")
    page.mouse.move(box["x"] + box["width"] * 0.2, middle)
    page.mouse.down()
    expect(number).to_have_value("0.20")
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=5)
    expect(number).to_have_value("0.80")
    # Beyond the picture it is at the end, and let go of there.
    page.mouse.move(box["x"] + box["width"] + 400, middle)
    expect(number).to_have_value("1.00")
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    expect(number).to_have_value("1.00")
    _expect_counts(page, address, 1.0)


def test_a_score_itself_can_be_typed_and_goes_to_review(page: Page, address: str) -> None:
    scores = sorted(row["triage_score"] for row in ask(address, "rows")["items"])
    score = scores[len(scores) // 2]
    page.goto(f"{address}/triage")
    number = page.get_by_role("textbox", name="Threshold")
    number.fill(repr(score))
    _expect_counts(page, address, score)
    assert ask(address, "summary", threshold=score)["counts"]["review"] == sum(each >= score for each in scores)
    number.blur()
    expect(number).to_have_value(repr(score))
    page.wait_for_url(f"**threshold={score!r}")


def test_what_is_no_threshold_is_not_taken_for_one(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    number = page.get_by_role("textbox", name="Threshold")
    number.fill("1.2")
    expect(number).to_have_attribute("aria-invalid", "true")
    _expect_counts(page, address, 0.35)
    number.blur()
    expect(number).to_have_value("0.35")


def test_how_far_the_counts_are_from_what_is_written_is_said(page: Page, address: str) -> None:
    page.goto(f"{address}/triage?threshold=0.9")
    difference = (
        ask(address, "summary")["counts"]["review"] - ask(address, "summary", threshold=0.9)["counts"]["review"]
    )
    assert difference > 0
    expect(figure(page, "To Review")).to_contain_text(f"−{difference} against 0.35")
    page.get_by_role("button", name="Back to 0.35").click()
    expect(figure(page, "To Review")).to_contain_text("as written at 0.35")
    expect(page).to_have_url(f"{address}/triage")


def test_the_command_for_this_threshold_can_be_copied(page: Page, address: str, screenshot: Screenshot) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/triage?threshold=0.42&bucket=review")
    page.get_by_role("button", name="Write these worklists…").click()
    dialog = page.get_by_role("dialog", name="Write the worklists at 0.42")
    command = ask(address, "command", threshold=0.42)
    counts = ask(address, "summary", threshold=0.42)["counts"]
    expect(dialog).to_contain_text(f"{counts['review']} go To Review and {counts['unlabeled']} to Unlabel")
    expect(dialog).to_contain_text(command["command"])
    expect(dialog).to_contain_text(command["setting"])
    dialog.get_by_role("button", name="Copy Dagster's configuration").click()
    expect(dialog.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == command["config_yaml"].strip()
    screenshot(page, "triage-write")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_decisions_that_the_worklists_do_not_have_yet_are_said(page: Page, address: str) -> None:
    annotate(address, ask(address, "rows")["items"][0]["sequence_id"], smoke_type="wildfire")
    page.goto(f"{address}/triage")
    expect(page.get_by_text("1 decision since these worklists were written")).to_be_visible()


def test_an_address_reproduces_the_screen(page: Page, address: str, open_page: OpenPage) -> None:
    organization = ask(address, "facets")["organizations"][0]
    page.goto(f"{address}/triage")
    page.get_by_role("button", name=organization["name"], exact=True).click()
    page.get_by_role("group", name="Bucket").get_by_role("button", name="Unlabel").click()
    page.get_by_role("columnheader", name="Camera").get_by_role("button").click()
    page.get_by_role("slider", name="Threshold slider").press("End")
    page.wait_for_url("**threshold=1*")
    page.get_by_role("grid").get_by_role("row").nth(2).click()
    expect(page.get_by_role("complementary", name="Sequence")).to_be_visible()
    search = search_of(page)
    assert search["organization"] == [organization["key"]]
    assert {"bucket", "sort", "direction", "threshold", "sequence"} <= search.keys()
    expect(page.get_by_role("grid").locator("[aria-selected=true]")).to_have_count(1)
    shown = page.get_by_role("grid").all_inner_texts()
    said = page.get_by_role("region", name="Counts").inner_text()
    with open_page(page.url) as other:
        expect(other.get_by_role("grid").locator("[aria-selected=true]")).to_have_count(1)
        expect(other.get_by_test_id("rows-said")).to_have_text(total_said(page).inner_text())
        assert other.get_by_role("grid").all_inner_texts() == shown
        assert other.get_by_role("region", name="Counts").inner_text() == said


def test_what_was_chosen_is_undone_by_the_back_button(page: Page, address: str) -> None:
    page.goto(f"{address}/triage")
    review = page.get_by_role("group", name="Bucket").get_by_role("button", name="To Review")
    review.click()
    expect(total_said(page)).to_contain_text(f"of {ask(address, 'rows', bucket='review')['total']}")
    page.go_back()
    expect(review).to_have_attribute("aria-pressed", "false")
    expect(total_said(page)).to_contain_text("of 60")


@pytest.mark.parametrize("colors", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "search", "width", "height"),
    [
        ("triage", "", 1440, 900),
        ("triage-tablet", "", 1024, 768),
        ("triage-sequence", "?threshold=0.5&sequence=", 1440, 900),
        ("triage-sequence-small", "?sequence=", 1280, 720),
    ],
)
def test_the_page_has_no_serious_finding_of_axe(
    address: str,
    open_page: OpenPage,
    screenshot: Screenshot,
    name: str,
    search: str,
    width: int,
    height: int,
    colors: str,
) -> None:
    if search.endswith("="):
        search += str(ask(address, "rows")["items"][2]["sequence_id"])
    with open_page(f"{address}/triage{search}", width=width, height=height, colors=colors) as page:
        expect(total_said(page)).to_contain_text("of 60")
        page.wait_for_load_state("networkidle")
        serious = serious_findings(page)
        screenshot(page, f"{name}-{colors}")
    assert serious == []
