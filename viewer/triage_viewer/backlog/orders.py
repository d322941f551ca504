"""The backlog's rows in every order that the page can ask for, each worked out once.

What lives here: orders by one column, nulls last, ties by sequence id. What does not: orders that move with the
threshold, and leaving rows out (`selection`).
"""

import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triage_viewer.backlog.table import BacklogTable, Coded, Label, Positions, Scores

Column = Literal[
    "sequence_id", "organization_name", "camera_name", "azimuth", "started_at", "triage_score", "model_score",
    "lowest_score", "model_version", "num_tubes_kept", "trigger_frame_index", "n_frames_unusable", "group_id",
    "group_size", "group_label_state", "label", "dropped_reason",
]  # fmt: skip
"""What a row can be ordered by, whatever the threshold; ``model_score`` is one model's."""

USUAL: Sequence[Column] = ("triage_score", "started_at", "camera_name", "organization_name")
ALL: Sequence[Column] = get_args(Column)


@dataclass(frozen=True, slots=True)
class Order:
    """One order: of ``model``, the number of one, where it is by its scores."""

    column: Column
    descending: bool = False
    model: int | None = None


class Orders:
    """The orders of one table, kept as they are asked for: 4 MB each at a million rows."""

    def __init__(self, table: BacklogTable) -> None:
        self._table = table
        self._kept: dict[Order, Positions] = {}
        self._lock = threading.Lock()

    def positions(self, order: Order) -> Positions:
        """The places of all rows in this order."""
        if order.column == "lowest_score" and len(self._table.models) < 2:
            order = Order("triage_score", order.descending)
        found = self._kept.get(order)
        if found is None:
            with self._lock:  # two who ask for the same wait for one sort
                found = self._kept.get(order)
                if found is None:
                    found = self._kept[order] = self._sort(order)
        return found

    def prepare(self, columns: Sequence[Column] = ALL) -> None:
        """Work out the orders by these columns, either way."""
        for column in columns:
            for model in range(len(self._table.models)) if column == "model_score" else (None,):
                for descending in (True, False):
                    self.positions(Order(column, descending, model))

    def _sort(self, order: Order) -> Positions:
        table = self._table
        if order.column == "sequence_id":
            ascending = np.arange(len(table), dtype=np.int32)
            return ascending[::-1].copy() if order.descending else ascending
        if order.column == "model_score":
            return _sort_numbers(table.scores[order.model or 0], order.descending)
        return _sort_numbers(_KEYS[order.column](table), order.descending)


def fold(text: str) -> str:
    """The text without case and accents, as it is sorted and searched."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _sort_numbers(keys: "NDArray[Any]", descending: bool) -> Positions:
    """The places in order of the keys. NaN is last either way, and so is the highest code of a rank."""
    if not descending:
        return np.argsort(keys, kind="stable").astype(np.int32)
    if keys.dtype.kind == "f":
        return np.argsort(-keys, kind="stable").astype(np.int32)
    highest = np.iinfo(keys.dtype).max
    return np.argsort(np.where(keys == highest, highest, highest - 1 - keys), kind="stable").astype(np.int32)


def _ranks(column: Coded[Any], texts: Sequence[tuple[str, str] | None]) -> NDArray[Any]:
    """Each row's place among the column's values; the highest code there is where it has none."""
    kind = np.uint16 if len(texts) < (1 << 16) - 1 else np.uint32
    known = sorted({text for text in texts if text is not None})
    place = {text: number for number, text in enumerate(known)}
    ranks: NDArray[Any] = np.array([np.iinfo(kind).max if text is None else place[text] for text in texts], kind)
    return ranks[column.codes] if len(texts) else np.empty(0, kind)


def _by_text(column: Coded[str] | Coded[str | None]) -> NDArray[Any]:
    return _ranks(column, [None if value is None else (fold(value), value) for value in column.values])


def _by_label(column: Coded[Label | None]) -> NDArray[Any]:
    texts = [
        None if label is None else (", ".join(label.smoke_types + label.false_positive_types), label.stage)
        for label in column.values
    ]
    return _ranks(column, texts)


def _by_number(column: pa.Array) -> Scores:
    numbers: Scores = np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
    return numbers


def _by_time(table: BacklogTable) -> Scores:
    microseconds = table.started_at.astype("datetime64[us]").astype(np.int64).astype(np.float64)
    microseconds[np.isnat(table.started_at)] = np.nan  # exact: times until the year 2255 are below 2**53
    return microseconds


_KEYS: Mapping[Column, Callable[[BacklogTable], NDArray[Any]]] = {
    "organization_name": lambda table: _ranks(
        table.organizations, [(fold(each.name), each.key) for each in table.organizations.values]
    ),
    "camera_name": lambda table: _by_text(table.cameras),
    "azimuth": lambda table: _by_number(table.azimuths),
    "started_at": _by_time,
    "triage_score": lambda table: table.best,
    "lowest_score": lambda table: table.lowest,
    "model_version": lambda table: _by_text(table.versions),
    "num_tubes_kept": lambda table: _by_number(table.n_tubes_kept),
    "trigger_frame_index": lambda table: _by_number(table.trigger_frames),
    "n_frames_unusable": lambda table: _by_number(table.n_unusable),
    "group_id": lambda table: _by_number(table.groups.ids),
    "group_size": lambda table: _by_number(table.groups.sizes),
    "group_label_state": lambda table: _by_text(table.groups.states),
    "label": lambda table: _by_label(table.labels),
    "dropped_reason": lambda table: _by_text(table.dropped_reasons),
}
