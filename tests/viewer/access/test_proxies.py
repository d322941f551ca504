"""Proxies that name people, and whoever only says so."""

from dataclasses import dataclass
from ipaddress import ip_network

import pytest
from triage_viewer.access.rules import AccessRules
from triage_viewer.context import Context

from tests.groups.review_rows import dump
from tests.viewer.access.people import GROUPS, SESSION, STRANGER, detail, log_in, validate
from tests.viewer.conftest import serve
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts


@dataclass(frozen=True)
class Proxied:
    """A server behind a proxy, and a client that is the proxy if ``trusted`` holds its address."""

    trusted: str = "127.0.0.0/8"
    role: Role = Role.VIEWER

    def rules(self) -> AccessRules:
        return AccessRules(
            is_local=False, proxies=(ip_network(self.trusted),), proxy_header="X-Forwarded-User", proxy_role=self.role
        )


def test_a_trusted_proxy_names_who_asks(context: Context, accounts: Accounts) -> None:
    with serve(context, Proxied(role=Role.REVIEWER).rules()) as client:
        headers = {"X-Forwarded-User": "zoe@example.org"}
        assert client.get(SESSION, headers=headers).json() == {
            "name": "zoe@example.org", "role": "reviewer", "login_needed": False, "has_session": False,
            "copied_groups": None,
        }  # fmt: skip
        assert validate(client, **headers).json()["validated_by_username"] == "zoe@example.org"
        assert client.get(SESSION, headers={"X-Forwarded-User": "Zoé".encode()}).json()["name"] == "Zoé"
        # Somebody with an account is who they are there.
        assert client.get(SESSION, headers={"X-Forwarded-User": "VÉRA".encode()}).json()["role"] == "viewer"
        assert client.get(SESSION).json() == STRANGER
        assert client.get(f"{GROUPS}/stats").status_code == 401


def test_people_whom_a_proxy_names_decide_only_if_somebody_said_so(context: Context, accounts: Accounts) -> None:
    with serve(context, Proxied().rules()) as client:
        assert validate(client, **{"X-Forwarded-User": "zoe"}).status_code == 403
        assert validate(client, **{"X-Forwarded-User": "rita"}).json()["validated_by_username"] == "Rita"


def test_a_name_from_anybody_else_is_refused_and_people_still_log_in(context: Context, accounts: Accounts) -> None:
    with serve(context, Proxied(trusted="192.0.2.0/24", role=Role.REVIEWER).rules()) as client:
        before = dump(context.review)
        for more in ({}, {"X-Forwarded-For": "192.0.2.1"}, {"X-Real-IP": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}):
            headers = {"X-Forwarded-User": "rita", **more}
            assert validate(client, **headers).status_code == 403
            assert client.get(SESSION, headers=headers).status_code == 403
        assert dump(context.review) == before
        assert log_in(client).status_code == 200
        assert validate(client).status_code == 200


@pytest.mark.parametrize(
    "values", [["rita", "ada"], ["rita, ada"], [""], ["x" * 65], ["ri\tta"], ["ri\u202eta"], ["\udcff"]]
)
def test_a_proxys_header_that_holds_no_one_name_lets_nobody_in(
    context: Context, accounts: Accounts, values: list[str]
) -> None:
    with serve(context, Proxied(role=Role.REVIEWER).rules()) as client:
        headers = [(b"X-Forwarded-User", value.encode(errors="surrogateescape")) for value in values]
        answer = client.get(f"{GROUPS}/stats", headers=headers)
        assert (answer.status_code, "no usable name" in detail(answer)) == (403, True)


def test_a_trusted_proxy_is_no_other_page(context: Context, accounts: Accounts) -> None:
    with serve(context, Proxied(role=Role.REVIEWER).rules()) as client:
        named = {"X-Forwarded-User": "rita"}
        assert validate(client, **named, Origin="https://evil.example").status_code == 403
        assert validate(client, **named, Host="evil.example").status_code == 403
