"""Requests of other pages and under other names; what every answer says, and what none does."""

import logging
from http.cookies import SimpleCookie

import httpx
import pytest
from triage_viewer.access.headers import CONTENT_SECURITY_POLICY
from triage_viewer.access.rules import AccessRules
from triage_viewer.context import Context

from tests.groups.review_rows import dump
from tests.viewer.access.people import GROUPS, PAGE_OR_NOT_BUILT, PASSWORD, SESSION, WRONG, detail, log_in, validate
from tests.viewer.conftest import serve
from triage_assets.review.accounts import Accounts


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": ""},
    ],
)
def test_other_pages_decide_nothing_and_log_nobody_in_or_out(
    context: Context, client: httpx.Client, headers: dict[str, str]
) -> None:
    log_in(client)
    before = dump(context.review)
    assert validate(client, **headers).status_code == 403
    assert client.delete(SESSION, headers=headers).status_code == 403
    assert client.post(SESSION, json={"name": "véra", "password": PASSWORD}, headers=headers).status_code == 403
    assert dump(context.review) == before
    if "Host" in headers:
        assert client.get(f"{GROUPS}/stats", headers=headers).status_code == 403, "nor do they read"
        assert client.get("/", headers=headers).status_code == 403


def test_a_server_answers_under_the_names_it_was_given(context: Context, accounts: Accounts) -> None:
    rules = AccessRules(is_local=False, hosts=frozenset({"triage.example"}))
    with serve(context, rules) as client:
        for host, status in [("triage.example", 200), ("TRIAGE.example:8765", 200), ("evil.example", 403)]:
            assert client.get(SESSION, headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    "header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"]
)
def test_this_machines_user_is_not_whoever_comes_through_a_proxy(context: Context, header: str) -> None:
    with serve(context) as client:
        assert client.get(SESSION).json() == {
            "name": "bob", "role": "reviewer", "login_needed": False, "has_session": False,
            "copied_groups": None,
        }  # fmt: skip
        answer = client.get(f"{GROUPS}/stats", headers={header: "1.1 proxy"})
        assert (answer.status_code, "proxy" in detail(answer)) == (403, True)


def test_nobody_logs_in_where_nobody_needs_to(context: Context, accounts: Accounts) -> None:
    with serve(context) as client:
        assert log_in(client).status_code == 409
        assert client.delete(SESSION).status_code == 204


def test_a_websocket_is_not_opened(client: httpx.Client) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    assert client.get(f"{GROUPS}/stats", headers=upgrade).status_code in (401, 403)


# What every answer says, and what none does.


def test_every_answer_has_the_headers(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("triage_viewer.routes.groups.count_groups", fail)
    answers = [client.get("/"), client.get(f"{GROUPS}/"), client.get("/", headers={"Host": "evil.example"})]
    answers += [log_in(client), client.get("/api/v1/nowhere"), client.get(f"{GROUPS}/x"), client.get(f"{GROUPS}/stats")]
    assert answers[0].status_code in PAGE_OR_NOT_BUILT
    assert [answer.status_code for answer in answers[1:]] == [401, 403, 200, 404, 422, 500]
    for answer in answers:
        assert answer.headers.get_list("content-security-policy") == [CONTENT_SECURITY_POLICY]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "private, no-cache"
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_no_secret_is_in_any_answer_log_or_repr(
    context: Context, client: httpx.Client, accounts: Accounts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [log_in(client, password=WRONG), log_in(client, PASSWORD, PASSWORD), log_in(client), client.get(SESSION)]
    rita = accounts.find("rita")
    assert rita
    cookies = SimpleCookie(answers[2].headers["set-cookie"])
    said = "".join(answer.text for answer in answers) + caplog.text + repr(rita) + repr(accounts.all())
    own = "".join(record.getMessage() for record in caplog.records if record.name.startswith("triage"))
    assert "login from 127.0.0.1 was refused" in own
    for secret in (PASSWORD, WRONG, rita.password_hash, rita.session_key.hex(), repr(rita.session_key)):
        assert secret not in said
    assert cookies["triage"].value.rpartition(".")[2] not in "".join(answer.text for answer in answers) + own


def test_a_database_that_is_gone_is_said_and_lets_nobody_in(
    context: Context, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triage_assets.errors import ReviewUnavailable

    log_in(client)

    def fail(*_: object) -> None:
        raise ReviewUnavailable("The review database at secret-host cannot be used")

    monkeypatch.setattr(Accounts, "find_open", fail)
    monkeypatch.setattr(Accounts, "find", fail)
    for answer in (client.get(f"{GROUPS}/stats"), client.get(SESSION), log_in(client)):
        assert (answer.status_code, "secret-host" in answer.text) == (503, False)
