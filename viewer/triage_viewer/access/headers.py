"""What every answer tells the browser: run and show nothing but this server's own files, in nobody else's page.

What lives here: those headers, on each answer whatever made it. What does not: what a route says of caching.
"""

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Kept for whoever asked, and asked for again: after a logout nobody pages back to somebody's data.
_UNLESS_SAID = {"Cache-Control": "private, no-cache"}


class Application(FastAPI):
    """FastAPI whose every answer has the headers, also those to its own faults, which no middleware of it sees."""

    def build_middleware_stack(self) -> ASGIApp:
        """The application around everything else."""
        return _WithHeaders(super().build_middleware_stack())


class _WithHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                for name, value in _UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, add)
