"""How long to wait for an answer, and when to ask again.

What lives here: time-outs per kind of call, back-off, and Retry-After. What does not: which answers are passing
failures, which the connection decides where they happen.
"""

import email.utils
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Kind = Literal["login", "listing", "detections", "url", "image"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until a call is given up, from sending it to the last byte of its answer.

    The real server answers a url after 8-9 s while its storage is down; listing pages with many rows take seconds when
    it is busy.
    """

    connect: float = 10.0
    login: float = 20.0
    listing: float = 60.0
    detections: float = 30.0
    url: float = 20.0
    image: float = 30.0

    def of(self, kind: Kind) -> float:
        """Seconds for one call of this kind."""
        return {
            "login": self.login,
            "listing": self.listing,
            "detections": self.detections,
            "url": self.url,
            "image": self.image,
        }[kind]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of asking again.

    ``attempts`` counts the first one. ``first_contact_attempts`` holds instead while the annotator has never answered
    and cannot be connected to: then the address is the likelier fault. After ``give_up_calls`` calls of one kind in a
    row that used up every attempt, further calls of that kind fail at once, so that a dead storage ends a run in
    minutes, not days.
    """

    attempts: int = 8
    first_contact_attempts: int = 3
    base_seconds: float = 0.25
    cap_seconds: float = 10.0
    retry_after_cap_seconds: float = 60.0
    give_up_calls: int = 64

    def confirming_delay(self) -> float:
        """Seconds before a second look at what seems gone: a server that is being restarted can say so for a moment."""
        return max(self.base_seconds, self.delay(1, None))

    def delay(self, n_failures: int, retry_after: float | None) -> float:
        """Seconds to wait after the ``n_failures``-th failure: full jitter, never less than the server asked for."""
        backoff = random.uniform(0, min(self.cap_seconds, self.base_seconds * 2**n_failures))  # noqa: S311 - no secret
        return max(backoff, min(retry_after or 0.0, self.retry_after_cap_seconds))


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, whole seconds or an HTTP date; None where it asks for nothing."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
