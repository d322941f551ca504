"""Logging in to a real server over a socket: who gets in, and how often somebody may try."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import httpx
import pytest
from triage_viewer.access import gate
from triage_viewer.access.cookies import IDLE_SECONDS
from triage_viewer.access.guard import MOST_LOGIN_BYTES
from triage_viewer.access.rules import AccessRules
from triage_viewer.access.throttle import PER_ADDRESS, PER_NAME_HERE, WINDOW_SECONDS
from triage_viewer.app import create_app
from triage_viewer.context import Context

from tests.groups.review_rows import dump
from tests.viewer.access.people import (
    GROUPS,
    PAGE_OR_NOT_BUILT,
    PASSWORD,
    SESSION,
    STRANGER,
    WRONG,
    Clock,
    detail,
    log_in,
    other_browser,
    validate,
)
from tests.viewer.conftest import serve
from triage_assets.review.accounts import Accounts


def test_a_strangers_login_is_short(client: httpx.Client) -> None:
    answer = client.post(SESSION, content=b"[" * (MOST_LOGIN_BYTES + 1))
    assert (answer.status_code, detail(answer)) == (413, "A request has at most 16,000 bytes here.")


def test_strangers_see_the_page_and_nothing_else(context: Context, client: httpx.Client) -> None:
    assert client.get("/").status_code in PAGE_OR_NOT_BUILT
    assert client.get(SESSION).json() == STRANGER
    before = dump(context.review)
    paths = [path for path in create_app(context).openapi()["paths"] if path != SESSION]
    assert len(paths) >= 8
    assert all(path.startswith("/api/") for path in paths), "whatever is elsewhere is open to strangers"
    for path in [*paths, "/api/v1/openapi.json", "/api/", "/api/v1/nowhere"]:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
            answer = client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, (method, path)
            assert method == "HEAD" or detail(answer) == "Log in first."
    assert dump(context.review) == before


@pytest.mark.parametrize("path", ["/API/v1/sequence_groups/", "//api/v1/sequence_groups/", "/x/../api/v1/x", "/api"])
def test_a_path_in_disguise_leads_to_no_data(client: httpx.Client, path: str) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port)) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = raw.makefile("rb").read()
    status, head = int(answer.split()[1]), answer.partition(b"\r\n\r\n")[0].lower()
    assert status in (401, 404) or (status in PAGE_OR_NOT_BUILT and b"content-type: text/" in head), head


@pytest.mark.parametrize("path", ["/%61pi/v1/sequence_groups/stats", "/api%2Fv1/sequence_groups/stats"])
def test_an_encoded_path_is_closed_too(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 401


def test_a_reviewer_logs_in_decides_under_their_name_and_logs_out(client: httpx.Client) -> None:
    answer = log_in(client, "  rita ")
    rita = {"name": "Rita", "role": "reviewer", "login_needed": False, "has_session": True, "copied_groups": None}
    assert (answer.status_code, answer.json(), client.get(SESSION).json()) == (200, rita, rita)
    assert validate(client).json()["validated_by_username"] == "Rita"
    assert client.get(f"{GROUPS}/1/decisions").json()["items"][0]["by"] == "Rita"
    assert client.delete(SESSION).status_code == 204
    assert "triage" not in client.cookies
    assert client.get(SESSION).json() == STRANGER
    assert client.get(f"{GROUPS}/stats").status_code == 401


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(client: httpx.Client) -> None:
    cookie = log_in(client).headers["set-cookie"]
    assert cookie.partition("; ")[2] == f"Path=/; Max-Age={IDLE_SECONDS}; HttpOnly; SameSite=Strict"
    assert "rita" not in cookie.lower()


def test_under_https_the_cookie_is_for_https_and_this_host_alone(context: Context, accounts: Accounts) -> None:
    """A proxy on this machine has the certificate."""
    rules = AccessRules(is_local=False, hosts=frozenset({"triage.example"}), proxies=(ip_network("127.0.0.1"),))
    headers = {"Host": "triage.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    with serve(context, rules) as client:
        answer = client.post(
            SESSION,
            json={"name": "rita", "password": PASSWORD},
            headers={**headers, "Origin": "https://triage.example"},
        )
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-triage=v1.")
        assert cookie.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure")
        kept = cookie.partition(";")[0]
        assert client.get(SESSION, headers={**headers, "Cookie": kept}).json()["name"] == "Rita"
        # The same cookie over plain http is not taken, nor is the page of plain http this origin.
        plain = {**headers, "X-Forwarded-Proto": "http", "Cookie": kept}
        assert client.get(SESSION, headers=plain).json() == STRANGER
        refused = validate(client, **{**headers, "Cookie": kept, "Origin": "http://triage.example"})
        assert (refused.status_code, "X-Forwarded-Proto" in refused.text) == (403, True)
        assert validate(client, **{**headers, "Cookie": kept, "Origin": "https://triage.example"}).status_code == 200


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("rita", WRONG),
        ("rita", ""),
        ("rita", PASSWORD + " "),
        ("rita", PASSWORD.upper()),
        # Nobody, and names that nobody can have.
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("rita\0", PASSWORD),
        ("rita\u200b", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        # Somebody who decided here and has no account.
        ("ada", PASSWORD),
    ],
)
def test_a_wrong_name_and_a_wrong_password_are_told_the_same(client: httpx.Client, name: str, password: str) -> None:
    answer = log_in(client, name, password)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Name or password is wrong."})
    assert "set-cookie" not in answer.headers
    assert client.get(f"{GROUPS}/stats").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"name": "rita"},
        {"name": "rita", "password": 5},
        {"name": ["rita"], "password": PASSWORD},
        {"name": "rita", "password": "hunter2!" * 200},
        {"name": "rita" * 20, "password": PASSWORD},
        {"name": "rita", "password": PASSWORD, "role": "reviewer"},
    ],
)
def test_a_login_of_another_shape_is_refused_without_being_quoted(client: httpx.Client, body: dict) -> None:
    answer = client.post(SESSION, json=body)
    assert answer.status_code == 422
    assert not any(secret in answer.text for secret in (PASSWORD, "hunter2"))


def test_a_name_that_nobody_has_takes_a_hash_as_any_other(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: each login compares with exactly one hash of the same parameters."""
    compared: list[str] = []

    def is_password(password_hash: str, _: str) -> bool:
        compared.append(password_hash)
        return False

    monkeypatch.setattr(gate, "is_password", is_password)
    for name in ("rita", "nobody", "", "\0"):
        log_in(client, name)
    assert len(compared) == 4
    assert len({each.rpartition("$")[0].rpartition("$")[0] for each in compared}) == 1


