"""The demo annotator: a real HTTP server on loopback, with a second listener for signed picture addresses.

What lives here: threads, sockets, the record of requests, and carrying out the faults of a connection. What does not:
what a request is answered with (`api`, `storage`), or which request is spoiled (`faults`).
"""

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import uvloop
from aiohttp import web

from triage_assets.demo.answers import Version
from triage_assets.demo.api import Account, Api
from triage_assets.demo.backlog import DemoBacklog
from triage_assets.demo.faults import Faults
from triage_assets.demo.pictures import PictureCache, default_cache_folder
from triage_assets.demo.queries import Answer, detail_answer
from triage_assets.demo.request_log import Kind, RecordedRequest, RequestLog, kind_of
from triage_assets.demo.storage import PictureStorage, storage_error

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_STOP_SECONDS = 0.2
"""How long requests under way may take to end when the server stops; hung ones never would."""


class DemoAnnotator:
    """Serves a backlog from its own thread; ready when entered, gone when left.

    ``latency_ms`` is added to every answer, on top of the fault of that name. ``cache_folder`` "default" is a folder
    under the system's temporary one, None keeps rendered pictures in memory only. Entering raises `OSError` where
    ``port`` is taken; port 0 is any free one.
    """

    def __init__(
        self,
        backlog: DemoBacklog,
        port: int = 0,
        latency_ms: float = 0.0,
        faults: Faults | None = None,
        login: str = "demo",
        password: str = "demo",  # noqa: S107 - it guards a server that only loopback reaches
        token_seconds: float = 86400.0,
        *,
        version: Version = "newer",
        url_seconds: int = 86400,
        cache_folder: Path | Literal["default"] | None = "default",
    ) -> None:
        self.backlog = backlog
        self.faults = Faults() if faults is None else faults
        self.login = login
        self.password = password
        self.latency_ms = latency_ms
        self.port = port
        self.image_port = 0
        self._log = RequestLog()
        folder = default_cache_folder(backlog) if cache_folder == "default" else cache_folder
        self._pictures = PictureCache(backlog, folder)
        self._storage = PictureStorage(backlog, self._pictures, self.faults, url_seconds)
        self._api = Api(backlog, version, self.faults, Account(login, password, token_seconds), self._storage)
        self._renderers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="demo-render")
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    @property
    def api_url(self) -> str:
        """The address that a client is given, without /api/v1."""
        return f"http://{_HOST}:{self.port}"

    @property
    def requests(self) -> deque[RecordedRequest]:
        """The latest requests on both ports, oldest first."""
        return self._log.requests

    @property
    def counts(self) -> Counter[Kind]:
        """The exact number of requests by kind, spoiled ones included."""
        return self._log.counts

    @property
    def refused_writes(self) -> list[RecordedRequest]:
        """Everything that was neither a GET nor the login."""
        return self._log.refused_writes

    @property
    def leaked_tokens(self) -> list[RecordedRequest]:
        """Every picture request that carried an Authorization header; all were refused."""
        return self._log.leaked_tokens

    def expire_tokens(self) -> None:
        """Let every token given out so far stop being valid."""
        self._api.expire_tokens()

    def __enter__(self) -> Self:
        self._pictures.open()
        self._thread = threading.Thread(target=self._run, name="demo-annotator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # whatever ends the thread early belongs to the one who waits for it
            if self._ready.is_set():
                raise
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        api = _runner(self._handle_api)
        images = _runner(self._handle_image)
        try:
            self.port = await _listen(api, self.port)
            self.image_port = await _listen(images, 0)
            self._ready.set()
            await self._stop.wait()
        finally:
            await api.cleanup()
            await images.cleanup()
            self._renderers.shutdown(cancel_futures=True)

    async def _handle_api(self, request: web.BaseRequest) -> web.StreamResponse:
        record = _describe(request, self.port, kind_of(request.path))
        self._log.add(record)
        is_login = request.method == "POST" and record.kind == "login"
        if request.method != "GET" and not is_login:
            self._log.refused_writes.append(record)
            return _respond(detail_answer(405, "Method Not Allowed"))
        spoiled = await self._misbehave(record)
        if isinstance(spoiled, web.Response):
            return spoiled
        target = self._api.redirect(record.path)
        if target is not None:
            query = f"?{record.query}" if record.query else ""
            return web.Response(status=307, headers={"Location": f"{self.api_url}{target}{query}"})
        if is_login:
            answer = self._api.log_in(await request.read())
        else:
            storage_url = f"http://{_HOST}:{self.image_port}"
            answer = self._api.get(record.path, record.query, request.headers.get("Authorization"), storage_url)
        response = _respond(answer)
        return await _cut_short(request, response) if spoiled else response

    async def _handle_image(self, request: web.BaseRequest) -> web.StreamResponse:
        record = _describe(request, self.image_port, "image")
        self._log.add(record)
        if record.had_authorization:
            self._log.leaked_tokens.append(record)
            return storage_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.method != "GET":
            self._log.refused_writes.append(record)
            return storage_error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        spoiled = await self._misbehave(record)
        if isinstance(spoiled, web.Response):
            return spoiled
        response = await self._storage.answer(record.path, record.query, request.headers.get("Range"), self._renderers)
        return await _cut_short(request, response) if spoiled else response

    async def _misbehave(self, record: RecordedRequest) -> web.Response | bool:
        """An answer to give instead of the right one, or whether to cut the right one short."""
        delay_ms = self.latency_ms + self.faults.latency_ms
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        is_image = record.kind == "image"
        # A picture's query is its signature, new every time; what counts is that the same picture is asked again.
        match self.faults.pick(record.path if is_image else f"{record.path}?{record.query}"):
            case "error" if is_image:
                return storage_error(500, "InternalError", "We encountered an internal error. Please try again.")
            case "error":
                return _respond(detail_answer(500, "An internal server error occurred"))
            case "throttle":
                slow_down = storage_error(503, "SlowDown", "Please reduce your request rate.")
                response = slow_down if is_image else _respond(detail_answer(429, "Too Many Requests"))
                response.headers["Retry-After"] = f"{self.faults.retry_after_seconds:g}"
                return response
            case "hang":
                await asyncio.Event().wait()
            case "truncate":
                return True
        return False


def _runner(handler: Callable[[web.BaseRequest], object]) -> web.ServerRunner:
    server = web.Server(handler, handler_cancellation=True, access_log=None)  # type: ignore[arg-type]
    return web.ServerRunner(server, shutdown_timeout=_STOP_SECONDS)


async def _listen(runner: web.ServerRunner, port: int) -> int:
    """Start listening and say on which port."""
    await runner.setup()
    await web.TCPSite(runner, _HOST, port, backlog=1024).start()
    return int(runner.addresses[0][1])


def _describe(request: web.BaseRequest, port: int, kind: Kind) -> RecordedRequest:
    query = request.rel_url.raw_query_string
    return RecordedRequest(request.method, request.path, query, "Authorization" in request.headers, port, kind)


def _respond(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})


async def _cut_short(request: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
    """Announce the whole body, send half of it and close the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def run_forever(
    *,
    port: int,
    sequences: int = 60,
    frames: int | None = None,
    seed: int = 0,
    latency_ms: float = 0.0,
    login: str = "demo",
    password: str = "demo",  # noqa: S107 - it guards a server that only loopback reaches
    announce: Callable[[DemoAnnotator], None] | None = None,
) -> None:
    """Serve a fresh backlog until interrupted; ``announce`` is called once the server is ready.

    Raises `OSError` where the port is taken.
    """
    backlog = DemoBacklog(sequences=sequences, seed=seed, frames=frames)
    try:
        with DemoAnnotator(backlog, port=port, latency_ms=latency_ms, login=login, password=password) as server:
            if announce is not None:
                announce(server)
            threading.Event().wait()
    except KeyboardInterrupt:
        logger.info("the demo annotator was interrupted")
