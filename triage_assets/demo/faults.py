"""How the demo annotator misbehaves when told to: which request is spoiled, and in what way.

What lives here: the switches, and the decision for one request, which depends on the seed, the path and how often that
path was asked, never on timing. What does not: carrying a decision out, which is the server's.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

BadContent = Literal["empty", "truncated", "text", "png"]
BadRow = Literal["null_lat", "rubbish", "nan"]
Misbehaviour = Literal["error", "throttle", "truncate", "hang"]


@dataclass(slots=True)
class Faults:
    """Switches of the demo annotator; every one may be changed while it runs.

    Rates are fractions of the requests on either port, the login included. A path asked again is spoiled at most
    ``most_in_a_row`` times before it is answered well, so a client with more retries than that always gets through.
    Sets and mappings are keyed by detection id or sequence id.
    """

    seed: int = 0
    latency_ms: float = 0.0
    error_rate: float = 0.0
    throttle_rate: float = 0.0
    retry_after_seconds: float = 1.0
    truncate_rate: float = 0.0
    hang_rate: float = 0.0
    most_in_a_row: int = 2
    unauthorized_after: int | None = None
    """After this many authorized requests, every token given out so far stops being valid, once."""
    drift_inserts: int = 0
    """So many further pages of a listing see a new sequence arrive just before they are answered."""
    drift_leaves: int = 0
    """So many further pages of a listing see a listed sequence leave its stage just before they are answered."""
    reorder_ties: int = 0
    """So many further pages of a listing see rows updated, which re-orders those with equal times."""
    url_missing: set[int] = field(default_factory=set)
    """Detections whose url request answers 404."""
    image_missing: set[int] = field(default_factory=set)
    """Detections whose url is given, but whose object is gone."""
    content: dict[int, BadContent] = field(default_factory=dict)
    """Detections whose object holds something other than a whole JPEG."""
    rows: dict[int, BadRow] = field(default_factory=dict)
    """Sequences whose listed row has a bad value."""
    html_instead: bool = False
    """Every API path answers a web page, like the host of the web application."""
    _asked: Counter[str] = field(default_factory=Counter, repr=False)
    _spoiled_in_a_row: Counter[str] = field(default_factory=Counter, repr=False)

    def pick(self, path: str) -> Misbehaviour | None:
        """What to do to this request for ``path``, if anything."""
        rates: tuple[tuple[Misbehaviour, float], ...] = (
            ("error", self.error_rate),
            ("throttle", self.throttle_rate),
            ("truncate", self.truncate_rate),
            ("hang", self.hang_rate),
        )
        if not any(rate for _, rate in rates):
            return None
        self._asked[path] += 1
        digest = hashlib.blake2b(f"{self.seed}/{self._asked[path]}/{path}".encode(), digest_size=8).digest()
        left = int.from_bytes(digest, "big") / 2**64
        for kind, rate in rates:
            if left < rate and self._spoiled_in_a_row[path] < self.most_in_a_row:
                self._spoiled_in_a_row[path] += 1
                return kind
            left -= rate
            if left < 0:
                break
        self._spoiled_in_a_row[path] = 0
        return None
