"""One asset's part of the store, or why there is none to be had.

What lives here: that pair, and the words for what cannot be read. What does not: any asset's own figures.
"""

import logging
from dataclasses import dataclass
from typing import Generic, TypeVar

from triage_assets.errors import NewerFormat, TriageError
from triage_viewer.problems import describe_trouble

logger = logging.getLogger(__name__)

_Stored = TypeVar("_Stored")


@dataclass(frozen=True, slots=True)
class Stage(Generic[_Stored]):
    """What is stored, None where nothing was made yet, or where it cannot be read: then ``trouble`` says why."""

    stored: _Stored | None = None
    trouble: str | None = None


def describe_damage(what: str, error: TriageError) -> str:
    """A sentence about files that cannot be read. Where they are, and what is wrong with them, is in the log."""
    if isinstance(error, NewerFormat):
        return describe_trouble(error)
    logger.warning("%s", error)
    return " ".join(filter(None, (f"{what} cannot be read.", error.do, "The server's log says why.")))
