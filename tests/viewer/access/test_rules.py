"""Whom a server takes somebody for, by the address that it listens on and its settings; and the limits of memory."""

import subprocess
import sys
from ipaddress import ip_address

import pytest
from triage_viewer.access.rules import make_rules
from triage_viewer.access.throttle import WINDOW_SECONDS, LoginThrottle
from triage_viewer.access.visits import read_visit

from triage_assets.errors import SettingsError
from triage_assets.review.account_records import Role
from triage_assets.settings import load_settings

HEADER = {"triage_trusted_proxy_header": "X-Forwarded-User", "triage_trusted_proxies": "127.0.0.1"}


@pytest.mark.parametrize(
    ("listening", "names", "asks", "settings", "is_local"),
    [
        ("127.0.0.1", [], False, {}, True),
        ("127.0.0.9", [], False, {}, True),
        ("::1", [], False, {}, True),
        # Each of these says that others are meant to come, however they do.
        ("127.0.0.1", [], True, {}, False),
        ("127.0.0.1", ["triage.example"], False, {}, False),
        ("127.0.0.1", [], False, {"triage_trusted_proxies": "127.0.0.1"}, False),
        ("127.0.0.1", [], False, HEADER, False),
        ("192.0.2.7", [], False, {}, False),
        ("0.0.0.0", ["triage.example"], False, {}, False),
        ("::", ["triage.example"], False, HEADER, False),
    ],
)
def test_only_a_server_that_nobody_else_is_meant_to_reach_is_local(
    listening: str, names: list[str], asks: bool, settings: dict[str, str], is_local: bool
) -> None:
    rules = make_rules(load_settings(**settings), listening, allowed_hosts=names, asks_for_login=asks)
    assert rules.is_local == is_local
    assert {"localhost", *names} <= rules.hosts
    assert (listening in rules.hosts) == (listening not in ("0.0.0.0", "::"))
    assert rules.proxy_role == Role.VIEWER


@pytest.mark.parametrize(
    ("listening", "names", "settings", "message"),
    [
        ("0.0.0.0", [], {}, "found --host 0.0.0.0, which is every address.*Add --allowed-host"),
        ("::", [], {}, "which is every address"),
        ("127.0.0.1", ["https://triage.example"], {}, "found --allowed-host 'https://triage.example'; expected a name"),
        ("127.0.0.1", ["triage.example:80"], {}, "no name of a host"),
        ("127.0.0.1", [""], {}, "no name of a host"),
        ("127.0.0.1", ["a b"], {}, "no name of a host"),
        ("127.0.0.1", ["*.example"], {}, "no name of a host"),
        ("127.0.0.1", ["triage.example"], {"triage_trusted_proxy_header": "X-User"}, "Anybody could say who they are"),
    ],
)
def test_rules_that_would_let_anybody_in_are_refused(
    listening: str, names: list[str], settings: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make_rules(load_settings(**settings), listening, allowed_hosts=names, asks_for_login=False)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TRIAGE_TRUSTED_PROXY_HEADER", "X User", "expected the name of a header"),
        ("TRIAGE_TRUSTED_PROXY_HEADER", "Host", "every browser sends that header"),
        ("TRIAGE_TRUSTED_PROXY_HEADER", "x-forwarded-for", "every browser sends that header"),
        ("TRIAGE_TRUSTED_PROXIES", "0.0.0.0/0", "that is everybody"),
        ("TRIAGE_TRUSTED_PROXIES", "10.0.0.7, ::/0", "that is everybody"),
        ("TRIAGE_TRUSTED_PROXIES", "proxy.example", "does not appear to be an IPv4 or IPv6 network"),
        ("TRIAGE_TRUSTED_PROXIES", "10.0.0.7/8", "has host bits set"),
        ("TRIAGE_TRUSTED_PROXY_ROLE", "admin", "'viewer' or 'reviewer'"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name} is .*{message}"):
        load_settings()


@pytest.mark.parametrize(
    ("peer", "headers", "address", "is_https"),
    [
        ("10.0.0.7", {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}, "203.0.113.9", True),
        # What is before the last stranger is what the stranger says.
        ("10.0.0.7", {"x-forwarded-for": "1.2.3.4, 203.0.113.9, 10.0.0.8"}, "203.0.113.9", False),
        ("10.0.0.7", {"x-forwarded-for": "1.2.3.4, unknown, 10.0.0.8"}, "10.0.0.8", False),
        ("10.0.0.7", {"x-forwarded-proto": "https, http"}, "10.0.0.7", False),
        ("::ffff:10.0.0.7", {"x-forwarded-for": "2001:db8::1"}, "2001:db8::1", False),
        # Anybody else is not believed.
        ("203.0.113.9", {"x-forwarded-for": "10.0.0.7", "x-forwarded-proto": "https"}, "203.0.113.9", False),
        (None, {"x-forwarded-for": "10.0.0.7", "x-forwarded-proto": "https"}, None, False),
    ],
)
def test_proxies_alone_are_believed(
    peer: str | None, headers: dict[str, str], address: str | None, is_https: bool
) -> None:
    settings = load_settings(triage_trusted_proxies="10.0.0.0/24")
    rules = make_rules(settings, "127.0.0.1", allowed_hosts=(), asks_for_login=False)
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    client = None if peer is None else (peer, 1234)
    visit = read_visit({"type": "http", "scheme": "http", "client": client, "headers": raw}, rules)
    assert (visit.address and str(visit.address), visit.is_https) == (address, is_https)


def test_what_is_remembered_of_attempts_is_bounded_and_keeps_the_latest() -> None:
    throttle = LoginThrottle(per_name_here=3, per_address=10**9, most_keys=100)
    here = ip_address("203.0.113.9")
    for number in range(10_000):
        assert throttle.begin(f"name {number}", here, now=0.0) == 0
    assert len(throttle) == 201
    for _ in range(2):
        assert throttle.begin("name 9999", here, now=1.0) == 0
    assert throttle.begin("name 9999", here, now=2.0) == WINDOW_SECONDS - 2
    assert throttle.begin("name 9999", here, now=WINDOW_SECONDS) == 0


def test_a_stranger_who_guesses_keeps_the_owner_of_the_name_in_until_many_guess_together() -> None:
    throttle = LoginThrottle(per_name_here=2, per_name=5, per_address=10)
    home, strangers = ip_address("203.0.113.9"), [ip_address(f"198.51.100.{last}") for last in (1, 2)]
    for stranger in strangers:
        assert [throttle.begin("ana", stranger, now=0.0) for _ in range(3)] == [0, 0, WINDOW_SECONDS]
        assert throttle.begin("bob", stranger, now=0.0) == 0
    assert throttle.begin("ana", home, now=0.0) == 0, "four of five"
    assert throttle.begin("ana", home, now=0.0) == WINDOW_SECONDS, "five of five, though the second from here"


def test_an_attempt_that_has_to_wait_counts_for_nobody() -> None:
    throttle = LoginThrottle(per_name=2, per_address=2)
    here, there = ip_address("203.0.113.9"), ip_address("203.0.113.10")
    for _ in range(2):
        assert throttle.begin("ana", here, now=0.0) == 0
    for _ in range(9):
        assert throttle.begin("ana", there, now=0.0)
        assert throttle.begin("bob", here, now=0.0)
    assert throttle.begin("bob", there, now=0.0) == 0


def test_the_application_needs_neither_torch_nor_dagster() -> None:
    code = "import sys, triage_viewer.app; print([each for each in ('torch', 'dagster') if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
