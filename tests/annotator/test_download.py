"""Every frame arrives, or it is known why not; order is kept, memory is bounded, and nothing is left running."""

import asyncio
import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from triage_assets.annotator import patience
from triage_assets.annotator.connection import Connection
from triage_assets.annotator.records import Detection, Sequence, SequenceRow, WantedSequence
from triage_assets.demo.faults import Faults
from triage_assets.errors import AuthenticationError
from triage_assets.images import inspect_image

from .servers import LOGIN, LONG, QUICK, SHORT, Chosen, Reply, open_client, render_pictures, say, wait_until

DETECTION = "/api/v1/detections/"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def wanted(sequence_id, detection_ids, held=()):
    row = SequenceRow(sequence_id, 1, "o", 1, "c", 0, MOMENT, MOMENT, MOMENT, None, None, None, None, None, None)
    detections = tuple(Detection(which, sequence_id, MOMENT, "", ()) for which in detection_ids)
    return WantedSequence(Sequence(row, detections), frozenset(held))


def all_wanted(server):
    for which in server.backlog.ready_ids():
        yield wanted(which, [detection.id for detection in server.backlog.detections(which)])


def test_every_frame_arrives_proven_and_in_the_order_asked(serve, connect):
    server = serve(15, frames=None)
    asked = list(all_wanted(server))
    progress = []
    done = list(connect(server).download(asked, lambda *report: progress.append(report)))
    assert [one.wanted for one in done] == asked
    for one in done:
        assert [frame.detection_id for frame in one.frames] == [item.id for item in one.wanted.sequence.detections]
        assert (one.unusable, one.failed) == ({}, {})
        for frame in one.frames:
            assert hashlib.sha256(frame.image).hexdigest() == frame.sha256
            assert inspect_image(frame.image).width_px == frame.width_px == 96
    n_frames = sum(len(one.frames) for one in done)
    assert progress[-1] == ("frames", n_frames, None)
    assert (server.counts["url"], server.counts["image"]) == (n_frames, n_frames)
    assert server.leaked_tokens == []


def test_frames_that_are_held_are_not_fetched(serve, connect):
    server = serve(3, frames=4)
    which = server.backlog.ready_ids()[0]
    ids = [detection.id for detection in server.backlog.detections(which)]
    (done,) = connect(server).download([wanted(which, ids, held=ids[:3])])
    assert [frame.detection_id for frame in done.frames] == ids[3:]
    assert server.counts["image"] == 1


TROUBLE = {
    "everything": {
        "error_rate": 0.1,
        "truncate_rate": 0.04,
        "hang_rate": 0.02,
        "throttle_rate": 0.04,
        "retry_after_seconds": 1,
    },
    "errors, often several in a row": {"error_rate": 0.2, "most_in_a_row": 10},
    "401 in the middle": {"unauthorized_after": 30},
}


@pytest.mark.parametrize("faults", TROUBLE.values(), ids=TROUBLE.keys())
def test_every_frame_arrives_from_a_troubled_server(serve, connect, faults):
    server = serve(40, frames=4, faults=Faults(**faults))
    render_pictures(server)
    client = connect(server, timeouts=SHORT if "hang_rate" in faults else LONG)
    done = list(client.download(all_wanted(server)))
    assert [one.failed | one.unusable for one in done] == [{}] * 40
    assert sum(len(one.frames) for one in done) == 160
    assert server.leaked_tokens == []
    assert server.refused_writes == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda faults, which: faults.url_missing.add(which), "gone (404)"),
        (lambda faults, which: faults.image_missing.add(which), "gone (404)"),
        (lambda faults, which: faults.content.update({which: "empty"}), "The image is empty"),
        (lambda faults, which: faults.content.update({which: "truncated"}), "The image is cut short or damaged"),
        (lambda faults, which: faults.content.update({which: "text"}), "The bytes are no image"),
    ],
)
def test_a_frame_that_can_never_be_had_is_unusable_and_costs_only_itself(serve, connect, spoil, reason):
    server = serve(3, frames=4)
    which = server.backlog.ready_ids()[1]
    ids = [detection.id for detection in server.backlog.detections(which)]
    spoil(server.faults, ids[2])
    done = {one.wanted.sequence.id: one for one in connect(server).download(all_wanted(server))}
    assert list(done[which].unusable) == [ids[2]]
    assert done[which].unusable[ids[2]].startswith(reason)
    assert [frame.detection_id for frame in done[which].frames] == [ids[0], ids[1], ids[3]]
    assert [len(one.frames) for one in done.values()].count(4) == 2
    assert all(one.failed == {} for one in done.values())


