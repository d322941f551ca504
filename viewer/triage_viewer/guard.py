"""Who may ask: the browser of this machine's user on this server's own pages, and programs on this machine.

What lives here: the checks that stop other web pages from reading or deciding anything, and requests beyond any use.
What does not: people and passwords; whoever can reach this loopback address decides as the server's user.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from triage_viewer.problems import problem

MOST_BYTES = 16_000_000  # a bulk of 100,000 ids of 19 digits is 2 MB

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


class LocalOnly:
    """ASGI middleware that refuses requests under other names, from other pages, or of too many bytes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = _find_refusal(scope["method"], Headers(scope=scope))
        if refusal:
            await problem(*refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _find_refusal(method: str, headers: Headers) -> tuple[int, str] | None:
    host = headers.get("host", "")
    # Another site's name may be made to point at this machine; then its pages would be of this origin.
    if _host_name(host) not in _LOOPBACK:
        return 403, "This server answers under 127.0.0.1 and localhost alone."
    if method in _READING:
        return None
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if (origin is not None and origin != f"http://{host}") or (site is not None and site not in _OWN_SITES):
        return 403, "Decisions are taken on this server's own pages: this request came from another one."
    if "transfer-encoding" in headers:
        return 411, "A request says how long it is: Content-Length is needed."
    if int(headers.get("content-length", 0)) > MOST_BYTES:
        return 413, f"A request has at most {MOST_BYTES:,} bytes."
    return None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
