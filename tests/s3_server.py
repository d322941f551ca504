"""A real S3 protocol server on loopback (moto's), and what other servers and permissions would answer in its place.

Who asks, by the access key, and which bucket is asked decide between them: see `_REFUSALS` and `Faults`. What is in the
buckets, and how old, tests may look at and change, since the server is a thread of their process.
"""

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from moto.s3.models import S3Backend

WRITER, READER, STRANGER, EXPIRED, UNKNOWN = "AKIDWRITER", "AKIDREADER", "AKIDSTRANGER", "AKIDEXPIRED", "AKIDUNKNOWN"
LOGGER = "AKIDLOGGER"  # may do anything below the prefix dagster-logs/, and nothing else
PLAIN, FORGETFUL, OLD = "plain", "ignores-conditions", "refuses-conditions"
_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
_App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _refuse(code: str, status: int, message: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, content_type="application/xml")


def _hang_up(environ: dict[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on; a test changes it at any time.

    ``refusals`` are answers to an access key in place of what the server would say, ``expires_at`` is the end of the
    path of the write with which everybody's credentials expire, ``expires_after`` how many requests there are before
    that, ``lose_answers`` how many writes are carried out and
    answered by a cut connection, ``cut_bodies`` how many objects are cut in the middle.
    """

    refusals: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    expires_at: str | None = None
    expires_after: int | None = None
    has_expired: bool = False
    lose_answers: int = 0
    cut_bodies: int = 0


class S3Server:
    """The server, at ``address``; ``requests`` are the method and path of everything that it was asked.

    ``ranges`` are the path and the header Range, if it had one, of every GET of an object.
    """

    def __init__(self) -> None:
        # A second to import, which a process without a test of buckets is spared.
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self.faults = Faults()
        self.requests: list[str] = []
        self.ranges: list[tuple[str, str | None]] = []
        self._initiated: dict[str, datetime] = {}
        self._app: _App = DomainDispatcherApplication(create_backend_app)
        # moto looks at a condition and then puts, which two threads of it may do at once.
        self._one_write = threading.Lock()
        self._arrived = threading.Condition()
        self._n_arriving = 0
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, self._answer, True, request_handler=_Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True, name="s3").start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def backend(self) -> "S3Backend":
        from moto.s3.models import s3_backends

        return s3_backends["123456789012"]["aws"]

    @property
    def writes(self) -> list[str]:
        """What it was asked besides reading."""
        return [each for each in self.requests if not each.startswith(("GET", "HEAD"))]

    def reset(self) -> None:
        """Empty buckets, and no faults."""
        self.backend.reset()
        for name in (PLAIN, FORGETFUL, OLD):
            self.backend.create_bucket(name, "us-east-1")
        self.faults = Faults()
        self.requests, self.ranges = [], []

    def stored_keys(self, bucket: str = PLAIN) -> list[str]:
        """Every key of a bucket."""
        return sorted(self.backend.buckets[bucket].keys)

    def uploads(self, bucket: str = PLAIN) -> list[str]:
        """The keys of unfinished uploads."""
        return sorted(upload.key_name for upload in self.backend.buckets[bucket].multiparts.values())

    def let_pass(self, time: timedelta) -> None:
        """Make everything that there is older, once what is under way has arrived: also what a dead writer has sent."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: not self._n_arriving, timeout=60)
        for bucket in self.backend.buckets.values():
            for key in bucket.keys.values():
                key.last_modified -= time
            for upload in bucket.multiparts.values():
                for part in upload.parts.values():
                    part.last_modified -= time
        for upload_id in self._initiated:
            self._initiated[upload_id] -= time

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        self.requests.append(f"{request.method} {request.full_path.rstrip('?')}")
        if request.method == "GET" and not request.args:
            self.ranges.append((request.path, request.headers.get("Range")))
        refusal = self._refusal(request)
        if refusal is not None:
            request.get_data()  # what is not read would be taken for the next request
            return refusal(environ, start)
        if request.path.split("/")[1] == FORGETFUL and request.method in ("PUT", "POST"):
            for name in _CONDITIONS:
                environ.pop(name, None)
        if request.method in ("GET", "HEAD"):
            if "uploads" in request.args:
                return self._list_uploads(environ, start)
            return self._app(environ, start) if not self._is_to_be_cut(request) else self._cut(environ, start)
        answer = self._carry_out(environ, start)
        if self.faults.lose_answers:
            self.faults.lose_answers -= 1
            _hang_up(environ)
        return answer

    def _date_uploads(self) -> None:
        for bucket in self.backend.buckets.values():
            for upload in bucket.multiparts:
                self._initiated.setdefault(upload, datetime.now(UTC))

    def _list_uploads(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """What moto says, with dates in place of one of 2010 for all."""
        answer = Response.from_app(self._app, environ)
        each = re.compile(r"(<UploadId>(.+?)</UploadId>.*?<Initiated>)(.+?)(</Initiated>)", re.DOTALL)
        text = answer.get_data(as_text=True)
        answer.set_data(each.sub(lambda m: f"{m[1]}{self._initiated[m[2]]:%Y-%m-%dT%H:%M:%S.000Z}{m[4]}", text))
        return answer(environ, start)

    def _refusal(self, request: Request) -> Response | None:
        authorization = request.headers.get("Authorization", "")
        key = authorization.partition("Credential=")[2].partition("/")[0]
        is_write = request.method not in ("GET", "HEAD")
        if self.faults.expires_at is not None and is_write and request.path.endswith(self.faults.expires_at):
            self.faults.has_expired = True
        if self.faults.expires_after is not None:
            self.faults.expires_after -= 1
            self.faults.has_expired = self.faults.expires_after < 0
        if key == EXPIRED or self.faults.has_expired:
            return _refuse("ExpiredToken", 400, "The provided token has expired.")
        if key in self.faults.refusals:
            return _refuse(*self.faults.refusals[key])
        if key == UNKNOWN:
            return _refuse("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist.")
        below = request.path.removeprefix("/").partition("/")[2] or request.args.get("prefix", "")
        is_others = key == LOGGER and not below.startswith("dagster-logs/")
        if key == STRANGER or is_others or (key == READER and is_write):
            return _refuse("AccessDenied", 403, "Access Denied")
        if request.path.split("/")[1] == OLD and is_write and any(name in request.environ for name in _CONDITIONS):
            return _refuse("NotImplemented", 501, "A header you provided implies functionality that is not implemented")
        return None

    def _carry_out(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        with self._arrived:
            self._n_arriving += 1
        try:
            with self._one_write:
                answer = list(self._app(environ, start))
                self._date_uploads()
        finally:
            with self._arrived:
                self._n_arriving -= 1
                self._arrived.notify_all()
        return answer

    def _is_to_be_cut(self, request: Request) -> bool:
        if not self.faults.cut_bodies or request.path.count("/") < 2:
            return False
        self.faults.cut_bodies -= 1
        return True

    def _cut(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        data = b"".join(self._app(environ, start))
        yield data[: len(data) // 2]
        _hang_up(environ)


class _Handler(WSGIRequestHandler):
    """Keeps connections, as S3 does, and logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are sent apart: each answer would wait 40 ms

    def log(self, type: str, message: str, *args: object) -> None:
        pass

    def log_error(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def s3_process() -> S3Server:
    """One server for all tests of a process; it ends with it."""
    return S3Server()


@pytest.fixture
def s3(s3_process: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server with empty buckets, and the environment of somebody who may write to them."""
    s3_process.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_process.address)
    become(monkeypatch, WRITER)
    return s3_process


def become(monkeypatch: pytest.MonkeyPatch, access_key: str) -> None:
    """Have the credentials of somebody from now on, in every store that is opened."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@contextmanager
def expiring(server: S3Server, access_key: str = WRITER) -> Iterator[None]:
    """The time in which somebody's credentials have expired."""
    server.faults.refusals[access_key] = ("ExpiredToken", 400, "The provided token has expired.")
    try:
        yield
    finally:
        del server.faults.refusals[access_key]
