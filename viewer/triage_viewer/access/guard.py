"""Which requests are looked at, whoever sends them: those from this server's own pages, under its names, or programs.

What lives here: the checks that stop other web pages from reading or deciding anything, and requests beyond any use.
What does not: people (`doors`).
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from triage_viewer.access.rules import AccessRules, host_name
from triage_viewer.access.visits import read_visit
from triage_viewer.problems import problem

MOST_BYTES = 16_000_000  # a bulk of 100,000 ids of 19 digits is 2 MB
MOST_LOGIN_BYTES = 16_000  # strangers send these, and reading a large body takes seconds

SESSION = "/api/v1/session"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


class OwnPagesOnly:
    """ASGI middleware that refuses requests under other names, from other pages, or of too many bytes."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with where it came from, or answer it."""
        if scope["type"] == "websocket":  # there are none here, and none of these checks would be made for one
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = read_visit(scope, self._rules)
        most = MOST_LOGIN_BYTES if scope["path"] == SESSION else MOST_BYTES
        refusal = self._find_refusal(scope["method"], Headers(scope=scope), visit.origin_scheme, most)
        if refusal:
            await problem(*refusal)(scope, receive, send)
            return
        scope.setdefault("state", {})["visit"] = visit
        await self._app(scope, receive, send)

    def _find_refusal(self, method: str, headers: Headers, scheme: str, most: int) -> tuple[int, str] | None:
        host = headers.get("host", "")
        # Another site's name may be made to point at this machine; then its pages would be of this origin.
        if host_name(host) not in self._rules.hosts:
            names = "127.0.0.1 and localhost alone" if self._rules.is_local else "the names of --allowed-host alone"
            return 403, f"This server answers under {names}."
        if method in READING:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if (origin is not None and origin != f"{scheme}://{host}") or (site is not None and site not in _OWN_SITES):
            detail = "Decisions are taken on this server's own pages: this request came from another one."
            return 403, detail if self._rules.is_local else f"{detail} {_BEHIND_A_PROXY}"
        if "transfer-encoding" in headers:
            return 411, "A request says how long it is: Content-Length is needed."
        if int(headers.get("content-length", 0)) > most:
            return 413, f"A request has at most {most:,} bytes here."
        return None


_BEHIND_A_PROXY = "(A proxy has to be in TRIAGE_TRUSTED_PROXIES, pass Host on, and send X-Forwarded-Proto.)"
