"""Something made of a file in the store, made again when the file is another.

What lives here: noticing that, at most once a second, and forgetting what takes too much memory. What does not: what is
made of it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from triage_assets.errors import StoreError
from triage_assets.store import Store, StoredObject

_Made = TypeVar("_Made")
_LOOK_EVERY_SECONDS = 1.0
_ATTEMPTS = 3


class Kept(Generic[_Made]):
    """What ``make`` gives for one file, None where there is no such file. May be asked by many threads at once."""

    def __init__(self, store: Store, path: str, make: Callable[[StoredObject], _Made]) -> None:
        self._store = store
        self._path = path
        self._make = make
        self._lock = threading.Lock()
        self._seen: StoredObject | None = None
        self._made: _Made | None = None
        self._looked_at = float("-inf")

    def get(self, *, at_once: bool = False) -> _Made | None:
        """What there is now; unless ``at_once``, it may be a second old. Raises whatever making it does."""
        made = self._made
        # Who comes while another one looks is served from what is known, unless nothing is.
        if not self._lock.acquire(blocking=at_once or made is None):
            return made
        try:
            if at_once or time.monotonic() - self._looked_at >= _LOOK_EVERY_SECONDS:
                found = self._store.find(self._path)
                if found != self._seen:
                    self._make_of(found)
                self._looked_at = time.monotonic()
            return self._made
        finally:
            self._lock.release()

    def _make_of(self, found: StoredObject | None) -> None:
        """Make it of one version of the file, which is read in pieces and may be replaced between two of them."""
        self._seen, self._made = None, None  # the old one goes before the new one comes
        for _ in range(_ATTEMPTS):
            made = None if found is None else self._make(found)
            again = self._store.find(self._path)
            if again == found:
                self._seen, self._made = found, made
                return
            found = again
        raise StoreError(f"{self._path} changes again and again while it is read", do="Try again in a moment.")


class Shelf(Generic[_Made]):
    """Things of one kind by name. Those asked for longest ago go, once together they take more than ``most_bytes``.

    ``keep`` says how a name's is made, ``size`` how many bytes it takes. May be asked by many threads at once.
    """

    def __init__(self, most_bytes: int, keep: Callable[[str], Kept[_Made]], size: Callable[[_Made], int]) -> None:
        self._most_bytes = most_bytes
        self._keep = keep
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Kept[_Made]] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def get(self, name: str, *, at_once: bool = False) -> _Made | None:
        """As `Kept.get`, of that name."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._keep(name)
            self._kept.move_to_end(name)
            kept = self._kept[name]
        made = kept.get(at_once=at_once)
        self._make_room(name, 0 if made is None else self._size(made))
        return made

    def _make_room(self, name: str, size: int) -> None:
        """Never forgets the one that is asked for now."""
        with self._lock:
            self._sizes[name] = size
            for oldest in [each for each in self._kept if each != name]:
                if sum(self._sizes.values()) <= self._most_bytes:
                    break
                del self._kept[oldest]
                self._sizes.pop(oldest, None)
