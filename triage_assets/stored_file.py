"""An object of the store as a file that is read in pieces.

What lives here: what Parquet and Arrow need to fetch a footer and some columns. What does not: any file's meaning.
"""

import io

from typing_extensions import override

from triage_assets.errors import StoreError
from triage_assets.store import Store


class StoredFile(io.RawIOBase):
    """Reads ranges of an object that nobody replaces meanwhile; where somebody does, what is read is no whole."""

    def __init__(self, store: Store, path: str) -> None:
        size = store.size(path)
        if size is None:
            raise StoreError(f"{store.location} has no {path}", do="Run `triage run` to produce it.")
        self._store = store
        self._path = path
        self._size = size
        self._place = 0

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
        data = self._store.read_range(self._path, self._place, wanted) if wanted else b""
        self._place += len(data)
        return data
