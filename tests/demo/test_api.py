"""The API gives the answers that real servers gave, in form, and keeps their traps."""

import hashlib
import io
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from triage_assets.demo.backlog import READY, DemoBacklog
from triage_assets.demo.server import DemoAnnotator

from .conftest import Caller, sample


def form(value: Any) -> Any:
    """The keys in order and the kinds of values; null stands for any kind."""
    if isinstance(value, dict):
        return {key: form(one) for key, one in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    if isinstance(value, str):
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", value):
            return "time with T and Z"
        if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?\+00:00", value):
            return "time with space and offset"
        return "text"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return None


def assert_same_form(found: Any, expected: Any, where: str = "body") -> None:
    if isinstance(expected, dict) and isinstance(found, dict):
        assert list(found) == list(expected), where
        for key in expected:
            assert_same_form(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        for one in found[:1] if expected else []:
            assert_same_form(one, expected[0], f"{where}[0]")
    elif found is not None and expected is not None:
        assert form(found) == form(expected), where


@pytest.fixture(params=["newer", "older"])
def versioned(request: pytest.FixtureRequest, backlog: DemoBacklog) -> Iterator[tuple[str, Caller]]:
    with DemoAnnotator(backlog, version=request.param, cache_folder=None) as server:
        asking = Caller(server)
        yield request.param, asking
        asking.close()


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("sequences-page", "sequences/", {"size": 3, "page": 2, "processing_stage": READY}),
        (
            "sequences-include-annotation",
            "sequences/",
            {"size": 1, "include_annotation": "true", "processing_stage": READY},
        ),
        ("detections-page", "detections/", {"sequence_id": 1}),
        ("detections-page", "detections/", {"sequence_id": 25}),
        ("annotations-page", "annotations/sequences/", {"size": 2}),
        ("detection-url", "detections/1000/url", {}),
    ],
)
def test_answers_have_the_form_of_recorded_ones(
    versioned: tuple[str, Caller], name: str, path: str, query: dict[str, object]
) -> None:
    version, caller = versioned
    recorded = sample(f"{version}-{name}")["body"]
    found = caller.json(path, **query)
    assert found.get("items", True), "an empty page would compare nothing"
    assert_same_form(found, recorded)


@pytest.mark.parametrize(
    ("case", "path"),
    [
        ("query-422", "sequences/?size=101"),
        ("overflow-500", "sequences/99999999999"),
        ("sequence-404", "sequences/999999"),
        ("detection-url-404", "detections/999999999/url"),
    ],
)
def test_errors_equal_recorded_ones(versioned: tuple[str, Caller], case: str, path: str) -> None:
    version, caller = versioned
    recorded = sample(f"{version}-errors-and-edges")["cases"][case]
    answer = caller.get(path)
    assert (answer.status_code, answer.json()) == (recorded["status"], recorded["body"])


@pytest.mark.parametrize("case", ["organizations", "cameras", "sequence-one"])
def test_single_answers_have_the_form_of_recorded_ones(versioned: tuple[str, Caller], case: str) -> None:
    version, caller = versioned
    recorded = sample(f"{version}-errors-and-edges")["cases"][case]
    assert_same_form(caller.json(recorded["request"]["path"].removeprefix("/api/v1/")), recorded["body"])


def test_organizations_are_those_of_the_recorded_samples(caller: Caller) -> None:
    recorded = sample("newer-errors-and-edges")["cases"]["organizations"]["body"]
    assert caller.json("organizations/") == recorded


def test_login_and_token_errors_equal_recorded_ones(server: DemoAnnotator, caller: Caller) -> None:
    cases = sample("newer-errors-and-edges")["cases"]
    url = f"{server.api_url}/api/v1"
    wrong = requests.post(f"{url}/auth/login", json={"username": "demo", "password": "no"}, timeout=10)
    assert (wrong.status_code, wrong.json()) == (401, cases["login-401"]["body"])
    missing = requests.get(f"{url}/sequences/", timeout=10)
    assert (missing.status_code, missing.json()) == (403, cases["auth-missing-403"]["body"])
    bad = requests.get(f"{url}/sequences/", headers={"Authorization": "Bearer x"}, timeout=10)
    assert (bad.status_code, bad.json()) == (401, cases["auth-bad-token-401"]["body"])
    server.expire_tokens()
    assert caller.get("users/me").status_code == 401
    caller.log_in()
    assert caller.json("users/me")["username"] == "demo"


