"""Listing one organization's backlog while it changes under the reader's eyes.

What lives here: walking the pages until what was seen agrees with the server's total, and the proof that the stage
filter worked. What does not: requests (given as functions), parsing of rows (`parse`), or detections.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from triage_assets.annotator.parse import ListedRow, Page, Reasons, parse_sequence
from triage_assets.annotator.records import Organization, SequenceRow, partition_key
from triage_assets.errors import SettingsError, UnknownStage
from triage_assets.progress import Progress

PAGE_SIZE = 100
NO_ANNOTATION = "no_annotation"
# The last three are filtered by older servers only; newer ones ignore them, which the checks below notice.
STAGES = (
    "imported",
    "ready_to_annotate",
    "seq_annotation_done",
    "annotated",
    NO_ANNOTATION,
    "under_annotation",
    "in_review",
    "needs_manual",
)
_MOST_WALKS = 5
# A wrong total must not make the walk endless.
_MOST_PAGES = 100_000

# Fetches the pages of these numbers (from 1), in order.
FetchPages = Callable[[Sequence[int]], list[Page]]


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of one organization, ordered by (recorded_at, id), each id once.

    ``n_total`` is how many the server counts, and ``shortfall`` how many of those were never seen. ``rejected`` counts
    rows without a usable id, time or organization, ``altered`` values that were not taken as they came.
    """

    rows: tuple[SequenceRow, ...]
    n_total: int
    shortfall: int
    rejected: Reasons
    altered: Reasons


@dataclass(slots=True)
class _Walk:
    entries: dict[int | str, ListedRow] = field(default_factory=dict)
    totals: set[int] = field(default_factory=set)
    n_items: int = 0
    altered: Reasons = field(default_factory=Reasons)

    def add(self, page: Page) -> None:
        self.totals.add(page.total)
        self.n_items += len(page.items)
        for item in page.items:
            # A row that comes twice is counted as altered once.
            altered: Reasons = Reasons()
            entry = parse_sequence(item, altered)
            if entry.identity not in self.entries:
                self.altered += altered
            self.entries[entry.identity] = entry

    @property
    def agrees(self) -> bool:
        """Whether nothing moved: one total throughout, every row once."""
        return self.totals == {len(self.entries)} and self.n_items == len(self.entries)


def check_stage_name(stage: str) -> None:
    """Raise `UnknownStage` for a stage that a server would ignore, answering with every sequence."""
    if stage not in STAGES:
        raise UnknownStage(
            "The annotator has no such processing stage",
            found=repr(stage),
            expected=" | ".join(STAGES),
            do="Correct --stage.",
        )


def check_sample_stage(stages: Iterable[str | None], stage: str) -> None:
    """Raise `UnknownStage` where rows listed for ``stage`` are at another, so the filter was ignored."""
    expected = None if stage == NO_ANNOTATION else stage
    wrong = [found for found in stages if found != expected]
    if wrong:
        raise UnknownStage(
            f"The annotator does not filter by the processing stage {stage!r}",
            found=f"sequences at {wrong[0] or NO_ANNOTATION!r} among those it listed",
            expected=stage,
            do="Name a stage that this version of the annotator knows.",
        )


def parse_since(since: str | datetime | None) -> datetime | None:
    """An ISO date or time, UTC where it names no zone. Raises `SettingsError`."""
    if since is None:
        return None
    try:
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter for a day that in UTC is beyond the calendar
        raise SettingsError(
            "The time to start from cannot be read",
            found=repr(since),
            expected="an ISO date or time such as 2026-06-01",
        ) from None


def combine(listings: Iterable[Listing], limit: int | None) -> Listing:
    """The listings of several spellings as one, cut to the ``limit`` oldest rows."""
    parts = tuple(listings)
    rows = {row.id: row for part in parts for row in part.rows}
    ordered = sorted(rows.values(), key=lambda row: (row.recorded_at, row.id))
    return Listing(
        tuple(ordered[:limit]),
        sum(part.n_total for part in parts),
        sum(part.shortfall for part in parts),
        sum((part.rejected for part in parts), Reasons()),
        sum((part.altered for part in parts), Reasons()),
    )


