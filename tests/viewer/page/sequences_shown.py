"""What tests of the sequence page share.

What lives here: finding sequences of a kind through the API, and reading what a page shows of one. What does not: the
server and the browser (`conftest`).
"""

import re
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

Found = dict[str, Any]


# Every test has a copy of the same store, and asking for all of it takes seconds.
_demo: list[Found] = []


def find_sequence(address: str, is_wanted: Callable[[Found], bool]) -> Found:
    """What the server says of the demo's sequence with the highest score of its kind."""
    if not _demo:
        with httpx.Client(base_url=f"{address}/api/v1") as client:
            rows = client.get("/triage/rows?limit=60").json()["items"]
            _demo.extend(client.get(f"/sequences/{row['sequence_id']}").json() for row in rows)
    return next(each for each in _demo if is_wanted(each))


def has_trigger(found: Found) -> bool:
    """Whether a model raised an alarm in the middle of many frames, on one with a single box."""
    trigger, frames = found["models"][0]["trigger"], found["frames"]
    if trigger is None or len(frames) < 8:
        return False
    at = [frame["detection_id"] for frame in frames].index(trigger["detection_id"])
    return 0 < at < len(frames) - 2 and len(frames[at]["boxes"]) == 1


def n_tubes(found: Found) -> int:
    return len(found["models"][0]["details"]["tubes"]["kept"])


def stage(page: Page) -> Locator:
    """The picture of the frame."""
    return page.get_by_role("region", name="Player").get_by_role("img", name=re.compile("^Frame "))


def expect_frame(page: Page, number: int, count: int) -> None:
    """The picture is that of a frame, counted from 1, and the slider is at it."""
    expect(stage(page)).to_have_attribute("alt", re.compile(f"^Frame {number} of {count},"))
    expect(page.get_by_role("slider", name="Frame")).to_have_value(str(number - 1))


def open_sequence(page: Page, address: str, sequence_id: int, search: str = "") -> None:
    """The page of a sequence, once its first picture is there."""
    page.goto(f"{address}/sequences/{sequence_id}{search}")
    expect(stage(page)).to_be_visible()


def watch(page: Page) -> None:
    """Begin to note each frame whose picture is shown: a film is faster than looking at it from here."""
    page.evaluate(
        """() => {
            window.seen = [];
            const look = () => {
                const number = Number(document.querySelector("img[alt^='Frame ']")?.alt.split(" ")[1]);
                if (number && window.seen.at(-1) !== number) window.seen.push(number);
            };
            look();
            const rest = { subtree: true, childList: true, attributes: true };
            new MutationObserver(look).observe(document.body, rest);
        }"""
    )


def seen(page: Page, at_least: int = 0) -> list[int]:
    """The frames that were shown since, counted from 1, in their order; once they are so many."""
    page.wait_for_function("count => window.seen.length >= count", arg=at_least)
    numbers: list[int] = page.evaluate("window.seen")
    return numbers
