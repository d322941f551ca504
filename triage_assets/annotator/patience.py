"""How long one connection goes on asking: bounded attempts, a second look at what seems gone, and when hope is lost.

What lives here: the loop around single requests. What does not: what an answer means (`connection`, `failures`), and
how long the waits are (`retries`).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import httpx

from triage_assets.annotator.failures import NotFound, Passing, TokenRefused, describe_failure
from triage_assets.annotator.retries import Kind, RetryPolicy, Timeouts
from triage_assets.errors import AnnotatorUnavailable, AuthenticationError, UnexpectedAnswer

logger = logging.getLogger(__name__)

T = TypeVar("T")

_UNREACHABLE = "Check ANNOTATOR_API_URL and the network, then run again: what was fetched is kept."
_BUSY = "Run again later: what was fetched is kept."
# A frame that is gone is never asked for again, in no later run either.
_LOOKED_AT_TWICE: tuple[Kind, ...] = ("url", "image")


class Patience:
    """Asks again until there is an answer for good, at most ``max_in_flight`` requests at a time."""

    def __init__(self, site: str, policy: RetryPolicy, timeouts: Timeouts, max_in_flight: int) -> None:
        self._site = site
        self._policy = policy
        self._timeouts = timeouts
        self._slots = asyncio.Semaphore(max_in_flight)
        self._has_answered = False
        self._given_up_in_a_row: Counter[Kind] = Counter()

    def hope_again(self) -> None:
        """Forget earlier failures: a new piece of work starts."""
        self._given_up_in_a_row.clear()

    async def persist(self, kind: Kind, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """The first usable answer of ``attempt``. Raises `AnnotatorUnavailable` after the last one.

        `NotFound` for a url or an image is raised only where a second attempt, after a pause, finds nothing either.
        """
        n_failures = 0
        was_gone = False
        while True:
            try:
                async with self._slots, asyncio.timeout(self._timeouts.of(kind)):
                    self._check_hope(kind, what)
                    result = await attempt()
            except NotFound:
                self._count_answer(kind)
                if was_gone or kind not in _LOOKED_AT_TWICE:
                    raise
                was_gone = True
                await asyncio.sleep(self._policy.confirming_delay())
                continue
            except (UnexpectedAnswer, AuthenticationError, TokenRefused):
                self._count_answer(kind)
                raise
            except Passing as passing:
                self._has_answered = True
                reason, retry_after, most = passing.reason, passing.retry_after, self._policy.attempts
            except TimeoutError:
                reason, retry_after = f"no answer within {self._timeouts.of(kind):g} s", None
                most = self._policy.attempts
            # Failures that the transport knows no httpx name for come through as they are.
            except (httpx.RequestError, aiohttp.ClientError, OSError) as error:
                reason, retry_after = describe_failure(error), None
                most = self._attempts_after(error)
            else:
                self._count_answer(kind)
                return result
            n_failures += 1
            if n_failures >= most:
                self._given_up_in_a_row[kind] += 1
                raise AnnotatorUnavailable(
                    f"No answer to {what} from {'the storage' if kind == 'image' else self._site}",
                    found=f"{reason} ({n_failures} attempts)",
                    do=_BUSY if self._has_answered else _UNREACHABLE,
                ) from None
            logger.debug("%s: %s, attempt %d of %d", what, reason, n_failures, most)
            await asyncio.sleep(self._policy.delay(n_failures, retry_after))

    def _count_answer(self, kind: Kind) -> None:
        self._has_answered = True
        self._given_up_in_a_row[kind] = 0

    def _check_hope(self, kind: Kind, what: str) -> None:
        n_given_up = self._given_up_in_a_row[kind]
        # One login serves every request: where it has failed, those that waited for it fail with it.
        if n_given_up >= (1 if kind == "login" else self._policy.give_up_calls):
            raise AnnotatorUnavailable(
                f"No answer to {what}", found=f"{n_given_up} such calls in a row without any answer", do=_BUSY
            )

    def _attempts_after(self, error: Exception) -> int:
        if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return 1
        if not self._has_answered and isinstance(error.__cause__, aiohttp.ClientConnectorError):
            return self._policy.first_contact_attempts
        return self._policy.attempts
