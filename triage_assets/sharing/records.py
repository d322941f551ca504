"""What a copy is asked for and what came of it.

What lives here: the scope of a copy, its tally while it goes on, and the report of what it did. What does not: copying.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from triage_assets.errors import TriageError
from triage_assets.progress import Progress


@dataclass(frozen=True, slots=True)
class CopyScope:
    """Which shards to copy: of these organizations (keys or names; all where none is named), and with a frame that was
    recorded at ``since`` or later. Scores, groups and lists are of one backlog and always go whole.
    """

    organizations: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied now, what was there already, and what was not copied, with the reason of each.

    ``n_shards_left_out`` are outside the scope, ``n_shards_retired`` were replaced at the destination by shards that
    hold the same. ``faults`` are errors that were not raised: everything else was copied.
    """

    n_shards_copied: int
    n_shards_held: int
    n_shards_left_out: int
    n_shards_retired: int
    n_frames_copied: int
    n_parts_copied: int
    n_parts_held: int
    tables_copied: tuple[str, ...]
    n_tables_held: int
    bytes_copied: int
    faults: tuple[TriageError, ...]

    @property
    def has_news(self) -> bool:
        """Whether anything was copied at all."""
        return bool(self.n_shards_copied or self.n_shards_retired or self.n_parts_copied or self.tables_copied)


@dataclass(slots=True)
class Tally:
    """What a copy has done so far. ``faults`` has each by what it is about, so that trying again counts it once."""

    progress: Progress
    bytes_copied: int = 0
    bytes_to_copy: int = 0
    shards: int = 0
    retired: int = 0
    frames: int = 0
    parts: int = 0
    tables: dict[str, None] = field(default_factory=dict)
    faults: dict[str, TriageError] = field(default_factory=dict)

    def add_bytes(self, n: int) -> None:
        """Count bytes that have been handed to the destination."""
        self.bytes_copied += n
        self.progress("MB", self.bytes_copied // 10**6, max(self.bytes_to_copy, self.bytes_copied) // 10**6)

    def fail(self, about: str, error: TriageError) -> None:
        """Note what cannot be copied, and go on."""
        self.faults[about] = error


class SourceChanged(Exception):  # noqa: N818
    """What was to be copied is not there any more, or another: a run has gone on; looking again helps."""


Digests = Mapping[str, str]
"""The sha256 of objects in hex, by path."""
