"""The page of a sequence: its frames as a film, zoom, and what is drawn on them."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import OpenPage
from tests.viewer.page.sequences_shown import (
    expect_frame,
    find_sequence,
    has_trigger,
    open_sequence,
    seen,
    stage,
    watch,
)

Screenshot = Callable[[Page, str], None]
Found = dict[str, Any]


@pytest.fixture
def alarm(address: str) -> Found:
    """A sequence in whose midst a model raised an alarm."""
    return find_sequence(address, has_trigger)


@pytest.fixture
def film(page: Page, address: str, alarm: Found) -> Page:
    """Its page."""
    open_sequence(page, address, alarm["sequence_id"])
    return page


def trigger_number(found: Found) -> int:
    ids: list[int] = [frame["detection_id"] for frame in found["frames"]]
    return ids.index(found["models"][0]["trigger"]["detection_id"]) + 1


def scale(page: Page, times: str) -> Locator:
    """The button that says how large the frame is shown."""
    return page.get_by_role("button", name=re.compile(rf"^{re.escape(times)}×"))


def test_it_opens_at_the_recorded_frame_of_the_trigger(film: Page, alarm: Found, screenshot: Screenshot) -> None:
    expect(film.get_by_role("heading", level=1)).to_have_text(f"Sequence {alarm['sequence_id']}")
    expect_frame(film, trigger_number(alarm), alarm["n_frames"])
    film.wait_for_load_state("networkidle")
    screenshot(film, "sequence-light")


def test_the_facts_are_those_of_the_store(film: Page, alarm: Found) -> None:
    model = alarm["models"][0]
    score = film.get_by_role("region", name="Score")
    expect(score).to_contain_text(f"{alarm['triage']['score']:.3f}")
    expect(score).to_contain_text(f"{model['logit']:.3f}")
    expect(score).to_contain_text("To Review")
    expect(film.get_by_role("region", name="Model")).to_contain_text(model["version"])
    expect(film.get_by_role("region", name="Model")).to_contain_text(model["caution"])
    origin = film.get_by_role("region", name="Sequence")
    expect(origin).to_contain_text(f"{alarm['azimuth']}°")
    expect(origin).to_contain_text(alarm["organization_name"])
    expect(film.get_by_role("link", name=alarm["camera_name"])).to_have_attribute(
        "href", f"/cameras/{alarm['camera_id']}"
    )


def test_the_trigger_is_a_click_away(film: Page, alarm: Found) -> None:
    film.keyboard.press("Home")
    expect_frame(film, 1, alarm["n_frames"])
    film.get_by_role("button", name=f"frame {trigger_number(alarm)}", exact=True).click()
    expect_frame(film, trigger_number(alarm), alarm["n_frames"])


def test_its_group_is_a_click_away(page: Page, address: str) -> None:
    grouped = find_sequence(address, lambda each: each["group_id"] is not None)
    open_sequence(page, address, grouped["sequence_id"])
    page.get_by_role("link", name=f"Group {grouped['group_id']}").click()
    expect(page).to_have_url(f"{address}/groups/{grouped['group_id']}")


def test_it_plays_every_frame_in_order_and_pauses(film: Page, alarm: Found) -> None:
    film.get_by_role("combobox", name="Speed").select_option("8")
    watch(film)
    film.get_by_role("button", name="Play", exact=True).click()
    shown = seen(film, at_least=alarm["n_frames"] + 2)
    film.get_by_role("button", name="Pause").click()
    expect(film.get_by_role("button", name="Play", exact=True)).to_be_visible()
    first, count = trigger_number(alarm), alarm["n_frames"]
    assert shown == [1 + (first - 1 + step) % count for step in range(len(shown))]
    at = film.get_by_role("slider", name="Frame").input_value()
    film.wait_for_timeout(400)  # three frames' time
    assert film.get_by_role("slider", name="Frame").input_value() == at


def test_it_stops_at_the_end_unless_it_loops(film: Page, alarm: Found) -> None:
    count = alarm["n_frames"]
    film.get_by_role("combobox", name="Speed").select_option("8")
    film.get_by_role("checkbox", name="Loop").uncheck()
    film.get_by_role("slider", name="Frame").fill(str(count - 3))
    expect_frame(film, count - 2, count)
    watch(film)
    film.keyboard.press("Space")
    assert seen(film, at_least=3) == [count - 2, count - 1, count]
    expect(film.get_by_role("button", name="Play", exact=True)).to_be_visible()
    # At the end, playing begins anew.
    film.get_by_role("button", name="Play", exact=True).click()
    assert seen(film, at_least=5)[3:5] == [1, 2]


def test_the_speed_is_remembered_for_the_next_sequence(film: Page) -> None:
    film.get_by_role("combobox", name="Speed").select_option("0.5")
    film.get_by_role("checkbox", name="Loop").uncheck()
    film.reload()
    expect(film.get_by_role("combobox", name="Speed")).to_have_value("0.5")
    expect(film.get_by_role("checkbox", name="Loop")).not_to_be_checked()


def test_keys_play_and_step_without_a_click_before(film: Page, alarm: Found) -> None:
    at, count = trigger_number(alarm), alarm["n_frames"]
    film.keyboard.press("ArrowRight")
    expect_frame(film, at + 1, count)
    film.keyboard.press("ArrowLeft")
    film.keyboard.press("ArrowLeft")
    expect_frame(film, at - 1, count)
    film.keyboard.press("End")
    expect_frame(film, count, count)
    film.keyboard.press("Home")
    expect_frame(film, 1, count)
    film.keyboard.press("Space")
    expect(film.get_by_role("button", name="Pause")).to_be_visible()
    film.keyboard.press("Space")
    expect(film.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_space_on_a_button_presses_the_button_alone(film: Page) -> None:
    film.get_by_role("button", name="Zoom in").focus()
    film.keyboard.press("Space")
    expect(scale(film, "1.5")).to_be_visible()
    expect(film.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_the_slider_steps_once_for_each_key(film: Page, alarm: Found) -> None:
    film.get_by_role("slider", name="Frame").fill("0")
    expect_frame(film, 1, alarm["n_frames"])
    film.get_by_role("slider", name="Frame").press("ArrowRight")
    expect_frame(film, 2, alarm["n_frames"])
    said = film.get_by_role("slider", name="Frame").get_attribute("aria-valuetext") or ""
    recorded = alarm["frames"][1]["recorded_at"].replace("T", " ").removesuffix("Z")
    assert recorded in said
    expect(film.get_by_role("region", name="Player")).to_contain_text(recorded)


def test_the_address_reproduces_the_frame_and_what_is_drawn(
    film: Page, address: str, alarm: Found, open_page: OpenPage
) -> None:
    film.keyboard.press("Home")
    film.get_by_role("checkbox", name=re.compile("^Boxes")).uncheck()
    expect(film).to_have_url(re.compile(rf"frame={alarm['frames'][0]['detection_id']}"))
    expect(film).to_have_url(re.compile("hide=boxes"))
    with open_page(film.url) as other:
        expect_frame(other, 1, alarm["n_frames"])
        expect(other.get_by_role("checkbox", name=re.compile("^Boxes"))).not_to_be_checked()


@pytest.mark.parametrize(
    "search",
    [
        "?frame=abc&tube=-1&hide=everything&tubes_of=nobody",  # no such thing can be
        "?frame=999999999&tube=0",  # of another sequence, as the address has it after going from one to the next
    ],
)
def test_an_address_of_something_else_opens_as_usual(page: Page, address: str, alarm: Found, search: str) -> None:
    open_sequence(page, address, alarm["sequence_id"], search)
    expect_frame(page, trigger_number(alarm), alarm["n_frames"])


def test_the_next_frames_are_fetched_before_they_are_wanted(page: Page, address: str, alarm: Found) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    following = alarm["frames"][trigger_number(alarm)]["detection_id"]
    with page.expect_response(lambda each: f"/frames/{following}?" in each.url and "crop" not in each.url):
        open_sequence(page, address, alarm["sequence_id"])
    before = [url for url in asked if f"/frames/{following}?" in url and "crop" not in url]
    page.keyboard.press("ArrowRight")
    expect_frame(page, trigger_number(alarm) + 1, alarm["n_frames"])
    after = [url for url in asked if f"/frames/{following}?" in url and "crop" not in url]
    assert {*after} == {*before}


def drawn_box(page: Page) -> dict[str, float]:
    """The first box's corners as parts of the stage, from 0 to 1."""
    outline = page.locator("svg rect[class*=box]").first.bounding_box()
    frame = page.get_by_role("region", name="Player").locator("[class*=stage]").first.bounding_box()
    assert outline is not None
    assert frame is not None
    return {
        "x": (outline["x"] + outline["width"] / 2 - frame["x"]) / frame["width"],
        "y": (outline["y"] + outline["height"] / 2 - frame["y"]) / frame["height"],
        "width": outline["width"] / frame["width"],
    }


