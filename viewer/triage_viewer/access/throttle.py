"""How often somebody may try to log in: per name and address, per name, and per address, in bounded memory.

A name's tries count for the address that they came from, so that a stranger who guesses keeps its owner out only once
many addresses have guessed together.

What lives here: counting tries. What does not: passwords, or what is answered.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

PER_NAME_HERE = 10
"""Of one name from one address."""

PER_NAME = 100
"""Of one name, wherever they come from."""

PER_ADDRESS = 50
"""Colleagues behind one router are one address."""

WINDOW_SECONDS = 15 * 60
_MOST_KEYS = 10_000  # 2 MB; whoever would push others out needs that many failures, which their addresses do not give


@dataclass(slots=True)
class _Tries:
    count: int
    until: float


class _Counter:
    """Tries by key, each in a window that begins with its first."""

    def __init__(self, limit: int, most_keys: int) -> None:
        self._limit = limit
        self._most_keys = most_keys
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def wait(self, key: str, now: float) -> float:
        """How many seconds until another try; 0 for now."""
        tries = self._tries.get(key)
        if tries is None or tries.count < self._limit or tries.until <= now:
            return 0.0
        return tries.until - now

    def add(self, key: str, now: float) -> None:
        tries = self._tries.get(key)
        if tries is None or tries.until <= now:
            tries = self._tries[key] = _Tries(0, now + WINDOW_SECONDS)
        tries.count += 1
        self._tries.move_to_end(key)
        while len(self._tries) > self._most_keys:
            self._tries.popitem(last=False)

    def take_back(self, key: str) -> None:
        tries = self._tries.get(key)
        if tries is not None:
            tries.count -= 1

    def forget(self, key: str) -> None:
        self._tries.pop(key, None)


class LoginThrottle:
    """Threads may share it. A try counts before it is judged, so that many at once are not judged first."""

    def __init__(
        self,
        per_name_here: int = PER_NAME_HERE,
        per_name: int = PER_NAME,
        per_address: int = PER_ADDRESS,
        most_keys: int = _MOST_KEYS,
    ) -> None:
        self._here = _Counter(per_name_here, most_keys)
        self._names = _Counter(per_name, most_keys)
        self._addresses = _Counter(per_address, most_keys)
        self._lock = threading.Lock()

    def begin(self, name: str, address: IPv4Address | IPv6Address | None, now: float) -> float:
        """Count a try and give 0, or the seconds to wait until there may be one."""
        counted = self._counted(name, address)
        with self._lock:
            wait = max(counter.wait(key, now) for counter, key in counted)
            if not wait:
                for counter, key in counted:
                    counter.add(key, now)
            return wait

    def take_back(self, name: str, address: IPv4Address | IPv6Address | None) -> None:
        """Forget a try that nobody judged."""
        with self._lock:
            for counter, key in self._counted(name, address):
                counter.take_back(key)

    def succeed(self, name: str, address: IPv4Address | IPv6Address | None) -> None:
        """Forget the name's tries. The address's earlier ones count on, or one account would open all others."""
        (_, here), _, (_, place) = self._counted(name, address)
        with self._lock:
            self._here.forget(here)
            self._names.forget(name)
            self._addresses.take_back(place)

    def _counted(
        self, name: str, address: IPv4Address | IPv6Address | None
    ) -> tuple[tuple[_Counter, str], tuple[_Counter, str], tuple[_Counter, str]]:
        place = _place(address)
        return (self._here, f"{place} {name}"), (self._names, name), (self._addresses, place)

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._here) + len(self._names) + len(self._addresses)


def _place(address: IPv4Address | IPv6Address | None) -> str:
    # One customer has a whole /64 of IPv6, and some have a /48.
    return str(ip_network((address, 48), strict=False)) if isinstance(address, IPv6Address) else str(address)