def test_a_png_under_a_jpg_name_is_a_frame(serve, connect):
    server = serve(1, frames=2)
    (which,) = server.backlog.ready_ids()
    ids = [detection.id for detection in server.backlog.detections(which)]
    server.faults.content[ids[0]] = "png"
    (done,) = connect(server).download(all_wanted(server))
    assert done.frames[0].image.startswith(b"\x89PNG")
    assert (len(done.frames), done.unusable) == (2, {})


def test_a_frame_that_fails_for_a_passing_reason_is_failed_and_not_unusable(serve, connect):
    broken = []
    faults = Chosen(lambda path: "error" if any(path.startswith(f"{DETECTION}{which}/") for which in broken) else None)
    server = serve(4, frames=2, faults=faults)
    client = connect(server, retry=replace(QUICK, attempts=3))
    broken += [one.id for one in server.backlog.detections(server.backlog.ready_ids()[2])]
    done = list(client.download(all_wanted(server)))
    assert [len(one.failed) for one in done] == [0, 0, 2, 0]
    assert all("status 500 (3 attempts)" in reason for reason in done[2].failed.values())
    assert done[2].unusable == {}


def test_a_frame_that_used_up_its_attempts_gets_a_second_round(serve, connect):
    n_refused = 0

    def choose(path):
        nonlocal n_refused
        n_refused += path.endswith("/url?")
        return "error" if path.endswith("/url?") and n_refused <= QUICK.attempts else None

    server = serve(1, frames=1, faults=Chosen(choose))
    (done,) = connect(server).download(all_wanted(server))
    assert (len(done.frames), server.counts["url"]) == (1, QUICK.attempts + 1)


def image_server(scripted, image, url="{base}/image?Signature=x"):
    """Serves ``image(n)`` as the n-th answer for the one image there is."""

    def answer(method, path, n):
        if method == "POST":
            return LOGIN
        if path.endswith("/url"):
            return say({"url": url.format(base=server.url)})
        return image(n)

    server = scripted(answer)
    return server


@pytest.fixture
def jpeg(serve, connect):
    server = serve(1, frames=1)
    (done,) = connect(server).download(all_wanted(server))
    return done.frames[0].image


def fetch_one(server, **options):
    with open_client(server.url, **options) as client:
        (done,) = client.download([wanted(1, [7])])
    return done


def reply(body, **headers):
    return Reply(200, body, headers)


def test_a_signature_that_ran_out_is_asked_for_anew_once(scripted, jpeg):
    server = image_server(scripted, lambda n: Reply(403, b"<Error/>", {}) if n == 1 else reply(jpeg))
    assert len(fetch_one(server).frames) == 1
    assert server.requests.count(("GET", "/api/v1/detections/7/url")) == 2


def test_a_signature_that_is_never_accepted_is_a_passing_failure(scripted):
    server = image_server(scripted, lambda n: Reply(403, b"<Error/>", {}))
    done = fetch_one(server)
    assert list(done.failed) == [7]
    assert "found 403" in done.failed[7]
    assert "Signature" not in done.failed[7]


def test_bytes_that_are_no_image_once_are_looked_at_again(scripted, jpeg):
    server = image_server(scripted, lambda n: reply(b"busy" if n == 1 else jpeg))
    assert fetch_one(server).frames[0].image == jpeg


def test_bytes_that_are_no_image_and_differ_every_time_prove_nothing(scripted):
    done = fetch_one(image_server(scripted, lambda n: reply(b"busy %d" % n)))
    assert (done.unusable, list(done.failed)) == ({}, [7])


