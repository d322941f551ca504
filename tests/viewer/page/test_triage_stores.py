"""The triage page over stores of every kind: several models, hostile names, none, half a one, one that changes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.viewer.page.conftest import OpenPage, served
from tests.viewer.page.triage_page import ask, figure, grid, rows, search_of, total_said
from tests.viewer.triage_stores import CAMERAS, N, store_split
from triage_assets.store import open_store

Screenshot = Callable[[Page, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with two models' split of made-up sequences."""
    folder = tmp_path / "split"
    folder.mkdir()
    store_split(open_store(str(folder)))
    return folder


@pytest.fixture
def split(folder: Path) -> Iterator[str]:
    """Where it is served."""
    with served(folder) as address:
        yield address


def test_several_models_have_a_column_each_and_their_disagreements_come_first(
    split: str, open_page: OpenPage, screenshot: Screenshot
) -> None:
    with open_page(f"{split}/triage") as page:
        names = [model["name"] for model in ask(split, "facets")["models"]]
        for name in names:
            expect(page.get_by_role("columnheader", name=name, exact=True)).to_be_visible()
        expect(rows(page).first).to_contain_text("disagree")
        summary = ask(split, "summary")
        screenshot(page, "triage-models")
        said = page.get_by_text("Models disagree about")
        expect(said).to_have_text(f"Models disagree about {summary['disagreements']}")
        page.get_by_role("slider", name="Threshold slider").press("End")
        expect(said).to_have_text(f"Models disagree about {ask(split, 'summary', threshold=1)['disagreements']}")
        page.get_by_role("button", name="Disagreements").click()
        expect(total_said(page)).to_contain_text(f"of {ask(split, 'rows', disagreements=True, threshold=1)['total']}")
        page.get_by_role("slider", name="Threshold slider").press("Home")
        expect(figure(page, "To Review")).to_have_accessible_name(re.compile(r"To Review 0 "))


def test_what_one_model_alone_would_send_can_be_chosen_and_ordered_by_its_score(
    split: str, open_page: OpenPage
) -> None:
    name = ask(split, "facets")["models"][1]["name"]
    with open_page(f"{split}/triage") as page:
        page.get_by_label("Sent by").select_option(name)
        expected = ask(split, "rows", model=name)
        expect(total_said(page)).to_contain_text(f"of {expected['total']}")
        expect(figure(page, "To Review")).to_contain_text(str(expected["total"]))
        page.get_by_role("columnheader", name=name, exact=True).get_by_role("button").click()
        first = ask(split, "rows", model=name, sort="model_score", sort_model=name)["items"][0]
        expect(rows(page).first).to_contain_text(str(first["sequence_id"]))
        assert search_of(page)["sort_model"] == [name]


def test_names_are_text_whatever_is_in_them(split: str, open_page: OpenPage, screenshot: Screenshot) -> None:
    with open_page(f"{split}/triage?sort=camera_name&direction=asc") as page:
        table = page.get_by_role("region", name="3 organizations")
        expect(table.get_by_role("button", name='=HYPERLINK("http://evil")')).to_be_visible()
        expect(table.get_by_role("button", name="<b>")).to_be_visible()
        table.get_by_role("button", name="<b>").click()
        page.get_by_label("Camera").select_option("Brison <script>")
        expect(rows(page).first).to_contain_text("Brison <script>")
        assert page.locator("main script, main b").count() == 0
        page.get_by_label("Camera").select_option(CAMERAS[-1])
        total = ask(split, "rows", organization="b-abc-9", camera=CAMERAS[-1])["total"]
        expect(total_said(page)).to_contain_text(f"of {total}")
        page.reload()
        expect(total_said(page)).to_contain_text(f"of {total}")
        # A name with a line break is on one line, and turns nothing but itself.
        height = rows(page).first.bounding_box()
        assert height is not None
        assert round(height["height"]) == 28
        screenshot(page, "triage-names")


def test_a_newer_split_is_shown_with_the_filters_kept(folder: Path, split: str, open_page: OpenPage) -> None:
    with open_page(f"{split}/triage?bucket=review", expects=("409",)) as page:
        expect(total_said(page)).to_contain_text(f"of {ask(split, 'rows', bucket='review')['total']}")
        before = ask(split, "facets")["version"]
        store_split(open_store(str(folder)), 0.7, n=N + 40)
        while ask(split, "facets")["version"] == before:
            page.wait_for_timeout(100)
        # Whatever is asked next is refused as of an older version, and asked again of the newer one.
        page.get_by_role("columnheader", name="Camera").get_by_role("button").click()
        expect(page.get_by_text("Newer worklists: showing them now.")).to_be_visible()
        after = ask(split, "rows", bucket="review", threshold=0.7)
        expect(total_said(page)).to_contain_text(f"of {after['total']}")
        expect(page.get_by_role("textbox", name="Threshold")).to_have_value("0.70")
        expect(figure(page, "To Review")).to_contain_text(str(ask(split, "summary")["counts"]["review"]))
        assert search_of(page)["bucket"] == ["review"]
        expect(page.get_by_role("alert")).to_have_count(0)


