"""What the triage page costs a browser: run `python -m benchmarks.triage_browser [--sequences 1000000] [--models 1]`.

What lives here: the time until the page is of use, the script of a step of the slider, and the way to the last row, in
Chromium over the real server. What does not: the server's own times (`triage_page`).
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence

import httpx
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.triage_page import generate, serve
from triage_assets.store import open_store

STEPS = 100
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_USEFUL = """
new Promise((resolve) => {
  const look = () => {
    const counts = document.querySelector('[aria-label="Counts"] button');
    const row = document.querySelector('[role="grid"] tbody tr td');
    if (counts && row && row.textContent) {
      // What is in the document now is painted before the frame after the next one begins.
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
    } else requestAnimationFrame(look);
  };
  look();
})
"""
_SLIDE = """
async (steps) => {
  const slider = document.querySelector('input[type="range"]');
  const key = (step) => (step % 60 < 30 ? "ArrowRight" : "ArrowLeft");
  for (let step = 0; step < steps; step++) {
    await new Promise(requestAnimationFrame);
    performance.mark("begin");
    slider.dispatchEvent(new KeyboardEvent("keydown", { key: key(step), bubbles: true, cancelable: true }));
    await null; // React draws what a key changes in a microtask that is queued before this one goes on.
    performance.measure("step", "begin");
  }
  return performance.getEntriesByName("step").map(({ duration }) => duration);
}
"""


def main() -> None:
    """Generate, serve, open, slide and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, nargs="+", default=[21_489, 1_000_000])
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7, help="of opening the page")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':44s}{'p50 ms':>9s}{'p95 ms':>9s}{'max ms':>9s}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        for n_sequences in options.sequences:
            with tempfile.TemporaryDirectory() as folder:
                store = open_store(folder)
                generate(store, n_sequences, options.models)
                with serve(store) as (client, _):
                    _measure(browser, client, n_sequences, options.repeats)
        browser.close()


def _measure(browser: Browser, client: httpx.Client, n_sequences: int, repeats: int) -> None:
    client.get("/api/v1/triage/rows").raise_for_status()  # the server has read its store
    address = f"{client.base_url}/triage".replace("//triage", "/triage")
    useful: list[float] = []
    for _ in range(repeats):
        page = _open(browser, address)
        useful.append(page.evaluate(_USEFUL))
        page.context.close()
    _print(f"{n_sequences:,}: counts and first rows are seen", useful)
    page = _open(browser, address)
    page.evaluate(_USEFUL)
    page.wait_for_timeout(1000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before = _task_seconds(session)
    _print(f"{n_sequences:,}: script of a slider's step", page.evaluate(_SLIDE, STEPS))
    print(
        f"{'    with style, layout and paint, on average':44s}{1000 * (_task_seconds(session) - before) / STEPS:9.1f}"
    )
    _print(f"{n_sequences:,}: from the first row to the last and back", _walk(page, n_sequences))
    page.context.close()


def _open(browser: Browser, address: str) -> Page:
    """A window without anything cached."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(address, wait_until="commit")
    return page


def _walk(page: Page, n_sequences: int) -> list[float]:
    """How long it takes until the row at either end is there, loaded."""
    page.get_by_role("grid").focus()
    times = []
    for key, index in (("End", n_sequences + 1), ("Home", 2)) * 3:
        begun = page.evaluate("performance.now()")
        page.keyboard.press(key)
        page.locator(f"tr[aria-rowindex='{index}'] td", has_text="0").first.wait_for()
        times.append(page.evaluate("performance.now()") - begun)
    return times


def _task_seconds(session: CDPSession) -> float:
    """How long the page's main thread has worked until now."""
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def _print(name: str, times: Sequence[float]) -> None:
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    print(f"{name:44s}{statistics.median(times):9.1f}{p95:9.1f}{max(times):9.1f}")


if __name__ == "__main__":
    main()
