"""Pictures that were made, up to a number of bytes, and those being made, each once however many ask for it.

What lives here: the threads that make pictures and the memory that keeps them. What does not: what a picture is.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

MOST_BYTES = 64_000_000  # a few thousand thumbnails
# What a page of groups asks for at once in several windows; beyond it, who comes is told to come again.
MOST_WAITING = 400


class TooManyPicturesError(Exception):
    """More pictures wait to be made than is of use to anybody."""


class PictureCache:
    """Makes pictures in threads of its own, so that frames as they are never wait for them."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_waiting: int = MOST_WAITING, workers: int = 0) -> None:
        self._most_bytes = most_bytes
        self._most_waiting = most_waiting
        self._pool = ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1), thread_name_prefix="picture")
        self._lock = threading.Lock()
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._making: dict[str, Future[bytes]] = {}
        self.nbytes = 0

    def get(self, name: str, make: Callable[[], bytes]) -> Future[bytes]:
        """The picture of that name, made by ``make`` where nobody has. Raises `TooManyPicturesError`.

        The future is shared by all who ask meanwhile: nobody may cancel it. A failure is remembered by nobody.
        """
        with self._lock:
            if name in self._made:
                self._made.move_to_end(name)
                done: Future[bytes] = Future()
                done.set_result(self._made[name])
                return done
            if name in self._making:
                return self._making[name]
            if len(self._making) >= self._most_waiting:
                raise TooManyPicturesError
            future = self._making[name] = self._pool.submit(make)
        future.add_done_callback(partial(self._keep, name))
        return future

    def close(self) -> None:
        """Make none of those that still wait: nobody is there to see them."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _keep(self, name: str, future: Future[bytes]) -> None:
        with self._lock:
            del self._making[name]
            if future.cancelled() or future.exception() is not None or len(future.result()) > self._most_bytes:
                return
            self._made[name] = future.result()
            self.nbytes += len(future.result())
            while self.nbytes > self._most_bytes:
                _, dropped = self._made.popitem(last=False)
                self.nbytes -= len(dropped)
