"""Counts at a threshold, and what they are at every other: buckets, organizations, histogram, sweep, sorted scores.

What lives here: numbers about a selection, exactly as the worklists count. What does not: the rows themselves.

A summary is about its filter whatever that says of buckets, so that one answer has all of them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from triage_assets.worklists.records import LABELED, REVIEW
from triage_viewer.backlog.orders import Column, Order
from triage_viewer.backlog.selection import Filter, Selections
from triage_viewer.backlog.table import BUCKETS, DROPPED, Flags, Organization, Positions, Scores

N_BINS = 50
_HEAD_BYTES = 4
_NEAR = 0.2


@dataclass(frozen=True, slots=True)
class BucketCounts:
    """How many sequences are in each bucket."""

    review: int
    unlabeled: int
    labeled: int
    dropped: int

    @property
    def sequences(self) -> int:
        """All of them."""
        return self.review + self.unlabeled + self.labeled + self.dropped


@dataclass(frozen=True, slots=True)
class OrganizationCounts:
    """One organization's counts."""

    organization: Organization
    counts: BucketCounts


@dataclass(frozen=True, slots=True)
class SweepStep:
    """What another threshold would send to people."""

    threshold: float
    review: int
    unlabeled: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a selection comes to. The histogram has equal bins from 0 to 1 of what the threshold decides about."""

    counts: BucketCounts
    disagreements: int
    organizations: tuple[OrganizationCounts, ...]
    histogram: tuple[int, ...]
    sweep: tuple[SweepStep, ...]


def summarize(selections: Selections, rows: Filter, threshold: float, steps: Sequence[float]) -> Summary:
    """The summary of what the filter wants, buckets aside. Raises `NotInBacklog`."""
    table = selections.table
    with selections.turn():
        fixed = selections.chosen(rows)
        moving = selections.at_threshold(rows, threshold)
        n_by_organization = _count(selections, fixed, moving, threshold)
        n_disagreements = _count_true(table.disagree(threshold), fixed, moving)
        deciding = _DecidingScores.of(selections, rows, fixed)
        histogram = _histogram(selections, fixed, moving, deciding)
        sweep = tuple(deciding.step(step) for step in steps)
    organizations = tuple(
        OrganizationCounts(organization, BucketCounts(*counts))
        for organization, counts in zip(table.organizations.values, n_by_organization.tolist(), strict=True)
        if sum(counts)
    )
    totals = BucketCounts(*n_by_organization.sum(axis=0).tolist())
    return Summary(totals, n_disagreements, organizations, histogram, sweep)


def sweep_thresholds(operating_point: float, asked: float) -> tuple[float, ...]:
    """Thresholds for a table: every 0.05 near the operating point, every 0.1 beyond, and both that were named."""
    twentieths = range(21)
    steps = {step / 20 for step in twentieths if step % 2 == 0 or abs(step / 20 - operating_point) <= _NEAR + 1e-9}
    return tuple(sorted(steps | {operating_point, asked}))


def encode_scores(selections: Selections, rows: Filter, version: str) -> bytes:
    """The scores that decide, per organization in ascending order, so that a page can count at any threshold itself.

    The layout is in the description of the route (`triage_viewer.routes.triage`). Raises `NotInBacklog`.
    """
    table = selections.table
    with selections.turn():
        fixed = selections.chosen(rows)
        deciding = _DecidingScores.of(selections, rows, fixed)
        parts = [_by_organization(selections, deciding.places, deciding.column(selections))]
        if rows.disagreements:
            parts.append(_by_organization(selections, deciding.lowest_places, table.lowest))
        is_review_only = rows.disagreements or rows.model is not None
        others = np.zeros((len(table.organizations.values), len(BUCKETS)), np.int64)
        if not is_review_only:
            others = _count(selections, fixed, None, np.inf)  # what nobody's score sends To Review
    organizations = [
        {
            "key": organization.key,
            "name": organization.name,
            "begun": others[number, BUCKETS.index(REVIEW)],
            "labeled": others[number, BUCKETS.index(LABELED)],
            "dropped": others[number, BUCKETS.index(DROPPED)],
            **_describe_parts(parts, number),
        }
        for number, organization in enumerate(table.organizations.values)
        if others[number].sum() or parts[0].counts[number]
    ]
    head = {"version": version, "is_review_only": is_review_only, "organizations": organizations}
    text = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
    text += b" " * (-(_HEAD_BYTES + len(text)) % 8)
    numbers = [part.scores.astype("<f8", copy=False).tobytes() for part in parts]
    return b"".join([struct.pack("<I", len(text)), text, *numbers])


@dataclass(frozen=True, slots=True)
class _DecidingScores:
    """The rows that a threshold decides about, in ascending order of the score that it is held against.

    To Review are those at or above it, and ``n_begun`` at any; of disagreements, less those whose every score is.
    """

    model: int | None
    places: Positions
    scores: Scores
    lowest_places: Positions
    lowest: Scores
    n_begun: int
    is_review_only: bool

    @classmethod
    def of(cls, selections: Selections, rows: Filter, fixed: Flags | None) -> "_DecidingScores":
        table = selections.table
        model = None if rows.model is None else selections.model_number(rows.model)
        column: Column = "triage_score" if model is None else "model_score"
        is_review_only = rows.disagreements or model is not None
        # Where a selection is of what models send To Review, what somebody has begun is in it for its scores alone.
        flags = table.is_open if is_review_only else table.is_split
        flags = flags if fixed is None else flags & fixed
        if model is not None:
            flags = flags & ~np.isnan(table.scores[model])
        places = _narrow(selections.orders.positions(Order(column, False, model)), flags)
        scores = (table.best if model is None else table.scores[model])[places]
        lowest_places, lowest = np.empty(0, np.int32), np.empty(0)
        if rows.disagreements:
            lowest_places = _narrow(selections.orders.positions(Order("lowest_score")), flags)
            lowest = table.lowest[lowest_places]
        n_begun = 0 if is_review_only else _count_true(table.is_begun, fixed)
        return cls(model, places, scores, lowest_places, lowest, n_begun, is_review_only)

    @property
    def n(self) -> int:
        return len(self.scores)

    def column(self, selections: Selections) -> Scores:
        table = selections.table
        return table.best if self.model is None else table.scores[self.model]

    def step(self, threshold: float) -> SweepStep:
        review = _at_or_above(self.scores, threshold) - _at_or_above(self.lowest, threshold)
        return SweepStep(threshold, self.n_begun + review, 0 if self.is_review_only else self.n - review)


def _at_or_above(ascending: Scores, threshold: float) -> int:
    return len(ascending) - int(np.searchsorted(ascending, threshold))


def _narrow(places: Positions, flags: Flags) -> Positions:
    return places[flags[places]]


def _count(selections: Selections, fixed: Flags | None, moving: Flags | None, threshold: float) -> "NDArray[np.int64]":
    """Sequences per organization and bucket."""
    table = selections.table
    cells = table.organizations.codes.astype(np.uint32) * len(BUCKETS) + table.buckets(threshold)
    flags = [each for each in (fixed, moving) if each is not None]
    if flags:
        cells = cells[flags[0] if len(flags) == 1 else flags[0] & flags[1]]
    n = len(table.organizations.values)
    return np.bincount(cells, minlength=n * len(BUCKETS)).reshape(n, len(BUCKETS))


def _count_true(flags: Flags, *more: Flags | None) -> int:
    for each in more:
        if each is not None:
            flags = flags & each
    return int(np.count_nonzero(flags))


def _histogram(
    selections: Selections, fixed: Flags | None, moving: Flags | None, deciding: _DecidingScores
) -> tuple[int, ...]:
    """How many of what the threshold decides about have their highest score in each bin; 1.0 is in the last."""
    table = selections.table
    scores = deciding.scores
    if deciding.is_review_only:
        assert moving is not None
        flags = moving if fixed is None else moving & fixed
        scores = np.sort(table.best[flags])
    edges = np.arange(1, N_BINS) / N_BINS
    inner = np.searchsorted(scores, edges)
    return tuple(np.diff([0, *inner.tolist(), len(scores)]).tolist())


@dataclass(frozen=True, slots=True)
class _Part:
    """Scores of one organization after the other, and how many each has."""

    counts: NDArray[np.int64]
    scores: Scores


def _by_organization(selections: Selections, places: Positions, column: Scores) -> _Part:
    organizations = selections.table.organizations
    codes = organizations.codes[places]
    together = places[np.argsort(codes, kind="stable")]
    return _Part(np.bincount(codes, minlength=len(organizations.values)), column[together])


def _describe_parts(parts: Sequence[_Part], organization: int) -> dict[str, int]:
    """Where an organization's numbers are in each part, counted from the first of all."""
    described, before = {}, 0
    for prefix, part in zip(("", "lowest_"), parts, strict=False):
        described[f"{prefix}first"] = before + int(part.counts[:organization].sum())
        described[f"{prefix}count"] = int(part.counts[organization])
        before += len(part.scores)
    return described