# Throttling.


def test_many_wrong_passwords_of_one_name_have_to_wait(client: httpx.Client, clock: Clock) -> None:
    for number in range(PER_NAME_HERE):
        assert log_in(client, "RITA" if number % 2 else "rita", WRONG).status_code == 401
    answer = log_in(client)
    assert answer.status_code == 429, "also with the right password, or guessing would go on"
    assert 0 < int(answer.headers["Retry-After"]) <= WINDOW_SECONDS + 1
    assert log_in(client, "véra").status_code == 200, "others are not kept out"
    clock.seconds += int(answer.headers["Retry-After"])
    assert log_in(client).status_code == 200


def test_a_right_password_ends_the_count_of_its_name(client: httpx.Client) -> None:
    for _ in range(2):
        for _ in range(PER_NAME_HERE - 1):
            assert log_in(client, password=WRONG).status_code == 401
        assert log_in(client).status_code == 200


def test_many_names_from_one_address_have_to_wait(
    context: Context, accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = AccessRules(is_local=False, proxies=(ip_network("127.0.0.1"),))
    monkeypatch.setattr(gate, "is_password", lambda password_hash, password: password == PASSWORD)
    with serve(context, rules, clock) as client:

        def attempt(number: int, address: str, password: str = WRONG) -> int:
            body = {"name": f"name {number}", "password": password}
            return client.post(SESSION, json=body, headers={"X-Forwarded-For": address}).status_code

        # What a browser says of itself comes before what the proxy adds, and is not believed.
        answers = [attempt(number, f"198.51.100.{number}, 203.0.113.9") for number in range(PER_ADDRESS)]
        assert set(answers) == {401}
        assert attempt(999, "203.0.113.9") == 429
        assert attempt(999, "203.0.113.10") == 401
        # A customer has a /64 of IPv6, some a /48.
        assert {attempt(number, f"2001:db8:0:{number:x}::1") for number in range(PER_ADDRESS)} == {401}
        assert attempt(999, "2001:db8::ffff:1") == 429
        assert attempt(999, "2001:db8:1::1") == 401


def test_attempts_at_once_are_counted_before_they_are_judged(client: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: log_in(other_browser(client), password=WRONG).status_code, range(40)))
    assert set(answers) <= {401, 429}
    assert answers.count(401) <= PER_NAME_HERE


def test_a_crowd_that_logs_in_keeps_nobody_from_working(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords take memory and time: few are judged at once, few wait, and the others are asked to come again."""
    assert log_in(client).status_code == 200
    released, judged = threading.Event(), []

    def is_password(*_: str) -> bool:
        judged.append(1)
        released.wait(30)
        return False

    monkeypatch.setattr(gate, "is_password", is_password)
    monkeypatch.setattr(gate, "_PATIENCE_SECONDS", 60.0)
    with ThreadPoolExecutor(30) as pool:
        crowd = [pool.submit(log_in, other_browser(client), f"name {number}") for number in range(30)]
        while sum(each.done() for each in crowd) < 26:
            time.sleep(0.01)
        assert len(judged) <= 2
        assert client.get(f"{GROUPS}/stats").status_code == 200
        assert {each.result().status_code for each in crowd if each.done()} == {429}
        released.set()
        answers = [each.result() for each in crowd]
    assert sorted(answer.status_code for answer in answers) == [401] * 4 + [429] * 26
    assert all(answer.headers["Retry-After"] == "2" for answer in answers if answer.status_code == 429)
