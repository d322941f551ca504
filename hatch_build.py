"""Has the viewer's page in every wheel and sdist, so that whoever installs one needs no Node.

What lives here: when the page is built. What does not: how (`viewer/node.py`).
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "viewer"))
import node


class PageHook(BuildHookInterface[Any]):
    """Builds the page where there are its sources; an unpacked sdist has it already."""

    def dependencies(self) -> list[str]:
        """Node as a package of Python's, where this machine has none."""
        return [] if self._has_page() or node.find_node() else [node.WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build it. An editable installation serves what `make setup` builds."""
        if version != "editable" and not self._has_page():
            node.build()

    def _has_page(self) -> bool:
        return Path(self.root, "PKG-INFO").exists()
