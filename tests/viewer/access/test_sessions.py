"""How long a session lasts, what ends it, and cookies that are none."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import httpx
from sqlalchemy import text
from triage_viewer.access.cookies import IDLE_SECONDS, LONGEST_SECONDS, RENEW_SECONDS, Session, write_value
from triage_viewer.app import create_app
from triage_viewer.context import Context

from tests.groups.review_rows import dump
from tests.viewer.access.people import GROUPS, LOGIN, SESSION, STRANGER, Clock, detail, log_in, other_browser, validate
from tests.viewer.conftest import serve
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts


def test_a_session_ends_when_nobody_uses_it(client: httpx.Client, clock: Clock) -> None:
    log_in(client)
    clock.seconds += IDLE_SECONDS - 1
    kept = client.cookies["triage"]
    assert client.get(f"{GROUPS}/stats").status_code == 200
    clock.seconds += 1
    old = other_browser(client, triage=kept).get(f"{GROUPS}/stats")
    assert (old.status_code, detail(old)) == (401, "Your session is over. Log in again.")
    assert client.get(f"{GROUPS}/stats").status_code == 200, "using it has renewed it"


def test_a_session_that_is_used_is_renewed_for_a_week_at_most(client: httpx.Client, clock: Clock) -> None:
    log_in(client)
    began = clock.seconds
    while clock.seconds + IDLE_SECONDS / 2 < began + LONGEST_SECONDS:
        clock.seconds += IDLE_SECONDS / 2
        assert client.get(f"{GROUPS}/stats").status_code == 200
    clock.seconds += IDLE_SECONDS / 2
    assert client.get(f"{GROUPS}/stats").status_code == 401


def test_a_page_full_of_requests_gets_one_new_cookie_and_not_hundreds(client: httpx.Client, clock: Clock) -> None:
    log_in(client)
    clock.seconds += RENEW_SECONDS - 1
    assert "set-cookie" not in client.get(f"{GROUPS}/stats").headers
    clock.seconds += 1
    assert [("set-cookie" in client.get(f"{GROUPS}/stats").headers) for _ in range(3)] == [True, False, False]


def test_logging_out_ends_the_session_also_for_whoever_copied_its_cookie(client: httpx.Client, clock: Clock) -> None:
    log_in(client)
    copied = client.cookies["triage"]
    clock.seconds += RENEW_SECONDS
    client.get(SESSION)
    assert client.cookies["triage"] != copied
    elsewhere = other_browser(client)
    log_in(elsewhere)
    for _ in range(2):
        assert client.delete(SESSION).status_code == 204
    for cookie in (copied, client.cookies.get("triage", "")):
        assert other_browser(client, triage=cookie).get(f"{GROUPS}/stats").status_code == 401
    assert elsewhere.get(f"{GROUPS}/stats").status_code == 200, "another login of the same person goes on"


def test_two_tabs_are_one_session(client: httpx.Client) -> None:
    log_in(client)
    tab = other_browser(client, triage=client.cookies["triage"])
    assert (validate(client).status_code, validate(tab).status_code) == (200, 200)
    client.delete(SESSION)
    assert validate(tab).status_code == 401


def test_another_password_ends_every_session(client: httpx.Client, accounts: Accounts, password_hash: str) -> None:
    log_in(client)
    accounts.set_password("rita", password_hash)  # even if it is the same one
    assert client.get(f"{GROUPS}/stats").status_code == 401
    assert log_in(client).status_code == 200


def test_somebody_who_was_removed_is_out_at_once_also_after_they_come_back(
    client: httpx.Client, accounts: Accounts, password_hash: str
) -> None:
    log_in(client)
    accounts.remove("rita")
    assert validate(client).status_code == 401
    assert log_in(other_browser(client)).status_code == 401
    accounts.add("Rita", Role.REVIEWER, password_hash)
    assert validate(client).status_code == 401


def test_another_role_counts_from_the_next_request(client: httpx.Client, accounts: Accounts) -> None:
    log_in(client)
    accounts.set_role("rita", Role.VIEWER)
    assert (validate(client).status_code, client.get(SESSION).json()["role"]) == (403, "viewer")
    accounts.set_role("rita", Role.REVIEWER)
    assert validate(client).status_code == 200


def test_a_viewer_reads_and_decides_nothing(context: Context, client: httpx.Client) -> None:
    log_in(client, "VÉRA")
    before = dump(context.review)
    assert client.get(f"{GROUPS}/1").status_code == 200
    paths = {path: set(each) - {"get"} for path, each in create_app(context).openapi()["paths"].items()}
    writes = [(method, path) for path, methods in paths.items() for method in methods if path != SESSION]
    assert len(writes) >= 5
    for method, path in writes:
        answer = client.request(method, path.replace("{", "").replace("}", ""), json={})
        assert (answer.status_code, "role reviewer" in detail(answer)) == (403, True), (method, path)
    assert dump(context.review) == before
    assert client.delete(SESSION).status_code == 204


def flip(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def test_a_cookie_that_was_changed_anywhere_is_none(client: httpx.Client) -> None:
    log_in(client)
    cookie = client.cookies["triage"]
    signature = cookie.rpartition(".")[2]
    padded = urlsafe_b64encode(urlsafe_b64decode(signature + "=")).decode()
    changed = [flip(cookie, at) for at in range(len(cookie)) if cookie[at] != "."]
    wrong = [
        *changed,
        cookie[:-1],
        cookie + "A",
        f"{cookie}.x",
        cookie.replace(signature, padded),
        "",
        "v1",
        "v1.1.x.1.1.y",
    ]
    wrong += [cookie.replace("v1.", "v1.0"), cookie.replace("v1.", f"v1.{2**63}"), f"v1.{'9' * 18}." + cookie[5:]]
    browser = other_browser(client)
    for each in wrong:
        answer = browser.get(f"{GROUPS}/stats", headers={"Cookie": f"triage={each}"})
        assert answer.status_code == 401, each


def test_a_session_signed_with_another_key_or_of_the_future_is_none(
    client: httpx.Client, accounts: Accounts, clock: Clock
) -> None:
    rita, vera = accounts.find("rita"), accounts.find("véra")
    assert rita
    assert vera

    def ask(session: Session, key: bytes) -> int:
        return other_browser(client, triage=write_value(session, key)).get(f"{GROUPS}/stats").status_code

    now = clock.seconds
    assert ask(Session.begin(rita.reviewer_id, now), rita.session_key) == 200, "this is how one is made"
    assert ask(Session.begin(rita.reviewer_id, now), vera.session_key) == 401
    assert ask(Session.begin(rita.reviewer_id, now), b"") == 401
    assert ask(Session.begin(rita.reviewer_id, now + 3600), rita.session_key) == 401
    assert ask(Session(rita.reviewer_id, "x" * 22, int(now), 10**11), rita.session_key) == 401


def test_whoever_has_lost_their_session_can_log_in_again_over_it(client: httpx.Client, clock: Clock) -> None:
    log_in(client)
    clock.seconds += IDLE_SECONDS
    assert client.get(SESSION).json() == STRANGER
    assert log_in(client).status_code == 200
    assert validate(client).status_code == 200


def test_sessions_outlive_the_server(context: Context, accounts: Accounts, clock: Clock) -> None:
    with serve(context, LOGIN, clock) as client:
        log_in(client)
        cookie = client.cookies["triage"]
    with serve(context, LOGIN, clock) as client:
        assert other_browser(client, triage=cookie).get(f"{GROUPS}/stats").status_code == 200


def test_sessions_that_are_over_anyhow_are_not_remembered(context: Context, accounts: Accounts) -> None:
    with serve(context, LOGIN) as client:
        for _ in range(3):
            log_in(client)
            client.delete(SESSION)
    assert len(dump(context.review)["ended_sessions"]) == 3
    with context.review.write() as write:
        write.connection.execute(text("UPDATE ended_sessions SET forget_at = '2020-01-01 00:00:00+00:00'"))
    with serve(context, LOGIN) as client:
        log_in(client)
        client.delete(SESSION)
    assert len(dump(context.review)["ended_sessions"]) == 1


def test_logging_in_and_out_is_no_write_that_anything_else_would_follow(context: Context, client: httpx.Client) -> None:
    before = dump(context.review)["review_state"]
    log_in(client)
    client.delete(SESSION)
    assert dump(context.review)["review_state"] == before
