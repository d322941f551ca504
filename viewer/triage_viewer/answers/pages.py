"""One page of many items.

What lives here: the page around them. What does not: any kind of item.
"""

from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from pydantic import BaseModel

_Item = TypeVar("_Item")


class Page(BaseModel, Generic[_Item]):
    """One page of many items, and how many there are."""

    items: list[_Item]
    total: int
    page: int
    size: int
    pages: int

    @classmethod
    def of(cls, items: Sequence[_Item], *, total: int, page: int, size: int, **more: object) -> Self:
        """The page with the number of pages worked out, and what else a larger answer has."""
        pages = -(-total // size)
        return cls.model_validate({"items": items, "total": total, "page": page, "size": size, "pages": pages, **more})
