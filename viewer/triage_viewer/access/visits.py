"""Where a request comes from, as far as that can be believed.

What lives here: the address and scheme that a browser used, told by a trusted proxy or by the connection itself. What
does not: who somebody is (`gate`).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from triage_viewer.access.rules import AccessRules

_Address = IPv4Address | IPv6Address
_PROXIES_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


@dataclass(frozen=True, slots=True)
class Visit:
    """``address`` is the browser's, None where nobody knows; ``is_https`` is about the browser's side too."""

    address: _Address | None
    is_https: bool
    is_from_proxy: bool

    @property
    def origin_scheme(self) -> str:
        """What an origin of this server's own pages begins with."""
        return "https" if self.is_https else "http"


def read_visit(scope: Scope, rules: AccessRules) -> Visit:
    """What is known of a request; what only a proxy can know counts if a trusted one says it."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    peer = parse_address(client[0]) if client else None
    is_https = scope.get("scheme") == "https"
    if not rules.trusts(peer):
        return Visit(peer, is_https, is_from_proxy=False)
    forwarded = headers.getlist("x-forwarded-proto")
    is_https = forwarded[-1].rpartition(",")[2].strip().lower() == "https" if forwarded else is_https
    hops = [hop.strip() for value in headers.getlist("x-forwarded-for") for hop in value.split(",")]
    return Visit(_first_stranger(hops, rules, peer), is_https, is_from_proxy=True)


def was_forwarded(headers: Headers) -> bool:
    """Whether some proxy says that it passed this request on."""
    return any(name in headers for name in _PROXIES_HEADERS)


def parse_address(text: str) -> _Address | None:
    """An address as it is compared: an IPv4 address is one, also where it is written as IPv6."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _first_stranger(hops: list[str], rules: AccessRules, peer: _Address | None) -> _Address | None:
    """Each proxy appends whom it heard, so the last that is no proxy is true, and whatever is before it is hearsay."""
    for hop in reversed(hops):
        address = parse_address(hop)
        if address is None:
            return peer
        if not rules.trusts(address):
            return address
        peer = address
    return peer