def test_a_store_without_worklists_says_what_to_run_and_shows_them_when_they_are_there(
    tmp_path: Path, open_page: OpenPage, screenshot: Screenshot
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    with served(folder) as address, open_page(f"{address}/triage", expects=("404",)) as page:
        expect(page.get_by_role("heading", name="No worklists yet")).to_be_visible()
        expect(page.get_by_text("triage run")).to_be_visible()
        screenshot(page, "triage-empty")
        store_split(open_store(str(folder)))
        expect(total_said(page)).to_contain_text(f"of {N}", timeout=25_000)


def test_an_empty_backlog_is_no_fault(tmp_path: Path, open_page: OpenPage) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    store_split(open_store(str(folder)), n=0)
    with served(folder) as address, open_page(f"{address}/triage") as page:
        expect(page.get_by_role("heading", name="The backlog is empty")).to_be_visible()


def test_a_half_written_split_says_so(folder: Path, open_page: OpenPage) -> None:
    (folder / "worklists" / "results.parquet").write_bytes(b"PAR1")
    with served(folder) as address, open_page(f"{address}/triage", expects=("503",)) as page:
        expect(page.get_by_role("alert")).to_contain_text("not all of one run", timeout=25_000)
        expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_split_that_breaks_while_it_is_open_stays_and_says_so(folder: Path, split: str, open_page: OpenPage) -> None:
    with open_page(f"{split}/triage") as page:
        expect(total_said(page)).to_contain_text(f"of {N}")
        (folder / "worklists" / "results.parquet").write_bytes(b"PAR1")
        while ask(split, "facets")["trouble"] is None:
            page.wait_for_timeout(100)
        expect(page.get_by_role("alert")).to_contain_text("Not the latest state of the store", timeout=25_000)
        expect(total_said(page)).to_contain_text(f"of {N}")


def test_one_may_scroll_away_from_what_is_open(split: str, open_page: OpenPage) -> None:
    first = ask(split, "rows")["items"][0]["sequence_id"]
    with open_page(f"{split}/triage?sequence={first}", expects=("404",)) as page:
        expect(grid(page).locator("[aria-selected=true]")).to_contain_text(str(first))
        grid(page).hover()
        page.mouse.wheel(0, 100_000)
        last = ask(split, "rows", offset=N - 1)["items"][0]["sequence_id"]
        expect(rows(page).last).to_contain_text(str(last))
        expect(grid(page)).to_have_attribute("aria-busy", "false")
        expect(total_said(page)).to_have_text(re.compile(rf"–{N} of {N}$"))


def test_the_threshold_moves_and_the_rows_stay_where_they_are(split: str, open_page: OpenPage) -> None:
    with open_page(f"{split}/triage") as page:
        expect(total_said(page)).to_contain_text(f"of {N}")
        grid(page).focus()
        page.keyboard.press("End")
        expect(total_said(page)).to_have_text(re.compile(rf"–{N} of {N}$"))
        with page.expect_response("**/rows?**threshold=0.36**"):
            page.get_by_role("slider", name="Threshold slider").press("ArrowRight")
        page.wait_for_url("**threshold=0.36")
        expect(grid(page)).to_have_attribute("aria-busy", "false")
        expect(total_said(page)).to_have_text(re.compile(rf"–{N} of {N}$"))
        # Another order is another list, which begins at its top.
        page.get_by_role("columnheader", name="Camera").get_by_role("button").click()
        expect(total_said(page)).to_have_text(re.compile(rf"^1–\d+ of {N}$"))


def test_a_row_that_is_not_loaded_yet_is_opened_when_it_is(split: str, open_page: OpenPage) -> None:
    first = ask(split, "rows")["items"][0]["sequence_id"]
    last = ask(split, "rows", offset=N - 1)["items"][0]["sequence_id"]
    # Neither has frames: the pane says so.
    with open_page(f"{split}/triage?sequence={first}", expects=("404",)) as page:
        expect(grid(page).locator("[aria-selected=true]")).to_contain_text(str(first))
        grid(page).focus()
        page.keyboard.press("End")
        expect(page.get_by_role("complementary", name=f"Sequence {last}")).to_be_visible()
        expect(grid(page).locator("[aria-selected=true]")).to_contain_text(str(last))


def test_rows_far_down_are_loaded_where_one_scrolls(split: str, open_page: OpenPage) -> None:
    with open_page(f"{split}/triage") as page:
        expect(total_said(page)).to_contain_text(f"of {N}")
        grid(page).focus()
        page.keyboard.press("End")
        last = ask(split, "rows", offset=N - 1)["items"][0]["sequence_id"]
        expect(rows(page).last).to_contain_text(str(last))
        expect(total_said(page)).to_have_text(re.compile(rf"–{N} of {N}$"))
