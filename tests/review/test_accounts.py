"""Accounts on both kinds of database: names that are one person's, passwords, and what ends with an account."""

import pickle
import shutil
import stat
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from triage_assets.errors import InvalidAccount
from triage_assets.review.account_records import LONGEST_NAME, Role, clean_name, name_key
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.models import EndedSession, Reviewer, ReviewState
from triage_assets.review.passwords import LONGEST, SHORTEST, hash_password, is_password, nobodys_hash
from triage_assets.review.reviewers import reviewer_id

PASSWORD = "correct horse battery staple"


@pytest.fixture
def accounts(review: ReviewDatabase) -> Accounts:
    return Accounts(review)


def test_an_account_is_found_by_its_name_in_any_case(accounts: Accounts) -> None:
    added = accounts.add("Zoé", Role.VIEWER, "a hash")
    assert (added.name, added.role, added.password_hash, len(added.session_key)) == ("Zoé", Role.VIEWER, "a hash", 32)
    for spelling in ("zoé", "ZOÉ", " Zoé ", unicodedata.normalize("NFD", "zoé")):
        assert accounts.find(spelling) == added
    assert accounts.all() == (added,)
    assert accounts.count() == 1
    for nobody in ("zoe", "", "zoé\0", "x" * 10_000, "\ud800"):
        assert accounts.find(nobody) is None


@pytest.mark.parametrize("second", ["Ana", "ANA", " ana", "ａｎａ"])
def test_two_accounts_whose_names_look_the_same_are_not_had(accounts: Accounts, second: str) -> None:
    accounts.add("ana", Role.VIEWER, "a hash")
    with pytest.raises(InvalidAccount, match=r"There is an account called .* already"):
        accounts.add(second, Role.REVIEWER, "a hash")
    assert [each.role for each in accounts.all()] == [Role.VIEWER]


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * (LONGEST_NAME + 1), "a\nb", "a\0b", "a\u200bb", "\u202eana", "a\u2028b", "\ud800"]
)
def test_a_name_that_nobody_could_read_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidAccount, match="no name for an account"):
        accounts.add(name, Role.VIEWER, "a hash")
    assert accounts.count() == 0


@pytest.mark.parametrize("name", ["x" * LONGEST_NAME, "<script>", "O'Brien; DROP TABLE", "村上", "a@b.example"])
def test_any_other_name_is_text(accounts: Accounts, name: str) -> None:
    accounts.add(name, Role.VIEWER, "a hash")
    assert [each.name for each in accounts.all()] == [name]


def test_an_account_belongs_to_the_reviewer_who_decided_under_its_name(
    review: ReviewDatabase, accounts: Accounts
) -> None:
    with review.write() as write:
        for name in ("ANA", "ana", "bob", "user\u200b"):
            reviewer_id(write, name)
    # As it is given if somebody has decided under just that, else the oldest of its spellings.
    assert (accounts.add("ana", Role.VIEWER, "a hash").name, accounts.add("Bob", Role.VIEWER, "a hash").name) == (
        "ana", "bob",
    )  # fmt: skip
    assert accounts.find("ANA") == accounts.find("ana")
    accounts.add("cleo", Role.VIEWER, "a hash")
    with review.read() as connection:
        names = connection.execute(select(Reviewer.name).order_by(Reviewer.id)).scalars().all()
    assert names == ["ANA", "ana", "bob", "user\u200b", "cleo"]


def test_a_removed_account_leaves_its_reviewer_and_comes_back_with_another_key(
    review: ReviewDatabase, accounts: Accounts
) -> None:
    before = accounts.add("ana", Role.VIEWER, "a hash")
    accounts.remove("ANA")
    assert accounts.find("ana") is None
    assert accounts.find_open(before.reviewer_id, "any") is None
    after = accounts.add("ana", Role.REVIEWER, "a hash")
    assert after.reviewer_id == before.reviewer_id
    assert after.session_key != before.session_key


def test_a_password_brings_another_key_and_a_role_does_not(accounts: Accounts) -> None:
    first = accounts.add("ana", Role.VIEWER, "a hash")
    accounts.set_role("Ana", Role.REVIEWER)
    second = accounts.find("ana")
    accounts.set_password("Ana", "another hash")
    third = accounts.find("ana")
    assert second
    assert third
    assert (second.role, second.session_key, second.password_hash) == (Role.REVIEWER, first.session_key, "a hash")
    assert (third.role, third.password_hash) == (Role.REVIEWER, "another hash")
    assert third.session_key != first.session_key


