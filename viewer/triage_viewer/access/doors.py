"""What a person may do: strangers see the page and may log in, viewers read, reviewers also decide.

What lives here: letting a request through by its path and method alone, so that a route that nobody thought of is
closed. What does not: finding out who asks (`gate`).

Everything under /api/ is data and closed to strangers. Whatever else this server has is the page, which holds none.
"""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triage_assets.errors import TriageError
from triage_assets.review.account_records import Role
from triage_viewer.access.cookies import Claim, cookie_name, read_claim
from triage_viewer.access.gate import Entry, Gate, Refusal
from triage_viewer.access.guard import READING, SESSION
from triage_viewer.problems import answer_error, problem

DATA = "/api/"


class PeopleOnly:
    """ASGI middleware behind `OwnPagesOnly` that lets people through to what is theirs to see or to do."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with who asks, or answer it."""
        if scope["type"] != "http" or not scope["path"].startswith(DATA):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        visit = request.state.visit
        claim = request.state.claim = read_claim(request.cookies.get(cookie_name(visit.is_https)))
        try:
            found = await self._identify(request, claim)
        except TriageError as error:  # the application answers errors of its routes alone
            await answer_error(request, error)(scope, receive, send)
            return
        if isinstance(found, Entry):
            refusal = _find_refusal(found, scope["path"], scope["method"], decides=self._gate.decides)
            if refusal is None:
                request.state.person = found.person
                await self._app(scope, receive, _with_cookie(send, found.cookie) if found.cookie else send)
                return
            found = refusal
        await refuse(found)(scope, receive, send)

    async def _identify(self, request: Request, claim: Claim | None) -> Entry | Refusal:
        asked = (request.headers, request.state.visit, claim)
        # The server's own user is known without the database, which is not to be waited for here.
        return (
            self._gate.identify(*asked)
            if self._gate.rules.is_local
            else await run_in_threadpool(self._gate.identify, *asked)
        )


def refuse(refusal: Refusal) -> Response:
    """The answer that says so."""
    headers = {} if refusal.retry_seconds is None else {"Retry-After": str(refusal.retry_seconds)}
    return problem(refusal.status, refusal.detail, **headers)


def _find_refusal(entry: Entry, path: str, method: str, *, decides: bool) -> Refusal | None:
    if path == SESSION:
        return None
    if entry.person is None:
        return Refusal(401, "Your session is over. Log in again." if entry.had_session else "Log in first.")
    if method not in READING and not decides:
        return Refusal(
            403,
            "You may look and not decide: the groups here are a copy. Decisions are taken in the review database of "
            "whoever makes the store: set TRIAGE_REVIEW_DB to it.",
        )
    if method not in READING and entry.person.role is not Role.REVIEWER:
        return Refusal(403, "You may look and not decide: that takes the role reviewer, which an administrator gives.")
    return None


def _with_cookie(send: Send, cookie: str) -> Send:
    """Add a renewed cookie to an answer, but not to one that caches keep, nor to one that has its own."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "max-age" not in headers.get("cache-control", "") and "set-cookie" not in headers:
                headers.append("set-cookie", cookie)
        await send(message)

    return add
