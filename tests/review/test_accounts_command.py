"""The commands `triage users`: on standard input, and as a process of its own on a real terminal."""

import os
import pty
import select
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from triage_assets.cli import app
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import open_review
from triage_assets.review.passwords import is_password

TRIAGE = str(Path(sys.executable).with_name("triage"))
PASSWORD = "correct horse battery staple"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that is not there yet, as the environment names it."""
    monkeypatch.setenv("TRIAGE_REVIEW_DB", f"sqlite:///{tmp_path}/review.sqlite")
    return f"sqlite:///{tmp_path}/review.sqlite"


def users(*arguments: str, given: str | bytes = "", code: int = 0) -> str:
    """What a command says, in this process."""
    done = CliRunner().invoke(app, ["users", *arguments], input=given)
    said = done.output
    assert done.exit_code == code, said
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert PASSWORD not in said
    return said


def account(url: str, name: str) -> tuple[Role, bool] | None:
    """Somebody's role, and whether the password is theirs."""
    with closing(open_review(url)) as review:
        found = Accounts(review).find(name)
    return None if found is None else (found.role, is_password(found.password_hash, PASSWORD))


def test_people_come_are_listed_change_and_go(url: str) -> None:
    said = users("add", "Ana", "--role", "viewer", "--password-stdin", given=f"{PASSWORD}\r\nand no more")
    assert said.startswith("Ana may log in as a viewer.\nOther users of this machine can no longer read ")
    assert account(url, "ana") == (Role.VIEWER, True)
    assert "Ana  viewer    since 20" in users("list")
    assert users("role", "ana", "reviewer") == "ana is a reviewer.\n"
    assert account(url, "ana") == (Role.REVIEWER, True)
    said = users("password", "ANA", "--password-stdin", given="another one of some length\n")
    assert said == "ANA has another password, and has to log in with it.\n"
    assert account(url, "ana") == (Role.REVIEWER, False)
    assert users("remove", "ana") == "ana may not log in any more.\n"
    assert users("list").startswith("0 accounts in ")


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["add", "ana", "--role", "viewer", "--password-stdin"], "short\n", "found 5 characters; expected 12 to"),
        (["add", "ana", "--role", "viewer", "--password-stdin"], "", "found 0 characters"),
        (["add", "ana", "--role", "viewer", "--password-stdin"], b"\xff\xfe" * 10, "is no text"),
        (["add", "ana", "--role", "viewer"], f"{PASSWORD}\n", "Nobody can be asked for a password here. Give it with"),
        (["add", "a\nb", "--role", "viewer", "--password-stdin"], PASSWORD, "no name for an account"),
        (["remove", "ana"], "", "There is no account called 'ana'. See `triage users list`."),
        (["password", "ana", "--password-stdin"], PASSWORD, "There is no account called 'ana'"),
        (["role", "ana", "viewer"], "", "There is no account called 'ana'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    url: str, arguments: list[str], given: str | bytes, said: str
) -> None:
    assert said in users(*arguments, given=given, code=1)
    assert account(url, "ana") is None


def test_a_role_has_to_be_said_and_be_one(url: str) -> None:
    assert "--role" in users("add", "ana", "--password-stdin", given=PASSWORD, code=2)
    assert "admin" in users("add", "ana", "--role", "admin", "--password-stdin", given=PASSWORD, code=2)


def on_terminal(arguments: list[str], *typed: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, typing a line whenever it asks for one; the code, and all it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(TRIAGE, [TRIAGE, *arguments])
    shown, waiting = b"", list(typed)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                new = os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
            if not new:
                break
            shown += new
        if waiting and shown.endswith(b": "):
            os.write(terminal, f"{waiting.pop(0)}\n".encode())
            shown += b"\n"
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_password_is_asked_for_twice_and_never_shown(url: str) -> None:
    code, shown = on_terminal(["users", "add", "ana", "--role", "reviewer"], PASSWORD, PASSWORD)
    assert (code, account(url, "ana")) == (0, (Role.REVIEWER, True)), shown
    assert "Password: " in shown
    assert "Once more: " in shown
    assert PASSWORD not in shown
    code, shown = on_terminal(["users", "password", "ana"], PASSWORD, "correct house battery staple")
    assert (code, "The two passwords differ" in shown) == (1, True)
    assert "horse" not in shown
    assert "house" not in shown
    assert account(url, "ana") == (Role.REVIEWER, True)


def test_a_password_is_nowhere_in_the_database(url: str, tmp_path: Path) -> None:
    users("add", "ana", "--role", "viewer", "--password-stdin", given=PASSWORD)
    with closing(sqlite3.connect(tmp_path / "review.sqlite")) as connection:
        assert PASSWORD not in "\n".join(connection.iterdump())
