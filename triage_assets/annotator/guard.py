"""The read-only guard: the last code that sees a request, and stops what could write.

What lives here: the rules of what may leave this machine, as wrappers of an httpx transport, so that no request can go
around them, however it was built. What does not: how requests are made (`connection`).
"""

import httpx

from triage_assets.annotator.address import ApiAddress
from triage_assets.errors import ReadOnlyViolation

# Headers by which a GET or a POST asks some frameworks to treat it as another method.
_METHOD_OVERRIDES = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
_CREDENTIALS = frozenset({b"authorization", b"proxy-authorization", b"cookie"})


class ApiGuard(httpx.AsyncBaseTransport):
    """Lets through a GET without a body to the API's host, and a POST to exactly the login endpoint.

    Anything else raises `ReadOnlyViolation` before a byte is sent, redirects to other hosts included.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, address: ApiAddress) -> None:
        self._inner = inner
        self._login = address.login

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, or raise `ReadOnlyViolation`."""
        if _origin(request.url) != _origin(self._login):
            raise _violation(request, "a request to the annotator's own host")
        is_login = request.method == "POST" and request.url.raw_path == self._login.raw_path
        if not is_login:
            _require_plain_get(request, "a GET, or a POST to the login")
        _refuse_headers(request, _METHOD_OVERRIDES)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class ImageGuard(httpx.AsyncBaseTransport):
    """Lets through a GET without a body and without any credentials, to any host."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, or raise `ReadOnlyViolation`."""
        _require_plain_get(request, "a GET")
        _refuse_headers(request, _METHOD_OVERRIDES | _CREDENTIALS)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _require_plain_get(request: httpx.Request, expected: str) -> None:
    if request.method != "GET":
        raise _violation(request, expected)
    try:
        has_body = bool(request.content)
    except httpx.RequestNotRead:
        has_body = True
    if has_body:
        raise _violation(request, "a GET without a body")


def _refuse_headers(request: httpx.Request, refused: frozenset[bytes]) -> None:
    names = [name.lower() for name, _ in request.headers.raw]
    for name in refused.intersection(names):
        raise _violation(request, f"no header {name.decode('ascii')}")
    # A server behind a shared front end is chosen by this header, not by the address.
    hosts = [value for name, (_, value) in zip(names, request.headers.raw, strict=True) if name == b"host"]
    if hosts != [request.url.netloc]:
        raise _violation(request, "the Host header of the address")


def _violation(request: httpx.Request, expected: str) -> ReadOnlyViolation:
    # The query may hold a signature, and the path of an image is part of what is signed.
    return ReadOnlyViolation(
        "A request that this project never sends was stopped before it left",
        found=f"{request.method} to {request.url.host}",
        expected=expected,
        do="The annotator is only ever read; nothing was sent.",
    )
