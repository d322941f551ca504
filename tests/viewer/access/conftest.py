"""A server that people log in to, with a reviewer and a viewer, and passwords that take no time to compare."""

from collections.abc import Iterator

import httpx
import pytest
from triage_viewer.context import Context

from tests.viewer.access.people import LOGIN, PASSWORD, Clock, browsers
from tests.viewer.conftest import serve
from triage_assets.review import passwords
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.passwords import hash_password


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hashes that take no time, here where they are asked for hundreds of times."""
    made_with = (passwords._hasher, passwords.nobodys_hash)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_MEMORY_KIB", 8)
        patch.setattr(passwords, "_PASSES", 1)
        for cached in made_with:
            cached.cache_clear()
        yield
    for cached in made_with:
        cached.cache_clear()


@pytest.fixture(scope="module")
def password_hash(cheap_passwords: None) -> str:
    return hash_password(PASSWORD, "nobody")


@pytest.fixture
def accounts(context: Context, password_hash: str) -> Accounts:
    """Rita decides, Véra looks."""
    accounts = Accounts(context.review)
    accounts.add("Rita", Role.REVIEWER, password_hash)
    accounts.add("Véra", Role.VIEWER, password_hash)
    return accounts


@pytest.fixture
def client(context: Context, accounts: Accounts, clock: Clock) -> Iterator[httpx.Client]:
    """A server that people log in to."""
    with serve(context, LOGIN, clock) as client:
        yield client


@pytest.fixture(autouse=True)
def close_browsers() -> Iterator[None]:
    yield
    while browsers:
        browsers.pop().close()
