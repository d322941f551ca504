"""The commands `triage users`: who may log in to the viewer, and as what.

What lives here: their options, asking for passwords, and what they say. What does not: accounts (`review.accounts`) and
logging in (`triage_viewer.access`).
"""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from triage_assets.console import console, count_of, errors_as_sentences, warn
from triage_assets.errors import SettingsError
from triage_assets.review.account_records import Role

if TYPE_CHECKING:
    from triage_assets.review.accounts import Accounts

users_app = typer.Typer(no_args_is_help=True, help="Say who may log in to the viewer (`triage viewer --host`).")

Name = Annotated[str, typer.Argument(help="Compared without regard to case.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]
_MOST_BYTES = 10_000


@users_app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="A viewer reads; a reviewer also decides.")],
    password_stdin: FromInput = False,
) -> None:
    """Let somebody log in; the password is asked for twice."""
    from triage_assets.review.account_records import clean_name
    from triage_assets.review.passwords import hash_password

    with errors_as_sentences(), _open_accounts() as (accounts, place):
        account = accounts.add(name, role, hash_password(_read_password(password_stdin), clean_name(name)))
        console.print(f"{escape(account.name)} may log in as a {account.role}.")
        _keep_from_others(accounts, place)


@users_app.command("list")
def list_accounts() -> None:
    """Name everybody who may log in."""
    with errors_as_sentences(), _open_accounts() as (accounts, place):
        known = accounts.all()
        width = max((len(account.name) for account in known), default=0)
        for account in known:
            since = f"{account.created_at.astimezone():%Y-%m-%d}"
            console.print(f"{account.name:<{width}}  {account.role:<8}  since {since}", markup=False)
        console.print(f"{count_of(len(known), 'account')} in {place}", markup=False)


@users_app.command()
def remove(name: Name) -> None:
    """Let somebody in no more, at once; what they decided stays theirs."""
    with errors_as_sentences(), _open_accounts() as (accounts, _):
        accounts.remove(name)
        console.print(f"{escape(name)} may not log in any more.")


@users_app.command()
def password(name: Name, password_stdin: FromInput = False) -> None:
    """Give somebody another password; they have to log in again everywhere."""
    from triage_assets.review.passwords import hash_password

    with errors_as_sentences(), _open_accounts() as (accounts, place):
        accounts.set_password(name, hash_password(_read_password(password_stdin), name))
        console.print(f"{escape(name)} has another password, and has to log in with it.")
        _keep_from_others(accounts, place)


@users_app.command()
def role(name: Name, role: Annotated[Role, typer.Argument(help="A viewer reads; a reviewer also decides.")]) -> None:
    """Let somebody do more or less, at once."""
    with errors_as_sentences(), _open_accounts() as (accounts, _):
        accounts.set_role(name, role)
        console.print(f"{escape(name)} is a {role}.")


@contextmanager
def _open_accounts() -> "Iterator[tuple[Accounts, str]]":
    from triage_assets.review.accounts import Accounts
    from triage_assets.review.database import open_review
    from triage_assets.settings import load_settings

    review = open_review(load_settings().review_url)
    try:
        yield Accounts(review), review.name
    finally:
        review.close()


def _read_password(from_input: bool) -> str:
    """The password that somebody types, or that another program gives; it is shown nowhere. Raises `SettingsError`."""
    if from_input:
        try:
            return sys.stdin.buffer.readline(_MOST_BYTES).decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise SettingsError("The password on standard input is no text", expected="UTF-8") from None
    if not sys.stdin.isatty():
        raise SettingsError("Nobody can be asked for a password here", do="Give it with --password-stdin.")
    try:
        typed = getpass.getpass("Password: ")
        again = getpass.getpass("Once more: ")
    except EOFError:
        raise SettingsError("No password was given") from None
    if typed != again:
        raise SettingsError("The two passwords differ", do="Call the command again.")
    return typed


def _keep_from_others(accounts: "Accounts", place: str) -> None:
    try:
        if accounts.keep_from_others():
            console.print(
                f"Other users of this machine can no longer read {place}: it holds secrets now.", markup=False
            )
    except OSError as error:
        warn([f"Other users of this machine can read {place}, which holds secrets now: {error.strerror}. chmod o= it."])
