"""How one server decides who somebody is, and who that is.

What lives here: plain values, and making them from settings and the address to listen on. What does not: requests.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from triage_assets.errors import SettingsError
from triage_assets.review.account_records import Role
from triage_assets.settings import Settings

_HOST = re.compile(r"[a-z0-9._:-]+")
LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, by the name that their decisions are recorded under."""

    name: str
    role: Role
    has_session: bool = False


@dataclass(frozen=True, slots=True)
class AccessRules:
    """``hosts`` are the names that this server answers under.

    Where ``is_local``, whoever reaches this server is its user. Else people log in, or one of ``proxies`` names them in
    ``proxy_header``; then they have ``proxy_role`` unless an account of that name says otherwise.
    """

    is_local: bool = True
    hosts: frozenset[str] = LOOPBACK_NAMES
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    proxy_header: str | None = None
    proxy_role: Role = Role.VIEWER

    def trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        """Whether a proxy is there."""
        return address is not None and any(address in network for network in self.proxies)


LOCAL = AccessRules()
"""Whoever reaches this server is its user, and nobody else does."""


def make_rules(
    settings: Settings, listening: str, *, allowed_hosts: Iterable[str], asks_for_login: bool
) -> AccessRules:
    """The rules of a server that listens on an address. Raises `SettingsError` for names and settings that cannot be.

    Only a server on loopback that nobody else is meant to reach takes whoever asks for its user: the names that others
    use, a proxy and ``asks_for_login`` each say that somebody else is.
    """
    names = {_check_host(name) for name in allowed_hosts}
    header, proxies = settings.triage_trusted_proxy_header, settings.trusted_proxies
    if header and not proxies:
        raise SettingsError(
            "Anybody could say who they are",
            found=f"TRIAGE_TRUSTED_PROXY_HEADER={header} and no TRIAGE_TRUSTED_PROXIES",
            do="Set TRIAGE_TRUSTED_PROXIES to the addresses of the proxies that set this header.",
        )
    address = ip_address(listening)
    if address.is_unspecified and not names:
        raise SettingsError(
            "Under which names people reach the viewer has to be said",
            found=f"--host {listening}, which is every address of this machine",
            do="Add --allowed-host NAME for each name (or address) that people type.",
        )
    is_local = address.is_loopback and not (names or header or proxies or asks_for_login)
    own = set() if address.is_unspecified else {str(address)}
    role = Role(settings.triage_trusted_proxy_role)
    return AccessRules(is_local, LOOPBACK_NAMES | names | own, proxies, header, role)


def _check_host(text: str) -> str:
    name = host_name(text)
    if name is None or name != text.lower().strip("[]") or not _HOST.fullmatch(name):
        raise SettingsError(
            "That is no name of a host",
            found=f"--allowed-host {text[:80]!r}",
            expected="a name or an address alone as browsers send it, like triage.example.org",
        )
    return name


def host_name(host: str) -> str | None:
    """The name in a Host header, without its port; None where there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
