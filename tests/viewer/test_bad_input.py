"""What nobody should send, and what it is answered with: a status, a sentence, and an unchanged database."""

import json
from dataclasses import dataclass

import httpx
import pytest
from triage_viewer.access.guard import MOST_BYTES
from triage_viewer.context import Context

from tests.groups.review_rows import dump

GROUPS, SEQUENCES = "/api/v1/sequence_groups", "/api/v1/annotations/sequences"
BEYOND = 2**63
INT64 = "9223372036854775807"


@dataclass(frozen=True)
class Bad:
    """One request, and what is expected of its answer."""

    method: str
    path: str
    status: int
    message: str
    body: object = None


def put(status: int, message: str, sequence_id: object = 21, **body: object) -> Bad:
    """An annotation of one sequence."""
    return Bad("PUT", f"{SEQUENCES}/{sequence_id}", status, message, body)


def boxed(message: str, *corners: object, detection_id: object = 2100) -> Bad:
    """An annotation with one box."""
    cluster = {"is_smoke": True, "bboxes": [{"detection_id": detection_id, "xyxyn": corners}]}
    return put(422, message, annotation={"sequences_bbox": [cluster]})


def cluster(message: str, **cluster: object) -> Bad:
    """An annotation with one cluster without boxes."""
    return put(422, message, annotation={"sequences_bbox": [{"is_smoke": True, "bboxes": [], **cluster}]})


def bulk(status: int, message: str, *sequence_ids: object, **body: object) -> Bad:
    """One label for many."""
    return Bad("POST", f"{SEQUENCES}/bulk", status, message, {"sequence_ids": sequence_ids, **body})


