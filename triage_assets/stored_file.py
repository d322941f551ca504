"""An object of the store as a file that is read in pieces.

What lives here: what Parquet and Arrow need to fetch a footer and some columns, in few requests where those take long.
What does not: any file's meaning.
"""

import io
from typing import Self

from typing_extensions import override

from triage_assets.errors import StoreError
from triage_assets.store import Store, StoredObject


class StoredFile(io.RawIOBase):
    """Reads ranges of an object that nobody replaces meanwhile; where somebody does, what is read is no whole."""

    def __init__(self, store: Store, found: StoredObject) -> None:
        self._store = store
        self._path = found.path
        self._size = found.size_bytes
        self._place = 0
        # The end, which has the footer and is asked for again and again, and what was read last.
        self._end = self._last = (0, b"")

    @classmethod
    def open(cls, store: Store, path: str) -> Self:
        """The object as it is now. Raises `StoreError` where there is none."""
        found = store.find(path)
        if found is None:
            raise StoreError(f"{store.location} has no {path}", do="Run `triage run` to produce it.")
        return cls(store, found)

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._place

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    @override
    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._fetch(self._place, wanted) if wanted else b""
        self._place += len(data)
        return data

    def _fetch(self, place: int, size: int) -> bytes:
        for start, piece in (self._last, self._end):
            if start <= place and place + size <= start + len(piece):
                return piece[place - start : place - start + size]
        fetched = min(max(size, self._store.read_ahead_bytes), self._size)
        start = min(place, self._size - fetched)  # what is near the end comes with what leads to it
        piece = self._store.read_range(self._path, start, fetched)
        if fetched > self._store.read_ahead_bytes:  # more than is worth keeping, or a store that is as quick as memory
            return piece
        if start + fetched == self._size:
            self._end = (start, piece)
        else:
            self._last = (start, piece)
        return piece[place - start : place - start + size]