def test_a_box_is_drawn_where_it_was_found_and_said(page: Page, address: str) -> None:
    found = find_sequence(address, lambda each: len(each["frames"][0]["boxes"]) == 1)
    frame = found["frames"][0]
    open_sequence(page, address, found["sequence_id"], f"?frame={frame['detection_id']}")
    x1, y1, x2, y2 = frame["boxes"][0]["xyxyn"]
    drawn = drawn_box(page)
    # The outline is 2 of some hundred pixels wide.
    assert drawn["x"] == pytest.approx((x1 + x2) / 2, abs=0.004)
    assert drawn["y"] == pytest.approx((y1 + y2) / 2, abs=0.004)
    words = f"{frame['boxes'][0]['class_name']} {frame['boxes'][0]['confidence']:.2f}"
    expect(page.get_by_role("region", name="Player")).to_contain_text(words)


def test_zooming_to_the_tube_puts_it_in_the_middle(film: Page, screenshot: Screenshot) -> None:
    before = drawn_box(film)
    film.get_by_role("button", name="To the tube").click()
    expect(scale(film, "1.0")).not_to_be_visible()
    after = drawn_box(film)
    assert after["width"] > 2 * before["width"]
    assert 0.2 < after["x"] < 0.8
    assert 0.2 < after["y"] < 0.8
    film.wait_for_load_state("networkidle")
    screenshot(film, "sequence-zoomed")
    film.keyboard.press("0")
    expect(scale(film, "1.0")).to_be_visible()
    assert drawn_box(film) == pytest.approx(before)


