"""Which rows of an ordered list a page holds.

What lives here: counting from pages to rows. What does not: the lists (`listing`, `members`, `audit`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows from ``start`` up to ``stop`` of an ordered list."""

    start: int
    stop: int

    @classmethod
    def of_page(cls, page: int, size: int) -> "Slice":
        """The rows of a page, counted from 1. Raises `ValueError` for one that cannot be."""
        if page < 1 or size < 1:
            raise ValueError(f"pages and their sizes count from 1: page {page} of size {size}")
        return cls((page - 1) * size, page * size)

    def __len__(self) -> int:
        return self.stop - self.start

    def within(self, begin: int, length: int) -> "Slice":
        """The part that falls on ``length`` rows beginning at ``begin``, counted from there; empty where none does."""
        start = min(max(self.start - begin, 0), length)
        return Slice(start, min(max(self.stop - begin, start), length))