def test_tokens_live_as_long_as_told(backlog: DemoBacklog) -> None:
    with DemoAnnotator(backlog, token_seconds=0.0, cache_folder=None) as server:
        caller = Caller(server)
        assert caller.get("users/me").status_code == 401
        caller.close()


def test_pages_cover_every_ready_sequence_once(caller: Caller, backlog: DemoBacklog) -> None:
    pages = [caller.json("sequences/", size=25, page=page, processing_stage=READY) for page in (1, 2, 3, 4)]
    ids = [item["id"] for page in pages for item in page["items"]]
    assert sorted(ids) == list(backlog.ready_ids())
    assert [len(page["items"]) for page in pages] == [25, 25, 10, 0]
    assert {(page["total"], page["pages"]) for page in pages} == {(60, 3)}


@pytest.mark.parametrize("field", ["created_at", "recorded_at"])
@pytest.mark.parametrize("descending", [False, True])
def test_listing_is_ordered_as_asked(caller: Caller, field: str, descending: bool) -> None:
    direction = "desc" if descending else "asc"
    items = caller.json("sequences/", size=100, order_by=field, order_direction=direction)["items"]
    times = [item[field].replace("Z", "").ljust(26, ".") for item in items]
    assert times == sorted(times, reverse=descending)


def test_filters_match_exactly(caller: Caller, backlog: DemoBacklog) -> None:
    for organization in {row.organization for row in backlog.sequences}:
        found = caller.json("sequences/", size=100, organisation_name=organization.name, processing_stage=READY)
        assert sorted(item["id"] for item in found["items"]) == list(backlog.ready_ids(organization))
    assert caller.json("sequences/", organisation_name="sdis")["total"] == 0
    assert caller.json("sequences/", camera_name="brison-00", camera_id=1001)["total"] == 0
    sources = caller.json("sequences/", source_api="api_cenia", size=100)["items"]
    assert {item["organisation_name"] for item in sources} == {"CENIA Ñuble"}


def test_the_time_range_includes_its_ends(caller: Caller) -> None:
    items = caller.json("sequences/", order_by="recorded_at", order_direction="asc", size=100)["items"]
    first, last = items[10]["recorded_at"], items[20]["recorded_at"]
    found = caller.json("sequences/", recorded_at_gte=first, recorded_at_lte=last, size=100)["items"]
    assert {item["id"] for item in found} == {item["id"] for item in items[10:21]}


def test_an_unknown_stage_lists_everything(versioned: tuple[str, Caller], backlog: DemoBacklog) -> None:
    version, caller = versioned
    assert caller.json("sequences/", processing_stage="bogus")["total"] == len(backlog.sequences)
    # What one version filters by, the other ignores.
    expected = 0 if version == "older" else len(backlog.sequences)
    assert caller.json("sequences/", processing_stage="in_review")["total"] == expected


def test_stages_can_be_repeated_and_annotations_refuse_unknown_ones(caller: Caller, backlog: DemoBacklog) -> None:
    other = sum(row.stage == "annotated" for row in backlog.sequences)
    both = caller.json("sequences/", processing_stage=[READY, "annotated"])
    assert (both["total"], other) == (60 + other, 2)
    assert caller.get("annotations/sequences/", processing_stage="bogus").status_code == 422
    ready = caller.json("annotations/sequences/", processing_stage=READY, size=100)
    assert {item["sequence_id"] for item in ready["items"]} == set(backlog.ready_ids())


def test_a_missing_slash_redirects_and_the_root_is_a_web_page(server: DemoAnnotator, caller: Caller) -> None:
    moved = caller.get("sequences", size=2)
    assert (moved.status_code, moved.headers["Location"]) == (307, f"{server.api_url}/api/v1/sequences/?size=2")
    page = requests.get(server.api_url + "/", timeout=10)
    assert page.headers["Content-Type"].startswith("text/html")


def test_ties_follow_updates(caller: Caller, backlog: DemoBacklog) -> None:
    backlog.tie_times(backlog.ready_ids())
    before = [item["id"] for item in caller.json("sequences/", size=100, processing_stage=READY)["items"]]
    backlog.touch([before[0]])
    after = [item["id"] for item in caller.json("sequences/", size=100, processing_stage=READY)["items"]]
    assert after == [*before[1:], before[0]]