def test_the_wheel_zooms_where_the_pointer_is_and_a_drag_moves(film: Page) -> None:
    box = stage(film).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    film.mouse.move(x, y)
    film.mouse.wheel(0, -500)
    expect(scale(film, "2.7")).to_be_visible()
    zoomed = drawn_box(film)
    film.mouse.down()
    film.mouse.move(x - 50, y, steps=4)
    film.mouse.up()
    assert drawn_box(film)["x"] == pytest.approx(zoomed["x"] - 50 / box["width"], abs=0.004)
    film.keyboard.press("Shift+ArrowRight")
    assert drawn_box(film)["x"] == pytest.approx(zoomed["x"] - 50 / box["width"] - 0.1, abs=0.004)


def test_the_wheel_scrolls_the_page_where_there_is_nothing_to_zoom_out_of(film: Page) -> None:
    box = stage(film).bounding_box()
    assert box is not None
    film.mouse.move(box["x"] + 50, box["y"] + 50)
    film.mouse.wheel(0, 200)
    film.wait_for_function("() => window.scrollY > 0")
    expect(scale(film, "1.0")).to_be_visible()


@pytest.mark.parametrize("layer", ["Boxes", "Other boxes", "Tube's window", "Group's region"])
def test_every_layer_can_be_left_out(page: Page, address: str, layer: str) -> None:
    def has_all(each: Found) -> bool:
        return each["group_id"] is not None and any(has_both(frame) for frame in each["frames"])

    def has_both(frame: Found) -> bool:
        return bool(frame["boxes"] and frame["other_boxes"])

    found = find_sequence(address, has_all)
    frame = next(frame for frame in found["frames"] if has_both(frame))
    open_sequence(page, address, found["sequence_id"], f"?frame={frame['detection_id']}")
    outlines = page.get_by_role("region", name="Player").locator("svg rect")
    shown = len(frame["boxes"]) + len(frame["other_boxes"]) + 2
    expect(outlines).to_have_count(shown)
    page.get_by_role("checkbox", name=re.compile(f"^{layer}")).uncheck()
    removed = {"Boxes": len(frame["boxes"]), "Other boxes": len(frame["other_boxes"])}.get(layer, 1)
    expect(outlines).to_have_count(shown - removed)


def test_what_people_decide_is_shown_with_who_and_when(page: Page, address: str) -> None:
    grouped = find_sequence(address, lambda each: each["group_id"] is not None)
    label = {"false_positive_type": "high_cloud", "is_unsure": True}
    answer = httpx.put(f"{address}/api/v1/annotations/sequences/{grouped['sequence_id']}", json=label)
    assert answer.is_success, answer.text
    open_sequence(page, address, grouped["sequence_id"])
    review = page.get_by_role("region", name="Group and annotation")
    expect(review).to_contain_text("high cloud")
    expect(review).to_contain_text("unsure")
    expect(review.get_by_role("listitem").first).to_contain_text("ana annotated it: high cloud, unsure")


@pytest.mark.parametrize("colors", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 420])
def test_it_has_no_serious_finding_and_never_scrolls_sideways(
    address: str, alarm: Found, open_page: OpenPage, screenshot: Screenshot, colors: str, width: int
) -> None:
    with open_page(f"{address}/sequences/{alarm['sequence_id']}", width=width, colors=colors) as page:
        expect(stage(page)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert serious_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        screenshot(page, f"sequence-{width}-{colors}")
