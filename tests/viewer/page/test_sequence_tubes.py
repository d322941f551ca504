"""A model's tubes on a sequence's page: the timeline, and the crops beside it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.viewer.page.sequences_shown import expect_frame, find_sequence, has_trigger, n_tubes, open_sequence

Screenshot = Callable[[Page, str], None]
Found = dict[str, Any]


@pytest.fixture
def followed(address: str) -> Found:
    """A sequence with several tubes, of which one set the trigger."""
    return find_sequence(address, lambda each: has_trigger(each) and n_tubes(each) > 1)


@pytest.fixture
def tubes(page: Page, address: str, followed: Found) -> Page:
    open_sequence(page, address, followed["sequence_id"])
    return page


def trigger_tube(found: Found) -> int:
    number: int = found["models"][0]["details"]["decision"]["trigger_tube_id"]
    return number


def place_of(found: Found, slot: int) -> int:
    """The frame, counted from 1, that a slot showed."""
    ids = [frame["detection_id"] for frame in found["frames"]]
    return 1 + ids.index(found["models"][0]["slots"][slot]["detection_id"])


def test_there_is_a_lane_for_each_tube_the_most_probable_first(tubes: Page, followed: Found) -> None:
    kept = followed["models"][0]["details"]["tubes"]["kept"]
    heads = tubes.get_by_role("rowheader").all_inner_texts()
    assert len(heads) == len(kept)
    best = max(kept, key=lambda each: each["probability"])
    assert f"Tube {best['tube_id']}" in heads[0]
    assert f"{best['probability']:.3f}" in heads[0]
    assert f"{abs(best['logit']):.2f}" in heads[0]


def test_the_cells_say_what_was_seen_what_was_copied_and_where_the_trigger_is(tubes: Page, followed: Found) -> None:
    model = followed["models"][0]
    tube = next(each for each in model["details"]["tubes"]["kept"] if each["tube_id"] == trigger_tube(followed))
    lane = tubes.get_by_role("row").filter(has=tubes.get_by_role("rowheader", name=f"Tube {tube['tube_id']}"))
    cells = lane.get_by_role("button", name=re.compile(r"slot \d+"))
    words = [cell.get_attribute("aria-label") or "" for cell in cells.all()]
    assert len(words) == len(model["slots"])
    for entry in tube["entries"]:
        seen = "a gap" if entry["is_gap"] else "observed"
        assert seen in words[entry["frame_idx"]]
    copies = [slot for slot, said in enumerate(words) if "a copy" in said]
    assert copies == model["details"]["preprocessing"]["padded_frame_indices"]
    assert [slot for slot, said in enumerate(words) if "the trigger" in said] == [model["trigger_frame_index"]]


def test_a_click_on_a_slot_shows_the_frame_that_the_model_saw_there(tubes: Page, followed: Found) -> None:
    copy = followed["models"][0]["details"]["preprocessing"]["padded_frame_indices"][0]
    tubes.get_by_role("button", name=f"Tube {trigger_tube(followed)}, slot {copy}:").click()
    expect_frame(tubes, place_of(followed, copy), followed["n_frames"])


def test_arrows_lead_from_slot_to_slot_and_from_tube_to_tube(tubes: Page, followed: Found) -> None:
    slot = followed["models"][0]["trigger_frame_index"]
    start = tubes.get_by_role("button", name=f"Tube {trigger_tube(followed)}, slot {slot}:")
    start.focus()
    tubes.keyboard.press("ArrowRight")
    expect_frame(tubes, place_of(followed, slot + 1), followed["n_frames"])
    expect(tubes.get_by_role("button", name=f"Tube {trigger_tube(followed)}, slot {slot + 1}:")).to_be_focused()
    tubes.keyboard.press("ArrowDown")
    heads = tubes.get_by_role("rowheader")
    expect(heads.nth(1).get_by_role("button")).to_have_attribute("aria-pressed", "true")
    expect_frame(tubes, place_of(followed, slot + 1), followed["n_frames"])


def test_the_tab_key_stops_once_at_the_cells(tubes: Page) -> None:
    cells = tubes.get_by_role("button", name=re.compile(r"^Tube \d+, slot"))
    assert [each.get_attribute("tabindex") for each in cells.all()].count("0") == 1


def test_another_tube_has_its_own_window_crops_and_address(tubes: Page, followed: Found) -> None:
    window = tubes.get_by_role("region", name="Player").locator("svg rect[class*=window]")
    before = window.bounding_box()
    crops = tubes.get_by_role("region", name="Tubes").locator("img").first.get_attribute("src")
    tubes.get_by_role("rowheader").nth(1).get_by_role("button").click()
    expect(tubes).to_have_url(re.compile(r"tube=\d+"))
    expect(tubes.get_by_role("region", name="Tubes").locator("img").first).not_to_have_attribute("src", crops or "")
    assert window.bounding_box() != before
    tubes.reload()
    expect(tubes.get_by_role("rowheader").nth(1).get_by_role("button")).to_have_attribute("aria-pressed", "true")


def test_a_crop_leads_to_its_frame_and_is_marked_there(tubes: Page, followed: Found, screenshot: Screenshot) -> None:
    tubes.get_by_role("button", name=re.compile(r"^Frame 1\b.*slot")).click()
    expect_frame(tubes, 1, followed["n_frames"])
    expect(tubes.get_by_role("button", name=re.compile(r"^Frame 1\b.*slot"))).to_have_attribute("aria-current", "true")
    tubes.wait_for_load_state("networkidle")
    tubes.get_by_role("region", name="Tubes").scroll_into_view_if_needed()
    screenshot(tubes, "sequence-tubes")


def test_the_tab_of_frames_that_were_cut_off_says_how_many(page: Page, address: str) -> None:
    def is_cut(each: Found) -> bool:
        return bool(each["models"][0]["details"]["preprocessing"]["num_truncated"])

    found = find_sequence(address, is_cut)
    last = found["frames"][-1]["detection_id"]
    open_sequence(page, address, found["sequence_id"], f"?frame={last}")
    n_cut = found["models"][0]["details"]["preprocessing"]["num_truncated"]
    expect(page.get_by_role("region", name="Model")).to_contain_text(f"the last {n_cut} cut off")
    expect(page.get_by_role("table").get_by_role("button", name=re.compile("slot")).first).to_be_visible()
    expect(page.locator("td [aria-current=true]")).to_have_count(0)