def test_pictures_come_from_another_port_with_etag_and_ranges(server: DemoAnnotator, caller: Caller) -> None:
    url = caller.picture_url(1000)
    assert urlsplit(url).port == server.image_port != server.port
    whole = requests.get(url, timeout=10)
    assert whole.headers["Content-Type"] == "binary/octet-stream"
    assert whole.headers["ETag"] == f'"{hashlib.md5(whole.content).hexdigest()}"'
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    assert Image.open(io.BytesIO(whole.content)).size == (64, 36)
    part = requests.get(url, headers={"Range": "bytes=10-19"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert requests.get(url, headers={"Range": f"bytes={len(whole.content)}-"}, timeout=10).status_code == 416


def test_a_changed_or_expired_signature_is_refused(backlog: DemoBacklog, caller: Caller) -> None:
    url = caller.picture_url(1000)
    changed = requests.get(url[:-1] + ("0" if url[-1] != "0" else "1"), timeout=10)
    assert (changed.status_code, changed.headers["Content-Type"]) == (403, "application/xml")
    other = url.replace("det1000_", "det2000_")
    assert requests.get(other, timeout=10).status_code == 403
    with DemoAnnotator(backlog, url_seconds=0, cache_folder=None) as hasty:
        asking = Caller(hasty)
        expired = asking.picture(1000)
        asking.close()
    recorded = sample("newer-errors-and-edges")["cases"]["signed-url-expired-403"]
    assert (expired.status_code, expired.text) == (recorded["status"], recorded["body"])


def test_a_token_on_the_picture_port_is_refused_and_recorded(server: DemoAnnotator, caller: Caller) -> None:
    url = caller.picture_url(1000)
    assert server.leaked_tokens == []
    assert caller.session.get(url, timeout=10).status_code == 400
    assert [record.port for record in server.leaked_tokens] == [server.image_port]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/annotations/sequences/bulk"),
        ("POST", "/api/v1/auth/login/other"),
        ("PUT", "/api/v1/sequences/1"),
        ("PATCH", "/api/v1/auth/login"),  # the login's path, but not the login
        ("DELETE", "/api/v1/sequences/1"),
        ("HEAD", "/api/v1/sequences/"),
        ("OPTIONS", "/"),
    ],
)
def test_every_write_is_recorded_and_refused(server: DemoAnnotator, caller: Caller, method: str, path: str) -> None:
    answer = caller.session.request(method, server.api_url + path, timeout=10)
    assert answer.status_code == 405
    assert [(record.method, record.path) for record in server.refused_writes] == [(method, path)]


def test_requests_are_counted_by_kind(server: DemoAnnotator, caller: Caller) -> None:
    caller.json("sequences/")
    caller.json("detections/", sequence_id=1)
    caller.picture(1000)
    caller.json("cameras/")
    assert server.counts == {"login": 1, "listing": 1, "detections": 1, "url": 1, "image": 1, "other": 1}
    assert [record.had_authorization for record in server.requests] == [False, True, True, True, False, True]


def test_annotated_sequences_say_what_they_were(caller: Caller, backlog: DemoBacklog) -> None:
    found = caller.json("sequences/", processing_stage="annotated", include_annotation="true")["items"]
    assert found
    for item in found:
        assert item["annotation"]["has_smoke"] == backlog.is_smoke(item["id"])
    ready = caller.json("sequences/", processing_stage=READY, include_annotation="true", size=100)["items"]
    # Nobody has looked yet: the server calls everything smoke.
    assert all(item["annotation"]["has_smoke"] for item in ready)


def test_boxes_are_four_decimals_inside_the_picture(caller: Caller, backlog: DemoBacklog) -> None:
    boxes = [
        box["xyxyn"]
        for sequence_id in backlog.ready_ids()[:20]
        for detection in caller.json("detections/", sequence_id=sequence_id, size=100)["items"]
        for box in detection["algo_predictions"]["predictions"]
    ]
    assert len(boxes) > 50
    for x1, y1, x2, y2 in boxes:
        assert 0 <= x1 < x2 <= 1
        assert 0 <= y1 < y2 <= 1
        assert all(math.isclose(edge, round(edge, 4), abs_tol=0) for edge in (x1, y1, x2, y2))


def test_the_server_by_itself_runs_until_interrupted() -> None:
    code = (
        "from triage_assets.demo.server import run_forever\n"
        "run_forever(port=0, sequences=3, announce=lambda server: print(server.api_url, flush=True))"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(url, timeout=10).status_code == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
