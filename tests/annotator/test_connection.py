"""Login, errors that say what to do, retries, and what is never said or sent."""

import gzip
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from triage_assets.annotator.address import ApiAddress
from triage_assets.annotator.records import Organization, Sequence, SequenceRow, WantedSequence
from triage_assets.annotator.retries import RetryPolicy, Timeouts, parse_retry_after
from triage_assets.annotator.transport import _proxy_for
from triage_assets.demo.faults import Faults
from triage_assets.errors import AnnotatorUnavailable, AuthenticationError, SettingsError, UnexpectedAnswer

from .servers import LOGIN, QUICK, Reply, open_client, say, wait_until

PASSWORD = "hunter2-secret"


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("https://annotationapi.example.org", "https://annotationapi.example.org/api/v1"),  # as the README says
        ("https://annotationapi.example.org/", "https://annotationapi.example.org/api/v1"),  # trailing slash
        ("https://annotationapi.example.org/api/v1", "https://annotationapi.example.org/api/v1"),  # whole API root
        (" http://127.0.0.1:8050/api/v1/ ", "http://127.0.0.1:8050/api/v1"),  # pasted, with port
        ("https://example.org/annotator/", "https://example.org/annotator/api/v1"),  # behind a prefix
        ("https://EXAMPLE.org:443", "https://example.org/api/v1"),  # normalised
    ],
)
def test_the_address_is_accepted_in_the_forms_people_write(text, root):
    assert ApiAddress.parse(text).root == root


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("annotationapi.example.org", "Write http:// or https:// in front"),  # no scheme
        ("", "is empty"),
        ("ftp://example.org", "cannot be used"),
        ("https://", "cannot be used"),
        ("https://example.org?x=1", "query or a fragment"),
        ("https://me:hunter2-secret@example.org", "ANNOTATOR_API_PASSWORD"),  # credentials in the address
        ("me:hunter2-secret@example.org", "has no scheme"),
        ("https://exa mple.org:port", "no URL"),
        ("https://example..org", "no URL"),  # an empty label: the URL library lets it through
        ("https://example.org:99999", "no URL"),
        ("https://xn--/", "no URL"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_credentials(text, message):
    with pytest.raises(SettingsError, match=message) as caught:
        ApiAddress.parse(text)
    assert "hunter2" not in str(caught.value)


def test_one_login_serves_many_requests(serve, connect):
    server = serve()
    client = connect(server)
    assert server.counts["login"] == 0  # nothing is sent before the first question
    client.list_organizations()
    list(client.fetch_detections(server.backlog.ready_ids()))
    assert server.counts["login"] == 1


def test_tokens_that_expire_in_the_middle_cost_one_login_and_lose_nothing(serve, connect):
    server = serve(faults=Faults(unauthorized_after=5), latency_ms=10)
    client = connect(server)
    answers = list(client.fetch_detections(server.backlog.ready_ids()))
    assert [len(answer.detections) for answer in answers] == [3] * 12
    assert server.counts["login"] == 2


def test_a_token_refused_again_right_after_login_is_an_error(scripted):
    server = scripted(lambda method, *_: LOGIN if method == "POST" else say({"detail": "Could not validate"}, 401))
    with open_client(server.url) as client, pytest.raises(AuthenticationError, match="just given out"):
        client.list_organizations()
    assert server.requests.count(("POST", "/api/v1/auth/login")) == 2


HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (say({"detail": "Incorrect username or password"}, 401), AuthenticationError, "Check ANNOTATOR_API_LOGIN and"),
        (say({"detail": "Inactive user"}, 400), AuthenticationError, "400: Inactive user"),
        (say({"detail": "Forbidden"}, 403), AuthenticationError, "403: Forbidden"),
        # A page of the web application, with and without an error status.
        (Reply(200, b"<!doctype html>", HTML), UnexpectedAnswer, "usually at annotationapi.<domain>"),
        (Reply(405, b"<html>", HTML), UnexpectedAnswer, "usually at annotationapi.<domain>"),
        (say({"detail": "Not Found"}, 404), UnexpectedAnswer, "404: Not Found"),
        (say({"ok": True}), UnexpectedAnswer, "holds no token"),
        (
            Reply(307, b"", {"Location": "https://annotationapi.example.org/api/v1/auth/login"}),
            UnexpectedAnswer,
            "Write https://",
        ),
        (Reply(302, b"", {"Location": "/login?next=secret"}), UnexpectedAnswer, "302 to /login[.]"),
        # A validation error repeats its input, which holds the password.
        (
            say({"detail": [{"loc": ["body"], "msg": "Field required", "input": {"password": PASSWORD}}]}, 422),
            UnexpectedAnswer,
            "Field required",
        ),
        (Reply(200, b"no json"), AnnotatorUnavailable, "7 bytes that are no JSON"),
        (Reply(502, b"<html>Bad gateway", HTML), AnnotatorUnavailable, "status 502 [(]8 attempts[)]"),
    ],
)
def test_a_login_that_fails_says_why_once(scripted, reply, kind, message):
    server = scripted(lambda *_: reply)
    with open_client(server.url, "me", PASSWORD) as client:
        with pytest.raises(kind, match=message) as caught:
            client.list_organizations()
        n_logins = len(server.requests)
        if kind is not AnnotatorUnavailable:  # with the same password, asking again could lock the account
            with pytest.raises(kind, match=message):
                client.list_organizations()
            assert len(server.requests) == n_logins == 1
    assert PASSWORD not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (say({"detail": "Not authenticated"}, 403), AuthenticationError, "does not let 'demo' read /organizations/"),
        (say({"detail": "Method Not Allowed"}, 405), UnexpectedAnswer, "405"),
        (say({"items": []}), UnexpectedAnswer, "is no list"),
        (Reply(200, b"<html>", HTML), UnexpectedAnswer, "with a web page"),
        (Reply(200, b'[{"id": 1, '), AnnotatorUnavailable, "no JSON"),
    ],
)
def test_an_answer_that_is_none_says_why(scripted, reply, kind, message):
    server = scripted(lambda method, *_: LOGIN if method == "POST" else reply)
    with open_client(server.url) as client, pytest.raises(kind, match=message):
        client.list_organizations()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:{free}", r"Connection refused \(3 attempts"),  # nothing listens
        ("http://annotator.invalid", "host name is not resolved"),  # a name that never exists
        ("https://127.0.0.1:{open}", "is it http:// rather than https://"),  # TLS where none is spoken
    ],
)
def test_a_host_that_cannot_be_reached_says_why(scripted, url, message):
    server = scripted(lambda *_: LOGIN)
    url = url.format(free=free_port(), open=server.url.rpartition(":")[2])
    with open_client(url) as client, pytest.raises(AnnotatorUnavailable, match=message) as caught:
        client.list_organizations()
    assert "Check ANNOTATOR_API_URL" in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate to test with")
    pair = tmp_path / "pair.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", tmp_path / "key.pem", "-out", pair], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair, tmp_path / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        n_accepted = 0

        def accept() -> None:
            nonlocal n_accepted
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                n_accepted += 1
                with connection:
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        with (
            open_client(f"https://127.0.0.1:{listener.getsockname()[1]}") as client,
            pytest.raises(AnnotatorUnavailable, match="certificate is not trusted") as caught,
        ):
            client.list_organizations()
        assert "1 attempts" in str(caught.value)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert n_accepted == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda n: say({"detail": "error"}, 500),
        lambda n: say({"detail": "slow down"}, 429, **{"Retry-After": "7"}),
        lambda n: Reply(503, b"<html>", HTML | {"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"}),
        lambda n: Reply(200, b"[", {"Content-Type": "application/json", "Content-Length": "400"}),  # cut short
        lambda n: say([], **{"Content-Encoding": "gzip"}),  # damaged: the body is not compressed
        # Never asked for, and small enough to hide anything.
        lambda n: replace(say([], **{"Content-Encoding": "gzip, gzip"}), body=gzip.compress(gzip.compress(b"[]"))),
        lambda n: Reply(404, b"404 page not found", {"Content-Type": "text/plain"}),  # a proxy's own words
        lambda n: Reply(404, b"<html>", HTML),
        lambda n: say({"error": "no such route"}, 404),
    ],
)
def test_a_passing_failure_is_asked_again(scripted, spoil):
    def answer(method, path, n):
        return LOGIN if method == "POST" else spoil(n) if n < 4 else say([{"id": 1, "name": "A"}])

    server = scripted(answer)
    with open_client(server.url) as client:
        assert [organization.name for organization in client.list_organizations()] == ["A"]
    assert server.requests.count(("GET", "/api/v1/organizations/")) == 4


