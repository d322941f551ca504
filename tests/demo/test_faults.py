"""The server misbehaves exactly as told."""

import io
import json
import math
import time
from typing import Any

import pytest
import requests
from PIL import Image

from triage_assets.demo.backlog import READY, DemoBacklog
from triage_assets.demo.faults import Faults
from triage_assets.demo.server import DemoAnnotator

from .conftest import Caller


def test_without_switches_nothing_is_spoiled(caller: Caller) -> None:
    assert {caller.get("sequences/", page=page).status_code for page in range(1, 40)} == {200}


@pytest.mark.parametrize(("rate", "status"), [("error_rate", 500), ("throttle_rate", 429)])
def test_spoiled_requests_recover_within_the_promised_attempts(
    server: DemoAnnotator, caller: Caller, rate: str, status: int
) -> None:
    setattr(server.faults, rate, 1.0)
    server.faults.retry_after_seconds = 0.5
    answers = [caller.get("users/me") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [status, status, 200, status, status, 200]
    assert answers[0].headers.get("Retry-After") == ("0.5" if status == 429 else None)


def test_a_rate_spoils_about_that_share_and_always_the_same_requests(backlog: DemoBacklog) -> None:
    spoiled = []
    for _ in range(2):
        with DemoAnnotator(backlog, faults=Faults(seed=3), cache_folder=None) as server:
            caller = Caller(server)
            server.faults.error_rate = 0.2
            spoiled.append([caller.get("sequences/", page=page).status_code for page in range(1, 201)])
            caller.close()
    assert 20 < spoiled[0].count(500) < 60
    assert spoiled[0] == spoiled[1]


def test_picture_errors_have_the_storage_form(server: DemoAnnotator, caller: Caller) -> None:
    url = caller.picture_url(1000)
    server.faults.throttle_rate = 1.0
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.headers["Content-Type"] == "application/xml"


def test_truncated_bodies_announce_their_full_length(server: DemoAnnotator, caller: Caller) -> None:
    whole = caller.picture(1000).content
    url = caller.picture_url(1000)
    server.faults.truncate_rate = 1.0
    with requests.get(url, timeout=10, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) == len(whole)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = answer.content
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        caller.get("sequences/")


def test_a_hung_request_is_accepted_and_never_answered(server: DemoAnnotator, caller: Caller) -> None:
    server.faults.hang_rate = 1.0
    with pytest.raises(requests.exceptions.ReadTimeout):
        caller.get("users/me", timeout=0.3)
    while server.counts["other"] == 0:  # a slow machine may look at it only now; the suite's own time-out bounds this
        time.sleep(0.01)
    assert server.counts["other"] == 1
    server.faults.hang_rate = 0.0
    assert caller.get("users/me").status_code == 200


def test_tokens_expire_in_the_middle_once(server: DemoAnnotator, caller: Caller) -> None:
    server.faults.unauthorized_after = 3
    assert [caller.get("users/me").status_code for _ in range(5)] == [200, 200, 200, 401, 401]
    caller.log_in()
    assert [caller.get("users/me").status_code for _ in range(5)] == [200] * 5


def walk(caller: Caller, size: int = 20) -> list[int]:
    first = caller.json("sequences/", size=size, processing_stage=READY)
    pages = [first] + [
        caller.json("sequences/", size=size, page=page, processing_stage=READY) for page in range(2, first["pages"] + 1)
    ]
    return [item["id"] for page in pages for item in page["items"]]


def test_rows_inserted_while_listing_come_twice(server: DemoAnnotator, caller: Caller) -> None:
    server.faults.drift_inserts = 2
    ids = walk(caller)
    assert len(ids) - len(set(ids)) == 2
    assert walk(caller) == list(dict.fromkeys(walk(caller)))


def test_rows_leaving_while_listing_hide_others(server: DemoAnnotator, caller: Caller, backlog: DemoBacklog) -> None:
    server.faults.drift_leaves = 1
    ids = walk(caller)
    # One that left was listed on the first page, and one that stayed was pushed over a page's edge.
    assert len(set(backlog.ready_ids()) - set(ids)) == 1
    assert len(set(ids) - set(backlog.ready_ids())) == 1


def test_reordered_ties_come_twice_and_never_under_the_same_total(
    server: DemoAnnotator, caller: Caller, backlog: DemoBacklog
) -> None:
    backlog.tie_times(backlog.ready_ids())
    server.faults.reorder_ties = 2
    ids = walk(caller)
    assert len(ids) == 60
    assert len(set(ids)) < 60
    assert sorted(walk(caller)) == list(backlog.ready_ids())


def test_vanished_pictures_answer_404_where_told(server: DemoAnnotator, caller: Caller) -> None:
    server.faults.url_missing.add(1000)
    server.faults.image_missing.add(1001)
    gone = caller.get("detections/1000/url")
    assert (gone.status_code, gone.json()) == (404, {"detail": "File cannot be found on the bucket storage"})
    assert caller.picture(1001).status_code == 404
    assert caller.picture(1002).status_code == 200


def test_bad_content_is_served_under_a_good_name(server: DemoAnnotator, caller: Caller) -> None:
    whole = caller.picture(1000).content
    server.faults.content[1000] = "empty"
    assert caller.picture(1000).content == b""
    server.faults.content[1000] = "truncated"
    cut = caller.picture(1000)
    assert 0 < len(cut.content) < len(whole)
    assert int(cut.headers["Content-Length"]) == len(cut.content)
    server.faults.content[1000] = "text"
    assert caller.picture(1000).text.isascii()
    server.faults.content[1000] = "png"
    png = Image.open(io.BytesIO(caller.picture(1000).content))
    assert (png.format, png.size) == ("PNG", (64, 36))
    assert ".jpg?" in caller.picture_url(1000)
    del server.faults.content[1000]
    assert caller.picture(1000).content == whole


def test_the_wrong_host_answers_web_pages(server: DemoAnnotator, caller: Caller) -> None:
    server.faults.html_instead = True
    for path in ("sequences/", "sequences", "detections/1000/url"):
        answer = caller.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    login = requests.post(f"{server.api_url}/api/v1/auth/login", json={}, timeout=10)
    assert login.text.startswith("<!doctype html>")


def listed(caller: Caller, sequence_id: int, **query: object) -> Any:
    answer = caller.get("sequences/", size=100, order_direction="asc", **query)
    return next(item for item in json.loads(answer.text)["items"] if item["id"] == sequence_id)


def test_bad_rows_stand_among_good_ones(server: DemoAnnotator, caller: Caller) -> None:
    server.faults.rows.update({1: "null_lat", 2: "rubbish", 3: "nan"})
    assert listed(caller, 1)["lat"] is None
    assert listed(caller, 2)["recorded_at"] == "yesterday, at dusk"
    assert listed(caller, 3)["lat"] is None
    assert "NaN" in caller.get("sequences/", size=100, order_direction="asc", include_annotation="true").text
    assert math.isnan(listed(caller, 3, include_annotation="true")["lat"])
    assert isinstance(listed(caller, 4)["lat"], float)


def test_a_taken_port_is_an_error_at_once(server: DemoAnnotator, backlog: DemoBacklog) -> None:
    with pytest.raises(OSError, match="address already in use"), DemoAnnotator(backlog, port=server.port):
        pass
