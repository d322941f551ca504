"""`triage` as whoever installs `triage-assets[viewer]` has it: of what is installed here, all else is refused.

What lives here: which distributions the extras bring, and the refusal. What does not: what is tried with it.
"""

import importlib.abc
import importlib.metadata
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def required(name: str, extras: frozenset[str]) -> set[str]:
    """The distributions that pip installs for one with these extras, by canonical name."""
    found: set[str] = set()
    todo = [(canonicalize_name(name), extras)]
    seen = set()
    while todo:
        each = todo.pop()
        if each in seen:
            continue
        seen.add(each)
        found.add(each[0])
        for line in _requirements(each[0]):
            requirement = Requirement(line)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": it}) for it in each[1] or {""}):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def _requirements(name: str) -> Sequence[str]:
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:  # for another platform
        return []


class Refusal(importlib.abc.MetaPathFinder):
    """Finds nothing of what other distributions bring, as if they were not installed."""

    def __init__(self, allowed: set[str]) -> None:
        self._refused = {
            package
            for package, names in importlib.metadata.packages_distributions().items()
            if not {canonicalize_name(name) for name in names} & allowed
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self._refused:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


if __name__ == "__main__":
    sys.meta_path.insert(0, Refusal(required("triage-assets", frozenset({"viewer"}))))
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "packaging"]:
        del sys.modules[loaded]
    from triage_assets.cli import app

    app()
