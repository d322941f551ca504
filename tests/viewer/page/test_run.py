"""The run page: what is made, how fresh it is, what is still to be done."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.viewer.page.axe import serious_findings
from tests.viewer.page.conftest import SEQUENCES, OpenPage, served
from triage_assets.annotator.snapshot import snapshot_path

ASSETS = ["Raw sequences", "Frame shards", "Predictions", "Sequence groups", "Worklists"]


def figure(page: Page, asset: str, label: str) -> str:
    """The number above a label on an asset's card."""
    card = page.get_by_role("region", name=asset, exact=False)
    return card.locator("dl div").filter(has_text=label).locator("dd").inner_text()


def test_every_asset_has_its_counts(page: Page, address: str, screenshot: Callable[[Page, str], None]) -> None:
    page.goto(f"{address}/run")
    expect(page.get_by_text("Everything is made of what there is now.")).to_be_visible()
    for asset in ASSETS:
        expect(page.get_by_role("heading", name=asset, exact=False)).to_be_visible()
    assert figure(page, "raw sequences", "sequences") == str(SEQUENCES)
    counts = [int(figure(page, "worklists", label)) for label in ("To Review", "Unlabel", "labeled", "dropped")]
    assert sum(counts) == SEQUENCES
    screenshot(page, "run-light")
    page.get_by_role("region", name="predictions").get_by_text("Details").click()
    expect(page.get_by_role("table", name="Backlog by model")).to_be_visible()


def test_what_dagster_remembers_is_told_with_its_versions(page: Page, address: str) -> None:
    made = {"at": "2026-07-01T12:00:00Z", "run_id": "a run", "run_state": "success", "data_version": "d" * 64}
    events = {
        "last": {**made, "code_version": "c" * 64},
        "organizations": [],
        "checks": [],
        "behind": [],
    }

    def add_events(route: Route) -> None:
        # As an instance would have it: a real one takes a run, and is asked in the tests of the server.
        run = route.fetch().json()
        run["predictions"]["events"] = events
        route.fulfill(json=run)

    page.route("**/api/v1/run", add_events)
    page.goto(f"{address}/run")
    predictions = page.get_by_role("region", name="predictions")
    predictions.get_by_text("Details").click()
    expect(predictions).to_contain_text("2026-07-01 12:00 by a run that ended with success as version dddddddddddd…")
    expect(predictions).to_contain_text("with cccccccccccc…")


@pytest.mark.parametrize(("width", "colors"), [(1440, "dark"), (1024, "light")])
def test_it_can_be_read_in_the_dark_and_on_a_tablet(
    address: str, open_page: OpenPage, screenshot: Callable[[Page, str], None], width: int, colors: str
) -> None:
    with open_page(f"{address}/run", width=width, colors=colors) as page:
        expect(page.get_by_role("heading", name="Worklists", exact=False)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut at the side"
        assert serious_findings(page) == []
        screenshot(page, f"run-{width}-{colors}")


def test_an_empty_store_says_what_to_do_first(tmp_path: Path, open_page: OpenPage) -> None:
    with served(tmp_path / "nothing") as address, open_page(f"{address}/run") as page:
        expect(page.get_by_text("Nothing was pulled yet: triage run")).to_be_visible()


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_shown(store: Path, open_page: OpenPage) -> None:
    key = next((store / "sequences").iterdir()).name.removeprefix("organization=")
    (store / snapshot_path(key)).write_bytes(b"no parquet")
    with served(store) as address, open_page(f"{address}/run") as page:
        expect(page.get_by_role("region", name="raw sequences")).to_contain_text(key)
        assert figure(page, "raw sequences", "sequences") == "–", "not known is not zero"
        assert int(figure(page, "frame shards", "frames")) > 0
        doubt = page.get_by_text("Cannot tell whether everything is current")
        expect(doubt).to_contain_text(f"raw sequences of {key} cannot be read")
        expect(page.get_by_text("Everything is made of what there is now.")).to_have_count(0)


def test_what_is_not_made_yet_is_still_to_be_done(store: Path, open_page: OpenPage) -> None:
    shutil.rmtree(store / "worklists")
    with served(store) as address, open_page(f"{address}/run") as page:
        expect(page.get_by_text("There are no worklists yet: triage worklists")).to_be_visible()


def test_a_shard_that_is_gone_is_named(store: Path, open_page: OpenPage) -> None:
    tar = next((store / "shards").rglob("*.tar"))
    tar.unlink()
    with served(store) as address, open_page(f"{address}/run") as page:
        expect(page.get_by_role("region", name="frame shards")).to_contain_text(f"Shards that are gone: {tar.stem}")
        expect(page.get_by_text("Everything is made of what there is now.")).to_have_count(0)
