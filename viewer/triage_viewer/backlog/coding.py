"""Columns of few distinct values as codes: a million names take a million small numbers and each name once.

What lives here: finding the distinct values of Arrow columns. What does not: what the values mean.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triage_viewer.backlog.table import Coded, Codes

_First = TypeVar("_First")
_Second = TypeVar("_Second")
_Both = TypeVar("_Both")


def smallest(codes: NDArray[Any], n_values: int) -> Codes:
    """The codes in the fewest bytes: of two or fewer, numpy sorts a million in milliseconds."""
    kind = np.uint8 if n_values <= 1 << 8 else np.uint16 if n_values <= 1 << 16 else np.uint32
    return codes.astype(kind)


def code_values(column: pa.Array) -> Coded[Any]:
    """The column's values as Python has them; None is a value like any other."""
    encoded = column.dictionary_encode(null_encoding="encode")
    return Coded(smallest(encoded.indices.to_numpy(), len(encoded.dictionary)), tuple(encoded.dictionary.to_pylist()))


def code_texts(column: pa.Array, null: str) -> Coded[str]:
    """The column's texts, ``null`` where there is none."""
    return code_values(column.fill_null(null) if column.null_count else column)


def code_pairs(first: Coded[_First], second: Coded[_Second], join: Callable[[_First, _Second], _Both]) -> Coded[_Both]:
    """Both columns as one, of the combinations that occur."""
    width = max(len(second.values), 1)
    both = first.codes.astype(np.int64) * width + second.codes
    encoded = pa.array(both).dictionary_encode()
    pairs = (divmod(pair, width) for pair in encoded.dictionary.to_pylist())
    values = tuple(join(first.values[left], second.values[right]) for left, right in pairs)
    return Coded(smallest(encoded.indices.to_numpy(), len(values)), values)
