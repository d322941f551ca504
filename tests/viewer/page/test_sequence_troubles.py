"""The page of a sequence that is not as it should be: each says what is wrong and what to do."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.shards.shard_backlogs import KEY, make_sequence
from tests.viewer.frames_store import BROKEN, UNUSABLE, fill, score, sequences, store_snapshot
from tests.viewer.page.conftest import OpenPage, served
from tests.viewer.page.sequences_shown import stage
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import load_catalog, tar_path

Screenshot = Callable[[Page, str], None]

# Chromium writes every answer that is none of success to the console.
GONE, NONE_SUCH, UNREADABLE = "status of 410", "status of 404", "status of 422"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an unusable frame, a damaged one, a sequence without boxes, and a hostile camera's name."""
    folder = tmp_path_factory.mktemp("troubled") / "data"
    fill(FolderStore(folder))
    return folder


@pytest.fixture
def troubled(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "troubled"))


@pytest.fixture
def there(troubled: Path) -> Iterator[str]:
    with served(troubled) as address:
        yield address


def open_at(open_page: OpenPage, address: str, path: str, *expects: str) -> AbstractContextManager[Page]:
    # None of these sequences has been grouped: the review database does not know them.
    return open_page(f"{address}{path}", expects=(NONE_SUCH, *expects))


def test_an_unknown_sequence_says_what_to_do(open_page: OpenPage, address: str) -> None:
    with open_at(open_page, address, "/sequences/99999") as page:
        expect(page.get_by_role("alert")).to_contain_text("There is no sequence 99999 in the store. Run `triage pull`")


@pytest.mark.parametrize("written", ["abc", "0", "-1", "1.5", "1e400", "%3Cscript%3E"])
def test_what_is_no_number_is_no_sequence(page: Page, address: str, written: str) -> None:
    page.goto(f"{address}/sequences/{written}")
    expect(page.get_by_role("heading", name="There is no such sequence")).to_be_visible()


def test_an_unusable_frame_says_why_in_place_of_its_picture(
    open_page: OpenPage, there: str, screenshot: Screenshot
) -> None:
    with open_at(open_page, there, f"/sequences/2?frame={UNUSABLE}") as page:
        player = page.get_by_role("region", name="Player")
        expect(player.get_by_role("status")).to_contain_text("HTTP 404")
        expect(stage(page)).not_to_be_visible()
        expect(page.get_by_role("region", name="Sequence")).to_contain_text("1 unusable")
        screenshot(page, "sequence-unusable")
        page.keyboard.press("ArrowRight")
        expect(stage(page)).to_be_visible()


def test_the_film_goes_on_over_an_unusable_frame(open_page: OpenPage, there: str) -> None:
    with open_at(open_page, there, "/sequences/2?frame=200") as page:
        expect(stage(page)).to_be_visible()
        page.get_by_role("combobox", name="Speed").select_option("8")
        page.get_by_role("checkbox", name="Loop").uncheck()
        page.get_by_role("button", name="Play", exact=True).click()
        expect(page.get_by_role("slider", name="Frame")).to_have_value("3")


def test_a_damaged_frame_says_so_and_the_others_are_shown(open_page: OpenPage, there: str) -> None:
    with open_at(open_page, there, f"/sequences/3?frame={BROKEN}", UNREADABLE) as page:
        expect(page.get_by_role("region", name="Player").get_by_role("status")).to_be_visible()
        expect(stage(page)).not_to_be_visible()
        page.keyboard.press("ArrowRight")
        expect(stage(page)).to_be_visible()


def test_a_shard_that_is_gone_is_named_with_what_to_do(open_page: OpenPage, troubled: Path, there: str) -> None:
    for shard in load_catalog(FolderStore(troubled), KEY).shards:
        (troubled / tar_path(KEY, shard.name)).unlink()
    with open_at(open_page, there, "/sequences/1", GONE) as page:
        expect(page.get_by_role("region", name="Player").get_by_role("status")).to_contain_text("triage")
        expect(page.get_by_role("region", name="Score")).to_be_visible()


def test_a_sequence_that_nobody_scored_says_how_it_will_be(open_page: OpenPage, troubled: Path) -> None:
    shutil.rmtree(troubled / "predictions")
    shutil.rmtree(troubled / "worklists")
    with served(troubled) as there, open_at(open_page, there, "/sequences/1") as page:
        expect(stage(page)).to_be_visible()
        expect(page.get_by_role("region", name="Models")).to_contain_text("No model has looked at this sequence yet")
        expect(page.get_by_role("region", name="Score")).to_contain_text("It is not in the worklists")
        expect(page.get_by_role("region", name="Score")).to_contain_text("–")


