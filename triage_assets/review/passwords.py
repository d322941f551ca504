"""Passwords: which are good enough, and their argon2 hashes.

What lives here: hashing and comparing. What does not: asking for them, keeping them, and how often somebody may try.
"""

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from triage_assets.errors import InvalidAccount, SettingsError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 12
LONGEST = 1024

# Argon2id with more than OWASP's least (19 MiB, 2 passes), and little enough that a server of 1 GB can check two at
# once: 0.1 s each on one core of 2020.
_MEMORY_KIB = 32 * 1024
_PASSES = 3


def hash_password(password: str, name: str) -> str:
    """The hash of a person's new password. Raises `InvalidAccount` for one that is easily guessed or unusable."""
    password = _normalize(password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidAccount(
            "The password cannot be used",
            found=f"{len(password):,} characters",
            expected=f"{SHORTEST} to {LONGEST:,}: a few words that do not belong together are easily remembered",
        )
    if len(set(password)) < SHORTEST // 2 or password.casefold() == _normalize(name).casefold():
        raise InvalidAccount("The password is easily guessed", do="Take a few words that do not belong together.")
    try:
        return _hasher().hash(password)
    except UnicodeEncodeError:
        raise InvalidAccount("The password cannot be used", found="characters that are none") from None


def is_password(password_hash: str, password: str) -> bool:
    """Whether it is the password that was hashed."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(password_hash, _normalize(password))
    except (InvalidHashError, VerificationError, UnicodeEncodeError):
        return False


@cache
def nobodys_hash() -> str:
    """A hash to compare with where there is no account of a name: the answer then takes as long as any other."""
    return _hasher().hash("the password of nobody")


def _normalize(password: str) -> str:
    # The same keys give other code points on other systems.
    return unicodedata.normalize("NFKC", password)


@cache
def _hasher() -> "PasswordHasher":
    try:
        from argon2 import PasswordHasher
    except ModuleNotFoundError:
        raise SettingsError(
            "Passwords need argon2", found="no module argon2", do="Install triage-assets[viewer]."
        ) from None
    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)
