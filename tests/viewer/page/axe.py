"""What axe, the accessibility checker, says of a page.

What lives here: asking it. What does not: which pages are asked about.
"""

from typing import Any

from playwright.sync_api import Page

from tests.viewer.page.conftest import PROJECT

AXE = PROJECT / "viewer/web/node_modules/axe-core/axe.min.js"


def serious_findings(page: Page) -> list[str]:
    """What axe finds on the page that somebody could not work with."""
    # As an expression of the debugger, which the page's Content-Security-Policy does not bind.
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{each['id']}: {each['help']}: {[node['html'] for node in each['nodes']][:3]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