ANTENNA = {"false_positive_type": "antenna"}
WILDFIRE = {"smoke_type": "wildfire"}
BAD = [
    # Boxes.
    boxed("xyxyn.3: field required", 0.1, 0.1, 0.2),
    boxed("xyxyn: tuple should have at most 4 items", 0.1, 0.1, 0.2, 0.2, 0.2),
    boxed("input should be a valid number", 0.1, 0.1, 0.2, "0.2"),
    boxed("input should be a valid number", 0.1, 0.1, 0.2, None),
    boxed("input should be a valid number", 0.1, 0.1, 0.2, True),
    boxed("a reversed box: expected x1 <= x2 and y1 <= y2", 0.3, 0.1, 0.2, 0.2),
    boxed("a reversed box", 0.1, 0.3, 0.2, 0.2),
    boxed("a box of zeros is none", 0, 0, 0, 0),
    boxed("input should be a finite number", 0.1, 0.1, 0.2, float("nan")),
    boxed("input should be a finite number", 0.1, 0.1, 0.2, float("inf")),
    boxed("reaches over the border", 0.1, 0.1, 0.2, 1.01),
    boxed("reaches over the border", -0.01, 0.1, 0.2, 0.2),
    # Frames: of another sequence, of none, and beyond every id.
    boxed("found detection 2200; expected one of the 3 detections", 0.1, 0.1, 0.2, 0.2, detection_id=2200),
    boxed("greater than or equal to 1", 0.1, 0.1, 0.2, 0.2, detection_id=0),
    boxed(INT64, 0.1, 0.1, 0.2, 0.2, detection_id=BEYOND),
    # Labels.
    put(422, "input should be 'wildfire', 'industrial' or 'other'", smoke_type="steam"),
    put(422, "false_positive_type: input should be", false_positive_type="Antenna"),
    put(422, "exactly one of smoke_type, false_positive_type and annotation", **WILDFIRE, **ANTENNA),
    put(422, "exactly one of", **ANTENNA, annotation={"sequences_bbox": []}),
    put(422, "exactly one of"),
    put(422, "no clusters, and not unsure", annotation={"sequences_bbox": []}),
    put(422, "is_unsure: input should be a valid boolean", **ANTENNA, is_unsure="no"),
    put(422, "processing_stage: input should be 'imported'", **ANTENNA, processing_stage="done"),
    put(422, "lable: extra inputs are not permitted", **ANTENNA, lable=1),
    put(422, "at most 100 fields, found 101", **{str(number): 1 for number in range(101)}),
    cluster("is smoke, and has false-positive types", false_positive_types=["sky"]),
    cluster("is no smoke, and has a smoke type", is_smoke=False, smoke_type="other"),
    put(422, "at most 10000 items", annotation={"sequences_bbox": [{"is_smoke": True, "bboxes": []}] * 10_001}),
    cluster("at most 19 items", is_smoke=False, false_positive_types=["sky"] * 20),
    # Sequences without boxes, that left the backlog, and that are not there.
    put(422, "no predictions to seed an annotation", 24, **ANTENNA),
    put(422, "no predictions to seed an annotation", 25, **ANTENNA),
    put(404, "There is no sequence 999 in the review database", 999, **ANTENNA),
    put(404, "There is no sequence 9223372036854775807", 2**63 - 1, **ANTENNA),
    put(422, INT64, BEYOND, **ANTENNA),
    put(422, "greater than or equal to 1", 0, **ANTENNA),
    put(422, "unable to parse string as an integer", "all", **ANTENNA),
    Bad("GET", f"{SEQUENCES}/21", 404, "Sequence 21 has no annotation"),
    Bad("GET", f"{SEQUENCES}/22?stage=1", 422, "Unknown query parameters: stage."),
    # Bulk.
    bulk(422, "found both, wildfire and antenna; expected exactly one", 11, **WILDFIRE, **ANTENNA),
    bulk(422, "found neither; expected exactly one", 11),
    bulk(422, "at least 1 item", **ANTENNA),
    bulk(422, "sequence_ids: list should have at most 100000 items", *range(100_001), **ANTENNA),
    # A list is read up to the first item that cannot be used.
    bulk(422, "sequence_ids.1: input should be a valid integer.", 11, *["12"] * 10, **ANTENNA),
    bulk(422, INT64, 11, BEYOND, **ANTENNA),
    bulk(422, "valid integer", 11, "12", **ANTENNA),
    bulk(422, "valid integer", 11, 12.5, **ANTENNA),
    bulk(422, "valid integer", True, **ANTENNA),
    bulk(422, "input should be 'wildfire'", 11, smoke_type="unknown"),
    bulk(422, "force: input should be a valid boolean", 11, **ANTENNA, force=1),
    bulk(404, "There is no group 9", 11, **ANTENNA, group_id=9),
    bulk(422, "group_id", 11, **ANTENNA, group_id=BEYOND),
    bulk(400, "Not members of group 1: 21, 41, 999", 11, 21, 41, 999, **ANTENNA, group_id=1),
    bulk(409, "Group 3 carries another label; found false positive: antenna", 31, **WILDFIRE, group_id=3),
    Bad("POST", f"{SEQUENCES}/bulk", 422, "sequence_ids: field required", {}),
    Bad("POST", f"{SEQUENCES}/bulk", 422, "body: field required"),
    # Groups that are not there, and what cannot be set on them.
    Bad("GET", f"{GROUPS}/9", 404, "There is no group 9"),
    Bad("GET", f"{GROUPS}/{BEYOND}", 422, INT64),
    Bad("GET", f"{GROUPS}/-1", 422, "greater than or equal to 1"),
    Bad("GET", f"{GROUPS}/1?page=2", 422, "page: extra inputs are not permitted"),
    Bad("GET", f"{GROUPS}/9/decisions", 404, "There is no group 9"),
    Bad("PATCH", f"{GROUPS}/9", 404, "There is no group 9", {"is_validated": True}),
    Bad("PATCH", f"{GROUPS}/1", 422, "nothing is given to be set", {}),
    Bad("PATCH", f"{GROUPS}/1", 422, "valid boolean", {"is_validated": None}),
    Bad("PATCH", f"{GROUPS}/1", 422, "valid boolean", {"is_validated": "true"}),
    Bad("PATCH", f"{GROUPS}/1", 422, "lable: extra inputs", {"is_validated": True, "lable": "sky"}),
    Bad("PATCH", f"{GROUPS}/1", 422, "found both", {**WILDFIRE, **ANTENNA}),
    Bad("PATCH", f"{GROUPS}/1", 422, "as null", {"smoke_type": None}),
    Bad("PATCH", f"{GROUPS}/1", 422, "valid boolean", {"is_unsure": None}),
    Bad("PATCH", f"{GROUPS}/9", 404, "There is no group 9", WILDFIRE),
    Bad("DELETE", f"{GROUPS}/9/members/11", 404, "There is no group 9"),
    Bad("DELETE", f"{GROUPS}/1/members/999", 404, "There is no sequence 999"),
    Bad("DELETE", f"{GROUPS}/1/members/21", 400, "Not members of group 1: 21"),
    Bad("DELETE", f"{GROUPS}/1/members/{BEYOND}", 422, INT64),
    Bad("POST", f"{GROUPS}/members/999/re-include", 404, "There is no sequence 999"),
    Bad("POST", f"{GROUPS}/assign?joining=freeze", 422, "Unknown query parameters: joining."),
    Bad("GET", f"{GROUPS}/9/excluded", 404, "There is no group 9"),
    Bad("GET", f"{GROUPS}/1/excluded?size=0", 422, "size: input should be greater than or equal to 1"),
    Bad("GET", f"{GROUPS}/facets?min_members=1", 422, "Unknown query parameters: min_members."),
    # Sequences that are not there.
    Bad("GET", "/api/v1/sequences/999/standing", 404, "There is no sequence 999"),
    Bad("GET", f"/api/v1/sequences/{BEYOND}/standing", 422, INT64),
    Bad("GET", "/api/v1/sequences/21/standing?at=1", 422, "Unknown query parameters: at."),
    Bad("GET", "/api/v1/sequences/999/decisions", 404, "There is no sequence 999"),
    Bad("GET", "/api/v1/sequences/21/decisions?page=0", 422, "page: input should be greater than or equal to 1"),
    Bad("GET", "/api/v1/me?name=ada", 422, "Unknown query parameters: name."),
    # Filters: a misspelt one would list everything.
    Bad("GET", f"{GROUPS}/?camera=5", 422, "camera: extra inputs are not permitted"),
    Bad("GET", f"{GROUPS}/stats?label_sate=all", 422, "label_sate: extra inputs"),
    Bad("GET", f"{GROUPS}/stats?page=1", 422, "page: extra inputs"),
    Bad("GET", f"{GROUPS}/?label_state=labelled", 422, "label_state"),
    Bad("GET", f"{GROUPS}/?is_validated=maybe", 422, "is_validated: input should be a valid boolean"),
    Bad("GET", f"{GROUPS}/?azimuth=north", 422, "azimuth: input should be a valid integer"),
    Bad("GET", f"{GROUPS}/?azimuth={BEYOND}", 422, INT64),
    Bad("GET", f"{GROUPS}/?organization=South", 422, "found 'South'; expected one of north-7"),
    Bad("GET", f"{GROUPS}/?organization=%00", 422, "No organization is called that"),
    Bad("GET", f"{GROUPS}/?min_members=0", 422, "min_members: input should be greater than or equal to 1"),
    Bad("GET", f"{GROUPS}/?order_by=label", 422, "order_by: input should be"),
    Bad("GET", f"{GROUPS}/?page=0", 422, "page: input should be greater than or equal to 1"),
    Bad("GET", f"{GROUPS}/?size=101", 422, "size: input should be less than or equal to 100"),
    Bad("GET", "/api/v1/nothing", 404, "There is nothing under this path"),
    Bad("DELETE", f"{GROUPS}/1", 405, "Method Not Allowed"),
]


