"""Choosing and ordering rows: which of a million are asked for, and in which order, at a threshold.

What lives here: filters, orders that move with the threshold, and keeping the latest selections, so that paging through
one is free. What does not: columns (`table`) and counts (`counts`).
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, cast

import numpy as np

from triage_assets.errors import NotInBacklog
from triage_viewer.backlog.orders import Column, Order, Orders, fold
from triage_viewer.backlog.table import BUCKETS, BacklogTable, Coded, Flags, Positions

KEY_PREFIX = "pyro-annotator_"
UNGROUPED = "none"

Sort = Literal["priority", "triage_bucket", "n_models_review", Column]
"""``priority``: where models disagree To Review first, then the highest score, as the worklist has it."""

_KEPT_BYTES = 40_000_000  # ten selections of a million rows
_KEPT = 200  # however small they are
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are wanted; an empty set or None wants all.

    ``model`` wants what this model alone would send To Review, ``disagreements`` what is To Review although a model
    says otherwise: both are about the threshold's split, so of To Review only. Days are of UTC, both included.
    """

    organizations: frozenset[str] = frozenset()
    cameras: frozenset[str] = frozenset()
    buckets: frozenset[str] = frozenset()
    model: str | None = None
    disagreements: bool = False
    group_states: frozenset[str] = frozenset()
    is_validated: bool | None = None
    first_day: date | None = None
    last_day: date | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows at a threshold in an order; ``sort_model`` names the model of ``model_score``."""

    rows: Filter
    threshold: float
    sort: Sort = "priority"
    descending: bool = True
    sort_model: str | None = None


class Selections:
    """The selections of one table. At most two are worked out at once, so that memory is bounded."""

    def __init__(self, table: BacklogTable) -> None:
        self.table = table
        self.orders = Orders(table)
        self._kept: OrderedDict[Wanted, Positions] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn at work that needs arrays as long as the table."""
        with self._turns:
            yield

    def positions(self, wanted: Wanted) -> Positions:
        """The places of the wanted rows in their order. Raises `NotInBacklog`."""
        with self._lock:
            if wanted in self._kept:
                self._kept.move_to_end(wanted)
                return self._kept[wanted]
        with self.turn():
            found = self._order(wanted)
        with self._lock:
            self._kept[wanted] = found
            while len(self._kept) > _KEPT or (len(self._kept) > 1 and self._n_bytes() > _KEPT_BYTES):
                self._kept.popitem(last=False)
        return found

    def _n_bytes(self) -> int:
        return sum(kept.nbytes for kept in self._kept.values())

    def locate(self, wanted: Wanted, sequence_id: int) -> int | None:
        """Where in the wanted rows a sequence is, None where it is not among them. Raises `NotInBacklog`."""
        place = self.table.place_of(sequence_id)
        found = [] if place is None else np.flatnonzero(self.positions(wanted) == place).tolist()
        return found[0] if found else None

    def model_number(self, name: str) -> int:
        """The place of a model among the scores. Raises `NotInBacklog`."""
        if name not in self.table.models:
            raise _unknown("model", name, self.table.models)
        return self.table.models.index(name)

    def chosen(self, rows: Filter) -> Flags | None:
        """Which rows the filter wants but for what moves with the threshold; None for all. Raises `NotInBacklog`."""
        table = self.table
        flags: list[Flags] = []
        if rows.organizations:
            keys = [organization.key for organization in table.organizations.values]
            flags.append(table.organizations.where(_hits("organization", keys, rows.organizations)))
        if rows.cameras:
            flags.append(table.cameras.where(_hits("camera", table.cameras.values, rows.cameras)))
        if rows.group_states:
            flags.append(self._in_states(rows.group_states))
        if rows.is_validated is not None:
            flags.append(table.groups.is_validated == rows.is_validated)
        if rows.first_day is not None:
            flags.append(table.started_at >= np.datetime64(rows.first_day, "us"))
        if rows.last_day is not None and rows.last_day < date.max:
            flags.append(table.started_at < np.datetime64(rows.last_day + timedelta(1), "us"))
        flags.extend(self._with_word(word) for word in rows.text.split())
        if not flags:
            return None
        together = flags[0]
        for more in flags[1:]:
            together = together & more
        return together

    def at_threshold(self, rows: Filter, threshold: float) -> Flags | None:
        """Which rows the filter's part that moves with the threshold wants, buckets aside; None for all."""
        if rows.model is None and not rows.disagreements:
            return None
        model = None if rows.model is None else self.model_number(rows.model)
        flags = self.table.reaches(threshold, model)
        return flags & self.table.disagree(threshold) if rows.disagreements else flags

    def all_of(self, rows: Filter, threshold: float) -> Flags | None:
        """Which rows the whole filter wants; None for all."""
        flags = [each for each in (self.chosen(rows), self.at_threshold(rows, threshold)) if each is not None]
        if rows.buckets and rows.buckets != frozenset(BUCKETS):
            hits = np.array([bucket in rows.buckets for bucket in BUCKETS])
            flags.append(hits[self.table.buckets(threshold)])
        if not flags:
            return None
        return flags[0] if len(flags) == 1 else np.logical_and.reduce(flags)

    def _order(self, wanted: Wanted) -> Positions:
        flags = self.all_of(wanted.rows, wanted.threshold)
        descending = wanted.descending
        if wanted.sort in ("priority", "triage_bucket", "n_models_review"):
            base = self.orders.positions(Order("triage_score", descending if wanted.sort == "priority" else True))
            return self._led_by(wanted, base if flags is None else base[flags[base]])
        model = self.model_number(wanted.sort_model or "") if wanted.sort == "model_score" else None
        base = self.orders.positions(Order(cast(Column, wanted.sort), descending, model))
        return base if flags is None else base[flags[base]]

    def _led_by(self, wanted: Wanted, base: Positions) -> Positions:
        """The rows by what the threshold makes of them, and as they were within."""
        table, threshold = self.table, wanted.threshold
        if wanted.sort == "n_models_review":
            keys = np.zeros(len(table), np.uint8)
            for scores in table.scores:
                keys += scores >= threshold
        elif wanted.sort == "triage_bucket":
            keys = table.buckets(threshold)
        elif len(table.models) < 2:
            return base
        else:
            keys = table.disagree(threshold).astype(np.uint8)
        keys = keys[base]
        steps = np.flatnonzero(np.bincount(keys))  # a handful: taking each is quicker than any sort
        parts = [base[keys == step] for step in (steps[::-1] if wanted.descending else steps)]
        return np.concatenate(parts) if parts else base

    def _in_states(self, states: Collection[str]) -> Flags:
        groups = self.table.groups
        flags = groups.states.where(np.array([state in states for state in groups.states.values], np.bool_))
        if UNGROUPED in states:
            flags = flags | np.asarray(groups.ids.is_null().to_numpy(zero_copy_only=False))
        return flags

    def _with_word(self, word: str) -> Flags:
        """Rows whose camera or organization has the word, or whose sequence id begins with it."""
        table, looked_for = self.table, fold(word)
        organizations = Coded(table.spellings.codes, tuple(spelling.name for spelling in table.spellings.values))
        flags = _having(table.cameras, looked_for) | _having(organizations, looked_for)
        digits = word.removeprefix(KEY_PREFIX)
        if digits.isascii() and digits.isdecimal() and not digits.startswith("0") and len(digits) <= 18:
            first, last = int(digits), int(digits) + 1
            while first < 1 << 62:
                begin, end = np.searchsorted(table.sequence_ids, [first, last])
                flags[begin:end] = True
                first, last = first * 10, last * 10
        return flags


def _having(column: Coded[str], looked_for: str) -> Flags:
    return column.where(np.array([looked_for in fold(value) for value in column.values], np.bool_))


def _hits(kind: str, known: Collection[str], wanted: Collection[str]) -> Flags:
    for name in sorted(set(wanted) - set(known)):
        raise _unknown(kind, name, known)
    return np.array([name in wanted for name in known], np.bool_)


def _unknown(kind: str, name: str, known: Collection[str]) -> NotInBacklog:
    shown = ", ".join(sorted(known)[:5]) or "none"
    more = f" and {len(known) - 5:,} more" if len(known) > 5 else ""
    return NotInBacklog(f"The backlog has no {kind} of that name", found=repr(name[:80]), expected=f"{shown}{more}")
