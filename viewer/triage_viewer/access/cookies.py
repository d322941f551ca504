"""The cookie of a session: encoding, signing, and reading it back.

A cookie is ``v1.<account>.<session>.<begun>.<renewed>.<signature>``, times in seconds of Unix; the signature is the
HMAC-SHA256 of everything before it under the account's own key, so that a new key makes every older cookie worthless.

What lives here: this text and its attributes. What does not: whether the account is still there (`gate`).
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Self

IDLE_SECONDS = 12 * 3600
LONGEST_SECONDS = 7 * 24 * 3600
"""However busy somebody is: a page that is left open asks by itself, and would never be logged out."""

RENEW_SECONDS = 600
"""A cookie younger than this is not made anew, so that a page full of pictures sets one and not hundreds."""

_CLOCK_SECONDS = 300  # by how much another server's clock may be ahead
_FORMAT = re.compile(r"v1\.(\d{1,18})\.([\w-]{22})\.(\d{1,12})\.(\d{1,12})\.([\w-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """One login, on one browser. Its id is no secret worth anything without a signature."""

    reviewer_id: int
    session_id: str
    begun: int
    renewed: int

    @classmethod
    def begin(cls, reviewer_id: int, now: float) -> Self:
        """A new one."""
        return cls(reviewer_id, secrets.token_urlsafe(16), int(now), int(now))

    def is_open(self, now: float) -> bool:
        """Whether it has not expired."""
        if max(self.begun, self.renewed) > now + _CLOCK_SECONDS:
            return False
        return now < self.renewed + IDLE_SECONDS and now < self.ends_at

    @property
    def ends_at(self) -> int:
        """When it ends, whatever happens."""
        return self.begun + LONGEST_SECONDS

    def renew(self, now: float) -> Self | None:
        """The same from now on; None where that is not worth another cookie."""
        return replace(self, renewed=int(now)) if now >= self.renewed + RENEW_SECONDS else None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a cookie says, and the signature that is to prove just this text."""

    session: Session
    text: str
    signature: str

    def is_signed_with(self, key: bytes) -> bool:
        """Whether it was this server that said so."""
        return hmac.compare_digest(self.signature, _sign(self.text, key))


def read_claim(value: str | None) -> Claim | None:
    """What a cookie says; None where it is none of ours."""
    found = _FORMAT.fullmatch(value or "")
    if not found:
        return None
    reviewer_id, session_id, begun, renewed, signature = found.groups()
    session = Session(int(reviewer_id), session_id, int(begun), int(renewed))
    return Claim(session, found.string.removesuffix(f".{signature}"), signature)


def write_value(session: Session, key: bytes) -> str:
    """The cookie's value."""
    text = _text(session)
    return f"{text}.{_sign(text, key)}"


def cookie_name(is_https: bool) -> str:
    """Under https a browser takes a name with this prefix from this very host alone, and never from plain http."""
    return "__Host-triage" if is_https else "triage"


def set_cookie(value: str, is_https: bool, *, seconds: int = IDLE_SECONDS) -> str:
    """A Set-Cookie header. No script sees it; other sites' pages never send it.

    Strict breaks no link to a page from elsewhere: the page itself is open to all, and asks for its data by itself.
    """
    secure = "; Secure" if is_https else ""
    return f"{cookie_name(is_https)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def clear_cookie(is_https: bool) -> str:
    """A Set-Cookie header that makes the browser forget."""
    return set_cookie("", is_https, seconds=0)


def _text(session: Session) -> str:
    return f"v1.{session.reviewer_id}.{session.session_id}.{session.begun}.{session.renewed}"


def _sign(text: str, key: bytes) -> str:
    digest = hmac.digest(key, f"triage session {text}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