def test_a_sequence_without_boxes_says_that_nothing_was_followed(open_page: OpenPage, there: str) -> None:
    with open_at(open_page, there, "/sequences/4") as page:
        expect(page.get_by_role("region", name="Tubes")).to_contain_text("The model followed nothing")
        expect(page.get_by_role("button", name="To the tube")).to_be_disabled()


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(open_page: OpenPage, troubled: Path) -> None:
    for part in (troubled / "predictions").rglob("*.parquet"):
        part.write_bytes(b"nothing of the kind")
    with served(troubled) as there, open_at(open_page, there, "/sequences/1") as page:
        expect(page.get_by_role("alert").first).to_contain_text("cannot be read")
        expect(stage(page)).to_be_visible()


def test_a_dropped_sequence_says_why(open_page: OpenPage, troubled: Path) -> None:
    store = FolderStore(troubled)
    store_snapshot(store, [*sequences(), make_sequence(5, [500])])
    score(store)
    with served(troubled) as there, open_at(open_page, there, "/sequences/5") as page:
        expect(page.get_by_role("region", name="Score")).to_contain_text("Dropped It is not scored yet")
        expect(page.get_by_role("region", name="Score")).to_contain_text("run frame_shards again")
        expect(page.get_by_role("region", name="Player").get_by_role("status")).to_contain_text("not stored yet")
        expect(page.get_by_role("button", name="Play", exact=True)).to_be_disabled()


def test_tubes_of_other_frames_are_shown_without_leading_to_any(open_page: OpenPage, troubled: Path) -> None:
    first, *others = sequences()
    store_snapshot(FolderStore(troubled), [replace(first, detections=first.detections[:-1]), *others])
    with served(troubled) as there, open_at(open_page, there, "/sequences/1") as page:
        expect(page.get_by_role("region", name="Model")).to_contain_text("of older frames")
        expect(page.get_by_role("region", name="Tubes")).to_contain_text("cannot be told any more")
        page.get_by_role("button", name=re.compile("slot 9:")).click()
        expect(page.get_by_role("slider", name="Frame")).to_have_value("0")


def test_a_sequence_that_left_the_backlog_still_shows_its_frames(open_page: OpenPage, troubled: Path) -> None:
    store_snapshot(FolderStore(troubled), sequences()[1:])
    with served(troubled) as there, open_at(open_page, there, "/sequences/1") as page:
        expect(page.get_by_text("left the backlog", exact=True)).to_be_visible()
        expect(stage(page)).to_be_visible()
        expect(
            page.get_by_role(
                "checkbox", name=re.compile("^Boxes – Its boxes are not known: the backlog lost this frame")
            )
        ).to_be_visible()


def test_each_of_several_models_has_its_word_and_its_tubes(
    open_page: OpenPage, troubled: Path, screenshot: Screenshot
) -> None:
    (model,) = (troubled / "predictions").iterdir()
    shutil.copytree(model, model.with_name("model=0.1.0-aaaaaaaa"))
    with served(troubled) as there, open_at(open_page, there, "/sequences/1") as page:
        expect(page.get_by_role("region", name="Models").get_by_role("listitem")).to_have_count(2)
        page.get_by_role("radio", name="0.1.0-aaaaaaaa").check()
        expect(page).to_have_url(re.compile("tubes_of=0.1.0-aaaaaaaa"))
        expect(page.get_by_role("region", name="Tubes")).to_contain_text("Of 0.1.0-aaaaaaaa")
        expect(stage(page)).to_be_visible()
        screenshot(page, "sequence-models")


def test_names_from_elsewhere_are_text_on_one_line(open_page: OpenPage, there: str) -> None:
    with open_at(open_page, there, "/sequences/1") as page:
        expect(page.get_by_role("heading", level=2)).to_contain_text('Mât "3" <script>')
        assert page.locator("h2 script").count() == 0


def test_a_sequence_that_was_not_grouped_yet_says_so_in_its_card_alone(open_page: OpenPage, there: str) -> None:
    with open_at(open_page, there, "/sequences/1") as page:
        expect(page.get_by_role("region", name="Group and annotation")).to_contain_text("sequence 1")
        expect(page.get_by_role("checkbox", name=re.compile("^Group's region"))).to_be_visible()


def test_a_picture_comes_once_the_server_has_room(open_page: OpenPage, address: str) -> None:
    refusal = {"detail": "Too many pictures are being made. Try again in a moment."}
    with open_page(address, expects=("status of 503",)) as page:
        page.route("**/api/v1/frames/*", lambda route: route.fulfill(status=503, body=json.dumps(refusal)))
        page.goto(f"{address}/sequences/1")
        expect(page.get_by_role("region", name="Player").get_by_role("status")).to_contain_text("Too many pictures")
        page.unroute("**/api/v1/frames/*")
        expect(stage(page)).to_be_visible(timeout=30_000)
