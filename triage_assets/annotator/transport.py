"""The transport below the guards: httpx-aiohttp's, with urls sent exactly as they were given.

What lives here: connections, proxies, TLS, and reading answers up to a bound. What does not: what may be sent (`guard`)
and what is done about failures (`patience`, `connection`).
"""

import ssl
import urllib.request
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream
from multidict import CIMultiDict
from yarl import URL

from triage_assets.store import annotator_host

# Servers behind common front ends drop idle connections after 60 s or more, uvicorn after 5 s; reusing one that the
# server is about to close costs a retry, so idle connections are given up before either.
_IDLE_SECONDS = 4.0
# Large enough for a whole frame to be received and read in one piece, which takes a tenth less time than in many.
_IMAGE_BYTES = 1 << 18
# One answer in memory. A page of 100 rows is below 1 MB and a camera's frame below 3 MB; 32 answers may be under way.
MOST_BODY_BYTES = 64_000_000
# What we ask for. Anything else, such as a compression inside another one, could grow beyond the bound in one step.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is here whole; ``body`` is decompressed."""

    status: int
    headers: httpx.Headers
    body: bytes


class BodyTooLarge(Exception):  # noqa: N818 - not an error that anyone sees, but what the connection makes one of
    """The body is larger than `MOST_BODY_BYTES`."""

    def __init__(self, status: int) -> None:
        self.status = status


class ExactTransport(AiohttpTransport):
    """Sends each url's path and query octet for octet, and finds proxies in the environment.

    aiohttp by itself normalises urls (``%2F`` in a query becomes ``/``), which breaks signatures made over the exact
    text. Proxies are looked up here, below the guards: httpx's own support would go around them.
    """

    def __init__(self, *, max_connections: int, connect_seconds: float, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls)
        self._max_connections = max_connections
        self._connect_seconds = connect_seconds
        self._tls = tls
        self._session: _ExactSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; only connecting is timed here, the whole call by whoever makes it."""
        request.extensions["timeout"] = {"connect": self._connect_seconds}
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, AiohttpResponseStream)
        if "content-encoding" not in response.headers:  # a compressed piece may become a thousand times as large
            response.stream.CHUNK_SIZE = _IMAGE_BYTES
        return response

    def get_client(self) -> Any:  # noqa: ANN401 - the base class expects aiohttp's session, which must not be subclassed
        """The one session of this transport, made inside the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._max_connections, ssl=self._tls, keepalive_timeout=_IDLE_SECONDS
            )
            self._session = _ExactSession(
                aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=_IMAGE_BYTES
                )
            )
        return self._session

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


class _ExactSession:
    """The part of aiohttp's session that the transport uses."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._proxies: dict[tuple[str, str], str | None] = {}

    def request(self, *, url: str, headers: httpx.Headers, **options: Any) -> Any:  # noqa: ANN401 - passed on as it is
        target = URL(url, encoded=True)
        place = (target.scheme, target.raw_host or "")
        if place not in self._proxies:
            self._proxies[place] = _proxy_for(*place)
        # httpx's own mapping is slow to look names up in, and aiohttp looks up many.
        plain = CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)
        return _Call(self._session.request(url=target, headers=plain, **options | {"proxy": self._proxies[place]}))

    async def close(self) -> None:
        await self._session.close()


class _Call:
    """A request under way, as the transport takes it."""

    def __init__(self, call: Awaitable[aiohttp.ClientResponse]) -> None:
        self._call = call

    async def __aenter__(self) -> aiohttp.ClientResponse:
        response = await self._call
        # Nobody reads the reason phrase, and the transport breaks, with the connection open, where it is no UTF-8.
        response.reason = None
        return response


def _proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for a host; never one for this machine."""
    proxies = urllib.request.getproxies()
    if not proxies or annotator_host(host) == "loopback" or urllib.request.proxy_bypass(host):
        return None
    return proxies.get(scheme) or proxies.get("all")


async def send(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> Answer:
    """The answer with its whole body. Raises `BodyTooLarge`, and httpx's errors.

    Guarded transports are used without an `httpx.AsyncClient` around them: it would keep cookies, find proxies beside
    the guard and log signed urls, none of which is wanted here, and it takes a sixth of a request's processor time.
    """
    response = await transport.handle_async_request(request)
    try:
        length = response.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > MOST_BODY_BYTES:
            raise BodyTooLarge(response.status_code)
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise httpx.DecodingError(f"the unknown encoding {encoding[:40]!r}", request=request)
        pieces = []
        n_bytes = 0
        async for piece in response.aiter_bytes():
            pieces.append(piece)
            n_bytes += len(piece)
            if n_bytes > MOST_BODY_BYTES:
                raise BodyTooLarge(response.status_code)
    finally:
        await response.aclose()
    return Answer(response.status_code, response.headers, b"".join(pieces))