@pytest.mark.parametrize("part", ["/url", "/image"])
def test_a_404_that_passes_loses_nothing(scripted, jpeg, part):
    gone = say({"detail": "File cannot be found on the bucket storage"}, 404)
    n_gone = 0

    def answer(method, path, n):
        nonlocal n_gone
        if method == "POST":
            return LOGIN
        if path.partition("?")[0].endswith(part) and n_gone < 1:
            n_gone += 1
            return gone
        return say({"url": server.url + "/image?Signature=x"}) if path.endswith("/url") else reply(jpeg)

    server = scripted(answer)
    done = fetch_one(server)
    assert (len(done.frames), done.unusable, n_gone) == (1, {}, 1)


@pytest.mark.parametrize("kind", ["url", "image"])
def test_a_frame_is_gone_once_two_404s_came_with_a_pause_between(serve, connect, monkeypatch, kind):
    server = serve(1, frames=1)
    (which,) = server.backlog.ready_ids()
    (detection,) = server.backlog.detections(which)
    (server.faults.url_missing if kind == "url" else server.faults.image_missing).add(detection.id)
    pauses = []
    sleep = asyncio.sleep

    async def pause(seconds):
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(patience.asyncio, "sleep", pause)
    policy = replace(QUICK, base_seconds=0.5, cap_seconds=0.6)
    (done,) = connect(server, retry=policy).download(all_wanted(server))
    assert done.unusable == {detection.id: "gone (404)"}
    assert server.counts[kind] == 2
    assert [0.5 <= seconds <= 0.6 for seconds in pauses] == [True]


@pytest.mark.parametrize(
    "gone",
    [
        Reply(404, b"404 page not found", {"Content-Type": "text/plain"}),
        Reply(404, b"<html>Not found", {"Content-Type": "text/html"}),
        say({"message": "no Route matched"}, 404),
        say("detail", 410),
    ],
    ids=["text", "HTML", "JSON of something else", "JSON that is no object"],
)
def test_a_404_that_is_not_the_annotators_own_never_makes_a_frame_unusable(scripted, gone):
    server = scripted(lambda method, *_: LOGIN if method == "POST" else gone)
    done = fetch_one(server, retry=replace(QUICK, attempts=3))
    assert (done.unusable, list(done.failed)) == ({}, [7])
    assert f"status {gone.status} (3 attempts)" in done.failed[7]


LARGE = {"Content-Length": "64000001"}


def test_an_image_larger_than_memory_should_hold_is_unusable_once_it_was_so_twice(scripted, jpeg):
    server = image_server(scripted, lambda n: reply(b"", **LARGE))
    done = fetch_one(server)
    assert (done.unusable, done.failed) == ({7: "larger than 64 MB"}, {})
    assert server.requests.count(("GET", "/image?Signature=x")) == 2
    server = image_server(scripted, lambda n: reply(b"", **LARGE) if n == 1 else reply(jpeg))
    assert len(fetch_one(server).frames) == 1


def test_a_url_answer_that_is_too_large_says_nothing_about_the_image(scripted):
    large = Reply(200, b"", {"Content-Type": "application/json", **LARGE})
    done = fetch_one(scripted(lambda method, *_: LOGIN if method == "POST" else large))
    assert (done.unusable, list(done.failed)) == ({}, [7])


def test_a_url_that_is_no_url_costs_no_other_frame(serve, connect, monkeypatch):
    server = serve(1, frames=3)
    (which,) = server.backlog.ready_ids()
    bad = server.backlog.detections(which)[1].id
    signed = Connection.get_signed_url

    async def spoil(connection, detection_id):
        return "http://a..b/x" if detection_id == bad else await signed(connection, detection_id)

    monkeypatch.setattr(Connection, "get_signed_url", spoil)
    (done,) = connect(server).download(all_wanted(server))
    assert (len(done.frames), list(done.failed)) == (2, [bad])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "not a url",
        "http://user:secret@127.0.0.1/x",
        "/image",
        "http://",
        "http://a..b/x",  # the URL library lets these through, and the resolver or the socket then raises
        "http://.a/x",
        "http://" + "a" * 70 + ".b/x",
        "http://host:99999/x",
        "http://host:-1/x",
        "http://xn--/x",
        "http://host/half-a-surrogate-\ud800",
        "http://host/" + "a" * 70_000,
    ],
)
def test_a_url_that_cannot_be_fetched_is_a_failure_of_its_frame(scripted, url):
    done = fetch_one(image_server(scripted, lambda n: reply(b""), url=url))
    assert "no usable url" in done.failed[7]
    assert "secret" not in done.failed[7]


