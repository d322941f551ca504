"""What the annotator's tests talk through: clients that wait less, and a real server that says what it is told to."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from triage_assets.annotator.client import AnnotatorClient
from triage_assets.annotator.retries import RetryPolicy, Timeouts
from triage_assets.demo.faults import Faults, Misbehaviour
from triage_assets.demo.server import DemoAnnotator

QUICK = RetryPolicy(base_seconds=0.002, cap_seconds=0.02, retry_after_cap_seconds=0.05)
# Where nothing hangs, a slow machine must not look like a server that does not answer.
LONG = Timeouts(connect=60.0, login=60.0, listing=60.0, detections=60.0, url=60.0, image=60.0)
# For servers that hang: pictures are rendered before, see `render_pictures`.
SHORT = Timeouts(connect=60.0, login=3.0, listing=3.0, detections=3.0, url=3.0, image=3.0)


class Chosen(Faults):
    """Faults of chosen paths: ``choose`` maps a path, with its query on the API, to what to do to it."""

    def __init__(self, choose: Callable[[str], Misbehaviour | None]) -> None:
        super().__init__()
        self.choose = choose

    def pick(self, path: str) -> Misbehaviour | None:
        return self.choose(path)


def open_client(url: str, login: str = "demo", password: str = "demo", **options: object) -> AnnotatorClient:
    return AnnotatorClient(url, login, password, **({"retry": QUICK, "timeouts": LONG} | options))


def wait_until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.01)


def render_pictures(server: DemoAnnotator) -> None:
    """Render every picture of the backlog now, so that none takes long later."""
    for which in server.backlog.ready_ids():
        for detection in server.backlog.detections(which):
            server._pictures.fetch(detection.picture)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    reason: str | None = None


def say(content: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


LOGIN = say({"access_token": "token-1", "token_type": "bearer"})


class Scripted:
    """A real server whose answers are a function of the request: method, path with query, and how often it came."""

    def __init__(self, answer: Callable[[str, str, int], Reply]) -> None:
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        asked = self.requests
        kept = self.headers

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.command, self.path))
                kept.append({name.lower(): value for name, value in self.headers.items()})
                reply = answer(self.command, self.path, asked.count((self.command, self.path)))
                self.send_response(reply.status, reply.reason)
                for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
                if "Content-Length" in reply.headers:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the base class's names

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:  # a client that hangs up is what some tests are about
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "Scripted":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
