"""An event loop in a thread of its own, and work that flows through it in order.

What lives here: the bridge between callers that know no asyncio and requests that need it. What does not: requests.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Portal:
    """Runs coroutines in a background thread while ``resource`` is open there; closing cancels what still runs."""

    def __init__(self, resource: AbstractAsyncContextManager[object]) -> None:
        self._resource = resource
        self._opened: Future[asyncio.AbstractEventLoop] = Future()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._main, name="annotator-client", daemon=True)

    def open(self) -> None:
        """Start the thread and open the resource; raises what opening it raises."""
        self._thread.start()
        self._opened.result()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result. An interrupt of the caller cancels the coroutine."""
        future = self.submit(work)
        try:
            return future.result()
        finally:
            future.cancel()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start the coroutine and return at once. Raises `RuntimeError` unless the portal is open."""
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("the annotator client is used outside its `with` block")
        return asyncio.run_coroutine_threadsafe(work, self._opened.result())

    def close(self) -> None:
        """Cancel what still runs, close the resource, and wait for the thread to end."""
        if self._thread.is_alive() and self._stop is not None:
            self._opened.result().call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # handed to the thread that waits in `open`
            if self._opened.done():
                raise
            self._opened.set_exception(error)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with self._resource:
            self._opened.set_result(asyncio.get_running_loop())
            await self._stop.wait()
            running = asyncio.all_tasks() - {asyncio.current_task()}
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def stream(
        self,
        items: Iterable[Item],
        work: Callable[[Item], Coroutine[Any, Any, Result]],
        *,
        weigh: Callable[[Item], int],
        capacity: int,
    ) -> Iterator[Result]:
        """``work`` of each item, in the order of the items, which are taken lazily and in the caller's thread.

        Items under way and results not yet taken weigh at most ``capacity`` together, or are a single item; so one slow
        item holds up the others only once that much waits behind it. Closing the iterator cancels what is under way.
        """
        window: deque[tuple[int, Future[Result]]] = deque()
        weight = 0
        source = iter(items)
        upcoming = next(source, None)
        try:
            while window or upcoming is not None:
                while upcoming is not None and (not window or weight + weigh(upcoming) <= capacity):
                    window.append((weigh(upcoming), self.submit(work(upcoming))))
                    weight += weigh(upcoming)
                    upcoming = next(source, None)
                done_weight, future = window[0]
                result = future.result()
                window.popleft()
                weight -= done_weight
                yield result
        finally:
            for _, future in window:
                future.cancel()


async def gather_or_cancel(works: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order; the first error cancels the rest and is raised once they have ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