def test_a_login_that_is_refused_ends_the_download(serve):
    server = serve(3)
    with open_client(server.api_url, "demo", "wrong") as client, pytest.raises(AuthenticationError):
        list(client.download(all_wanted(server)))
    assert server.counts["login"] == 1


def test_input_is_taken_only_as_far_as_the_window_reaches(serve, connect):
    server = serve(80, frames=2)
    taken = []

    def ask():
        for want in all_wanted(server):
            taken.append(threading.current_thread())
            yield want

    done = connect(server, max_in_flight=2).download(ask())
    assert taken == []
    next(done)
    assert len(taken) <= 4 * 2 // 2 + 2
    # One is looked at to see whether it still fits, and waits.
    wait_until(lambda: server.counts["image"] >= 2 * (len(taken) - 1))
    assert server.counts["image"] <= 2 * len(taken)
    done.close()
    assert set(taken) == {threading.current_thread()}


def test_never_more_requests_are_under_way_than_allowed(serve, connect, monkeypatch):
    under_way, most = 0, 0
    known = Connection._get_json_once, Connection._get_image_once

    def counting(method):
        async def counted(*arguments):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                return await method(*arguments)
            finally:
                under_way -= 1

        return counted

    monkeypatch.setattr(Connection, "_get_json_once", counting(known[0]))
    monkeypatch.setattr(Connection, "_get_image_once", counting(known[1]))
    server = serve(30, latency_ms=5)
    list(connect(server, max_in_flight=5).download(all_wanted(server)))
    assert most == 5


def test_one_hung_frame_does_not_hold_up_what_fits_into_the_window(serve, connect):
    first, release = [], threading.Event()
    faults = Chosen(
        lambda path: "hang" if any(path.startswith(one) for one in first) and not release.is_set() else None
    )
    server = serve(10, frames=2, faults=faults)
    render_pictures(server)
    # The one that hangs goes on being asked for until it is released.
    client = connect(server, max_in_flight=8, timeouts=SHORT, retry=replace(QUICK, attempts=10**6))
    first.append(f"{DETECTION}{server.backlog.detections(server.backlog.ready_ids()[0])[0].id}/")
    results = []
    worker = threading.Thread(target=lambda: results.extend(client.download(all_wanted(server))))
    worker.start()
    try:
        wait_until(lambda: server.counts["image"] >= 19)
        assert results == []
    finally:
        release.set()
        worker.join()
    assert [len(one.frames) for one in results] == [2] * 10


def test_closing_in_the_middle_stops_the_requests(serve, connect):
    # All but the first sequence hang, for much longer than the test waits.
    first = []
    faults = Chosen(
        lambda path: "hang" if path.endswith("/url?") and not any(path.startswith(one) for one in first) else None
    )
    server = serve(40, frames=4, faults=faults)
    first += [f"{DETECTION}{one.id}/" for one in server.backlog.detections(server.backlog.ready_ids()[0])]
    client = connect(server, max_in_flight=4, timeouts=replace(LONG, url=1000.0))
    done = client.download(all_wanted(server))
    next(done)

    async def count_tasks():
        return len(asyncio.all_tasks()) - 1  # this one

    wait_until(lambda: server.counts["url"] == 4 + 4)
    assert client._portal.run(count_tasks()) > 4
    done.close()
    wait_until(lambda: client._portal.run(count_tasks()) == 1)  # what keeps the connection open
    assert server.counts["url"] == 4 + 4


def test_an_error_of_the_input_stops_the_download_and_is_raised(serve, connect):
    server = serve(5)

    def ask():
        yield from list(all_wanted(server))[:2]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(connect(server).download(ask()))


def test_leaving_the_client_ends_its_thread_even_while_a_download_is_open(serve):
    server = serve(20, frames=4, latency_ms=20)
    with open_client(server.api_url) as client:
        done = client.download(all_wanted(server))
        next(done)
    assert "annotator-client" not in {thread.name for thread in threading.enumerate()}
    done.close()
