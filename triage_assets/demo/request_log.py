"""The record of every request that reached the demo annotator, on either port.

What lives here: what tests look at afterwards. What does not: answering any of it.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["listing", "detections", "url", "image", "login", "other"]
_REQUESTS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    had_authorization: bool
    port: int
    kind: Kind


@dataclass(slots=True)
class RequestLog:
    """The latest requests, exact counts of all by kind, and those that should never have been sent."""

    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=_REQUESTS_KEPT))
    counts: Counter[Kind] = field(default_factory=Counter)
    refused_writes: list[RecordedRequest] = field(default_factory=list)
    leaked_tokens: list[RecordedRequest] = field(default_factory=list)

    def add(self, request: RecordedRequest) -> None:
        """Record a request before it is answered."""
        self.requests.append(request)
        self.counts[request.kind] += 1


def kind_of(path: str) -> Kind:
    """What a path of the API asks for."""
    match path.removeprefix("/api/v1/").split("/"):
        case ["auth", "login"]:
            return "login"
        case ["sequences", ""]:
            return "listing"
        case ["detections", ""]:
            return "detections"
        case ["detections", _, "url"]:
            return "url"
    return "other"
