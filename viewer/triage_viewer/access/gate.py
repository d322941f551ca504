"""Who asks: the server's user, somebody whom a proxy names, or somebody who has logged in.

What lives here: finding that out for one request, logging in and logging out. What does not: what a person may then do
(`doors`), requests from other pages (`guard`), and accounts themselves (`triage_assets.review.accounts`).
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from starlette.datastructures import Headers

from triage_assets.errors import InvalidAccount, ReviewError
from triage_assets.review.account_records import Account, Role, clean_name, name_key
from triage_assets.review.accounts import Accounts
from triage_assets.review.passwords import is_password, nobodys_hash
from triage_viewer.access.cookies import Claim, Session, clear_cookie, set_cookie, write_value
from triage_viewer.access.rules import AccessRules, Person
from triage_viewer.access.throttle import LoginThrottle
from triage_viewer.access.visits import Visit, was_forwarded

logger = logging.getLogger(__name__)

_AT_ONCE = 2  # each password takes 32 MiB and a core
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not let in, and what its sender is told."""

    status: int
    detail: str
    retry_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Who asks, None for a stranger; and the cookie to set, where theirs should be newer."""

    person: Person | None
    cookie: str | None = None
    had_session: bool = False


class Gate:
    """One server's; threads share it. ``now`` gives seconds of Unix.

    Unless it ``decides``, everybody may only look, whatever role they have.
    """

    def __init__(
        self,
        accounts: Accounts,
        rules: AccessRules,
        local_user: str,
        now: Callable[[], float] = time.time,
        *,
        decides: bool = True,
    ) -> None:
        self.rules = rules
        self.decides = decides
        self._accounts = accounts
        self._local_user = self._person(local_user, Role.REVIEWER)
        self._now = now
        self._throttle = LoginThrottle()
        self._judging = threading.BoundedSemaphore(_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(2 * _AT_ONCE)

    def identify(self, headers: Headers, visit: Visit, claim: Claim | None) -> Entry | Refusal:
        """Who asks. Raises `ReviewUnavailable`."""
        if self.rules.is_local:
            # A proxy on this machine reaches this address too, and whoever asked it would be taken for this user.
            if was_forwarded(headers):
                return Refusal(403, "This server is for this machine's user: a request came through a proxy.")
            return Entry(self._local_user)
        if self.rules.proxy_header and self.rules.proxy_header in headers:
            return self._believe_proxy(headers.getlist(self.rules.proxy_header), visit)
        return self._read_session(claim, visit)

    def log_in(self, name: str, password: str, visit: Visit) -> tuple[Person, str] | Refusal:
        """Who that is, and the cookie of a new session. Raises `ReviewUnavailable`."""
        if self.rules.is_local:
            return Refusal(409, "Nobody logs in here: this server is for this machine's user.")
        try:
            key = name_key(name)
        except InvalidAccount:
            key = ""
        wait = self._throttle.begin(key, visit.address, self._now())
        if wait:
            minutes = ceil(wait / 60)
            when = "a minute" if minutes == 1 else f"{minutes} minutes"
            return Refusal(429, f"Too many attempts to log in. Try again in {when}.", int(wait) + 1)
        if not self._waiting.acquire(blocking=False):
            self._throttle.take_back(key, visit.address)
            return _BUSY
        try:
            account = self._judge(key, password, visit)
        finally:
            self._waiting.release()
        if isinstance(account, Refusal):
            return account
        self._throttle.succeed(key, visit.address)
        session = Session.begin(account.reviewer_id, self._now())
        cookie = set_cookie(write_value(session, account.session_key), visit.is_https)
        return self._person(account.name, account.role, has_session=True), cookie

    def log_out(self, claim: Claim | None, visit: Visit) -> str:
        """End the session for good, wherever its cookie may be; the cookie that makes this browser forget it."""
        if claim and not self.rules.is_local and self._proven(claim):
            forget_at = datetime.fromtimestamp(claim.session.ends_at, UTC)
            try:
                self._accounts.end_session(claim.session.session_id, forget_at)
            except ReviewError as error:  # whoever leaves a shared computer is not to stay logged in for that
                logger.error("A session was logged out of and stays open to whoever has copied its cookie: %s", error)
        return clear_cookie(visit.is_https)

    def _believe_proxy(self, values: list[str], visit: Visit) -> Entry | Refusal:
        if not visit.is_from_proxy:
            return Refusal(403, f"Only the proxies in TRIAGE_TRUSTED_PROXIES may send {self.rules.proxy_header}.")
        try:
            (value,) = values
            # A proxy that adds to what a browser has sent joins the two with a comma.
            name = clean_name(value.encode("latin-1").decode())
            if "," in name:
                raise InvalidAccount("Two names")
        except (ValueError, InvalidAccount):
            return Refusal(403, f"The proxy's header {self.rules.proxy_header} holds no usable name.")
        account = self._accounts.find(name)
        if account is None:
            return Entry(self._person(name, self.rules.proxy_role))
        return Entry(self._person(account.name, account.role))

    def _read_session(self, claim: Claim | None, visit: Visit) -> Entry:
        account = self._proven(claim) if claim else None
        if claim is None or account is None:
            return Entry(None, had_session=claim is not None)
        renewed = claim.session.renew(self._now())
        cookie = set_cookie(write_value(renewed, account.session_key), visit.is_https) if renewed else None
        return Entry(self._person(account.name, account.role, has_session=True), cookie)

    def _person(self, name: str, role: Role, *, has_session: bool = False) -> Person:
        return Person(name, role if self.decides else Role.VIEWER, has_session)

    def _proven(self, claim: Claim) -> Account | None:
        """Whose session it is; None for one that is over, or was never begun here."""
        if not claim.session.is_open(self._now()):
            return None
        account = self._accounts.find_open(claim.session.reviewer_id, claim.session.session_id)
        return account if account and claim.is_signed_with(account.session_key) else None

    def _judge(self, key: str, password: str, visit: Visit) -> Account | Refusal:
        if not self._judging.acquire(timeout=_PATIENCE_SECONDS):
            self._throttle.take_back(key, visit.address)
            return _BUSY
        try:
            # Where there is no such account, the answer comes as late as with a wrong password.
            unknown = nobodys_hash()
            account = self._accounts.find(key) if key else None
            is_right = is_password(account.password_hash if account else unknown, password)
        finally:
            self._judging.release()
        if account is None or not is_right:
            # Not the name: people type passwords there.
            logger.warning("A login from %s was refused", visit.address or "an unknown address")
            return Refusal(401, "Name or password is wrong.")
        return account


_BUSY = Refusal(429, "Too many people log in at once. Try again in a moment.", 2)