def test_what_is_about_nobody_says_so(accounts: Accounts) -> None:
    for change in (
        lambda: accounts.remove("ana"),
        lambda: accounts.set_role("ana", Role.VIEWER),
        lambda: accounts.set_password("ana", "a hash"),
    ):
        with pytest.raises(InvalidAccount, match=r"There is no account called 'ana'\. See `triage users list`\."):
            change()


def test_a_session_that_was_ended_is_closed_and_forgotten_when_it_would_have_been_over(
    review: ReviewDatabase, accounts: Accounts
) -> None:
    ana = accounts.add("ana", Role.VIEWER, "a hash")
    assert accounts.find_open(ana.reviewer_id, "one") == ana
    assert accounts.find_open(ana.reviewer_id + 1, "one") is None
    later = datetime.now(UTC) + timedelta(days=1)
    for _ in range(2):
        accounts.end_session("one", later)
    accounts.end_session("old", datetime.now(UTC) - timedelta(days=1))
    accounts.end_session("two", later)
    assert [accounts.find_open(ana.reviewer_id, each) for each in ("one", "two", "three")] == [None, None, ana]
    with review.read() as connection:
        assert set(connection.execute(select(EndedSession.session_id)).scalars()) == {"one", "two"}


def test_accounts_are_nothing_that_a_snapshot_follows(review: ReviewDatabase, accounts: Accounts) -> None:
    accounts.add("ana", Role.VIEWER, "a hash")
    accounts.set_role("ana", Role.REVIEWER)
    with review.read() as connection:
        assert connection.execute(select(ReviewState.revision)).scalar_one() == 0


def test_of_many_who_take_a_name_at_once_one_has_it(accounts: Accounts) -> None:
    def add(number: int) -> bool:
        try:
            accounts.add("ana" if number % 2 else "ANA", Role.VIEWER, "a hash")
        except InvalidAccount:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(add, range(8))) == 1
    assert accounts.count() == 1


def test_no_repr_shows_a_secret(accounts: Accounts) -> None:
    account = accounts.add("ana", Role.VIEWER, "a-hash")
    shown = f"{account!r} {account} {accounts.all()!r}"
    assert "a-hash" not in shown
    assert repr(account.session_key) not in shown
    assert pickle.loads(pickle.dumps(account)) == account


def test_other_users_of_the_machine_lose_sight_of_the_file(migrated_sqlite: Path, tmp_path: Path) -> None:
    path = Path(shutil.copyfile(migrated_sqlite, tmp_path / "review.sqlite"))
    path.chmod(0o664)
    with closing(open_review(f"sqlite:///{path}")) as review:
        accounts = Accounts(review)
        accounts.add("ana", Role.VIEWER, "a hash")
        assert [accounts.keep_from_others() for _ in range(2)] == [True, False]
        modes = {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob("review.sqlite*")}
        assert modes == {0o660}
        accounts.add("bob", Role.VIEWER, "a hash")


# Passwords.


def test_a_password_is_told_from_every_other() -> None:
    made = hash_password("pässword of ana", "ana")
    assert made.startswith("$argon2id$v=19$m=32768,t=3,p=1$")
    assert made != hash_password("pässword of ana", "ana")
    assert is_password(made, "pässword of ana")
    assert is_password(made, unicodedata.normalize("NFD", "pässword of ana")), "the same keys on another system"
    for wrong in ("passwort of ana", "pässword of ana ", "", "\ud800", "x" * 100_000):
        assert not is_password(made, wrong)
    assert not is_password("no hash", "pässword of ana")
    assert nobodys_hash().startswith("$argon2id$v=19$m=32768,t=3,p=1$"), "as much work as anybody's"


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("x" * (SHORTEST - 1), f"found 11 characters; expected {SHORTEST} to"),
        ("", "found 0 characters"),
        ("abcdef" * 200, f"found 1,200 characters; expected 12 to {LONGEST:,}"),
        ("aaaaaaaaaaaaa", "easily guessed"),
        ("Ana of the Valley", "easily guessed"),
        ("\ud800 horse battery", "characters that are none"),
    ],
)
def test_a_bad_password_is_refused_without_being_quoted(password: str, message: str) -> None:
    with pytest.raises(InvalidAccount, match=message) as refusal:
        hash_password(password, "ana of the valley")
    assert not password or password not in str(refusal.value)


def test_names_are_shown_as_they_are_written() -> None:
    assert (clean_name("  Straße "), name_key("Straße"), name_key("STRASSE")) == ("Straße", "strasse", "strasse")
