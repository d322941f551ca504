"""Accounts as plain records: roles, names that an account can have, and what is kept of one.

What lives here: immutable values and the rules of names. What does not: tables (`models`), SQL (`accounts`), passwords.
"""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from triage_assets.errors import InvalidAccount

LONGEST_NAME = 64


class Role(StrEnum):
    """What somebody may do: a viewer reads, a reviewer also decides."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in. Its secrets are in no repr, so that no log or message can hold them by accident."""

    reviewer_id: int
    name: str
    role: Role
    created_at: datetime
    password_hash: str = field(repr=False)
    session_key: bytes = field(repr=False)


def clean_name(text: str) -> str:
    """A name as it is shown. Raises `InvalidAccount` for one that nobody could tell from another, or read."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidAccount(
            "That is no name for an account",
            found=f"{len(name):,} characters" if name.isprintable() else "characters that cannot be seen",
            expected=f"1 to {LONGEST_NAME} printable ones",
        )
    return name


def name_key(text: str) -> str:
    """What two names are compared by: one person must not be able to pass for another. Raises `InvalidAccount`."""
    return unicodedata.normalize("NFKC", clean_name(text)).casefold()