def test_bad_input_gets_its_status_and_a_sentence_and_changes_nothing(context: Context, client: httpx.Client) -> None:
    """All of it against one database of each kind: one that was changed would show at once."""
    before = dump(context.review)
    for bad in BAD:
        content = None if bad.body is None else json.dumps(bad.body)
        answer = client.request(bad.method, bad.path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == bad.status, (bad, answer.text)
        detail = answer.json()["detail"]
        assert isinstance(detail, str), bad
        assert bad.message in detail, (bad, detail)
        assert dump(context.review) == before, bad


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"null", b'"x"', b"\xff\xfe", b'{"sequence_ids": 1e999}', b"[" * 5000]
)
def test_what_is_no_json_object_is_refused(context: Context, client: httpx.Client, body: bytes) -> None:
    before = dump(context.review)
    answer = client.post(f"{SEQUENCES}/bulk", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert isinstance(answer.json()["detail"], str)
    assert dump(context.review) == before


OWN = {"Origin": "SELF", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        # A program, and this server's own page.
        ({}, 200),
        (OWN, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        # Another site, a sandboxed page, another port of this machine, and the same under another scheme.
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({**OWN, "Sec-Fetch-Site": "cross-site"}, 403),
        # Another site's name that was made to point here: to the browser, its pages are of this origin.
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "evil@127.0.0.2"}, 403),
        ({"Host": "[::1"}, 403),
    ],
)
def test_decisions_are_taken_on_this_servers_own_pages(
    context: Context, client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    before = dump(context.review)
    own = str(client.base_url).rstrip("/")
    sent = {name: value.replace("SELF", own) for name, value in headers.items()}
    answer = client.patch(f"{GROUPS}/1", json={"is_validated": True}, headers=sent)
    assert answer.status_code == status, answer.text
    assert (dump(context.review) == before) == (status != 200)
    if "Host" in headers:
        assert client.get(f"{GROUPS}/", headers=sent).status_code == 403, "nor may such a page read"


def test_a_body_beyond_any_use_is_not_read(client: httpx.Client) -> None:
    answer = client.post(f"{SEQUENCES}/bulk", content=b"[" * (MOST_BYTES + 1))
    assert answer.status_code == 413
    answer = client.post(f"{SEQUENCES}/bulk", content=iter([b"[]"]))
    assert (answer.status_code, answer.json()["detail"]) == (
        411,
        "A request says how long it is: Content-Length is needed.",
    )