def test_the_words_beside_a_status_need_not_be_text(scripted):
    server = scripted(lambda method, *_: LOGIN if method == "POST" else replace(say([]), reason="caf\xe9"))
    with open_client(server.url) as client:
        assert client.list_organizations() == ()


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (200, UnexpectedAnswer, "too large; found more than 64 MB"),
        (502, AnnotatorUnavailable, "status 502, more than 64 MB"),
    ],
)
@pytest.mark.parametrize(
    "reply",
    [
        # Announced only; read, it would be cut short.
        Reply(200, b"[", {"Content-Type": "application/json", "Content-Length": "64000001"}),
        # Small on the wire only.
        Reply(200, gzip.compress(b" " * 64_000_001), {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
    ],
    ids=["announced", "compressed"],
)
def test_an_answer_larger_than_memory_should_hold_is_not_read(scripted, reply, status, kind, message):
    server = scripted(lambda method, *_: LOGIN if method == "POST" else replace(reply, status=status))
    policy = replace(QUICK, attempts=2)
    with open_client(server.url, retry=policy) as client, pytest.raises(kind, match=message):
        client.list_organizations()


def test_a_message_can_be_written_down_whatever_the_server_says(scripted):
    server = scripted(lambda *_: say({"detail": "half \ud800"}, 403))
    with open_client(server.url) as client, pytest.raises(AuthenticationError) as caught:
        client.list_organizations()
    assert "half \\ud800" in str(caught.value).encode().decode()


def test_attempts_are_bounded(scripted):
    server = scripted(lambda method, *_: LOGIN if method == "POST" else say({"detail": "error"}, 500))
    with open_client(server.url) as client, pytest.raises(AnnotatorUnavailable, match=r"status 500 \(8 attempts"):
        client.list_organizations()
    assert server.requests.count(("GET", "/api/v1/organizations/")) == 8


def test_a_server_that_never_answers_is_given_up_on_time(scripted):
    hang = threading.Event()

    def answer(method, path, n):
        hang.wait(20)
        return LOGIN

    server = scripted(answer)
    timeouts = Timeouts(login=0.05)
    with (
        open_client(server.url, timeouts=timeouts) as client,
        pytest.raises(AnnotatorUnavailable, match=r"within 0\.05 s"),
    ):
        client.list_organizations()
    hang.set()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),  # HTTP date
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30.0),  # a date without a zone is UTC
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),  # already past
        ("soon", None),
        ("-3", None),
        ("Thu, 01 Jan 99999999999999999999 00:00:30 GMT", None),
        ("²", None),  # a digit to str.isdigit, not to a server
        ("9" * 400, 999999999.0),  # capped by the policy
    ],
)
def test_retry_after_is_read_in_both_forms(value, seconds):
    assert parse_retry_after(value, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_the_wait_grows_with_jitter_and_honours_the_server_up_to_a_cap():
    policy = RetryPolicy(base_seconds=1, cap_seconds=6, retry_after_cap_seconds=30)
    first, later = ([policy.delay(n, None) for _ in range(300)] for n in (1, 9))
    assert 0 <= min(first) < 0.5 < 1.5 < max(first) <= 2
    assert 0 <= min(later) < 1 < 5 < max(later) <= 6
    assert policy.delay(1, 20) == 20
    assert policy.delay(1, 3600) == 30


def test_a_storage_that_is_dead_ends_the_calls_instead_of_retrying_each(serve, connect):
    server = serve(40, faults=Faults(error_rate=1.0, most_in_a_row=10**9))
    server.faults.error_rate = 0.0
    client = connect(
        server, retry=RetryPolicy(attempts=2, base_seconds=0, cap_seconds=0, give_up_calls=8), max_in_flight=4
    )
    client.list_organizations()
    server.faults.error_rate = 1.0
    before = server.counts["detections"]
    answers = list(client.fetch_detections(server.backlog.ready_ids()))
    assert all(answer.detections is None for answer in answers)
    assert "in a row without any answer" in answers[-1].failure
    # The window's first attempts, second ones until 8 calls are used up, and those under way at that moment.
    assert server.counts["detections"] - before <= 16 + 8 + 4
    server.faults.error_rate = 0.0  # a new piece of work hopes again
    assert all(answer.detections for answer in client.fetch_detections(server.backlog.ready_ids()))


def test_signatures_reach_the_storage_octet_for_octet(scripted):
    signed = "/b/d%2Bx/a%20b%3A%27.jpg?Credential=AK%2F2026%2Fs3&Signature=a%2Bb%3D&e=%26&t=a+b&w=%7E&z=%25"

    def answer(method, path, n):
        if method == "POST":
            return LOGIN
        return say({"url": server.url + signed}) if path.endswith("/url") else Reply(200, b"image", {})

    server = scripted(answer)
    with open_client(server.url) as client:
        url = client._portal.run(client._connection.get_signed_url(7))
        assert client._portal.run(client._connection.get_image(url, 7)) == b"image"
    assert server.requests[-1] == ("GET", signed)
    assert "authorization" not in server.headers[-1]
    assert server.headers[-2]["authorization"] == "Bearer token-1"


def test_names_reach_the_server_unchanged(serve, connect, scripted):
    name = " Région ../PACA / Var\t&\n%2F+#? "
    server = scripted(lambda method, *_: LOGIN if method == "POST" else say({"items": [], "total": 0}))
    with open_client(server.url) as client:
        client.count_sequences(Organization(1, name))
    assert parse_qs(urlsplit(server.requests[-1][1]).query)["organisation_name"] == [name]


def test_neither_password_nor_token_nor_signature_is_ever_logged(serve, caplog):
    caplog.set_level(logging.DEBUG)
    server = serve(2, password=PASSWORD, faults=Faults(error_rate=0.3))
    server.faults.image_missing.add(server.backlog.detections(1)[0].id)
    with open_client(server.api_url, "demo", PASSWORD) as client:
        answers = list(client.fetch_detections(server.backlog.ready_ids()))
        for answer in answers:
            list(client.download([_wanted(answer)]))
        token = client._connection._token
        assert PASSWORD not in repr(client) + repr(client._connection)
    assert any("attempt" in record.getMessage() for record in caplog.records)  # failures were spoken of
    for secret in (PASSWORD, token, "Signature"):
        assert secret not in caplog.text, secret


def _wanted(answer):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    row = SequenceRow(answer.sequence_id, 1, "o", 1, "c", 0, moment, moment, moment, None, None, None, None, None, None)
    return WantedSequence(Sequence(row, answer.detections))


@pytest.mark.parametrize(
    ("environment", "scheme", "host", "proxy"),
    [
        ({}, "https", "s3.example.org", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https", "s3.example.org", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http", "s3.example.org", None),  # only for https
        ({"ALL_PROXY": "http://proxy:3128"}, "http", "s3.example.org", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.org"}, "https", "s3.example.org", None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http", "127.0.0.1", None),  # the demo never goes through a proxy
    ],
)
def test_proxies_come_from_the_environment(monkeypatch, environment, scheme, host, proxy):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _proxy_for(scheme, host) == proxy


def test_a_client_outside_its_with_block_says_so():
    with pytest.raises(RuntimeError, match="outside its `with` block"):
        open_client("http://127.0.0.1:9").list_organizations()


def test_an_interrupt_leaves_no_thread_and_no_warning_behind(serve):
    server = serve(faults=Faults(hang_rate=1.0, most_in_a_row=10**9))
    program = (
        "import sys, threading\n"
        "from triage_assets.annotator.client import AnnotatorClient\n"
        "try:\n"
        "    with AnnotatorClient(sys.argv[1], 'demo', 'demo') as client:\n"
        "        client.list_organizations()\n"
        "except KeyboardInterrupt:\n"
        "    names = [thread.name for thread in threading.enumerate()]\n"
        "    sys.exit(0 if 'annotator-client' not in names else str(names))\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, server.api_url],
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    wait_until(lambda: server.counts["login"] > 0 or running.poll() is not None)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (0, b"")