def list_spelling(
    fetch_pages: FetchPages,
    organization: Organization,
    *,
    limit: int | None,
    since: datetime | None,
    pages_at_once: int,
    progress: Progress,
) -> Listing:
    """List one spelling. The server filters by name, which other ids may share: those rows are left out.

    With a ``limit``, pages are read only until so many rows are found, and the shortfall is not known, so it is 0.
    """
    key = partition_key(organization)

    def is_ours(row: SequenceRow) -> bool:
        spelling = Organization(row.organization_id, row.organization_name)
        return partition_key(spelling) == key and (since is None or row.recorded_at >= since)

    if limit is None:
        entries, total, altered = _walk_until_agreed(fetch_pages, pages_at_once, progress)
        shortfall = max(0, total - len(entries))
    else:
        walk = _Walk()
        for page in _pages(fetch_pages, 1):
            walk.add(page)
            progress("listed", len(walk.entries), page.total)
            if sum(entry.row is not None and is_ours(entry.row) for entry in walk.entries.values()) >= limit:
                break
        entries, total, altered, shortfall = list(walk.entries.values()), page.total, walk.altered, 0
    rows = [entry.row for entry in entries if entry.row is not None]
    ours = [row for row in rows if is_ours(row)]
    rejected = Reasons(entry.rejected for entry in entries if entry.rejected is not None)
    return combine([Listing(tuple(ours), total - (len(rows) - len(ours)), shortfall, rejected, altered)], limit)


def _pages(fetch_pages: FetchPages, at_once: int) -> Iterator[Page]:
    """The pages in order, as many as the latest total says."""
    next_number, last_number = 1, 1
    while next_number <= last_number:
        numbers = range(next_number, min(last_number, next_number + at_once - 1) + 1)
        for page in fetch_pages(numbers):
            last_number = min(_MOST_PAGES, -(-page.total // PAGE_SIZE))
            yield page
        next_number = numbers.stop


def _walk_until_agreed(
    fetch_pages: FetchPages, pages_at_once: int, progress: Progress
) -> tuple[list[ListedRow], int, Reasons]:
    """Entries, the server's latest total, and what was altered."""
    known: dict[int | str, ListedRow] = {}
    last_seen: dict[int | str, int] = {}
    total_before: int | None = None
    for number in itertools.count(1):
        walk = _Walk()
        total = 0
        for page in _pages(fetch_pages, pages_at_once):
            walk.add(page)
            total = page.total
            progress("listed", len(walk.entries), total)
        if walk.agrees:
            return list(walk.entries.values()), total, walk.altered
        known |= walk.entries
        last_seen |= dict.fromkeys(walk.entries, number)
        # Ties that swap places come in one walk or another; while the total stands still, the union is the backlog.
        stood_still = walk.totals == {total} and total_before in (None, total)
        if stood_still and len(known) == total:
            return list(known.values()), total, walk.altered
        if number == _MOST_WALKS:
            return [known[identity] for identity in _newest_evidence(last_seen, total)], total, walk.altered
        total_before = total
    raise AssertionError("the walks are bounded")


def _newest_evidence(last_seen: dict[int | str, int], total: int) -> list[int | str]:
    """Identities by the walk that saw them last, newest first, until there are ``total``; older ones have left.

    A row that leaves hides another one from its walk, so what either of the last two walks saw is kept in any case: a
    row too many is gone with the next pull, a row too few would be missed until then.
    """
    newest = max(last_seen.values(), default=0)
    kept: list[int | str] = []
    for number in range(newest, 0, -1):
        if len(kept) >= total and number < newest - 1:
            break
        kept += [identity for identity, seen in last_seen.items() if seen == number]
    return kept
