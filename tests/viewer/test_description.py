"""The OpenAPI description, against what is answered."""

import re
from typing import Any

import httpx
import pytest
from triage_viewer.access.guard import MOST_BYTES
from triage_viewer.app import create_app
from triage_viewer.context import Context

from tests.viewer.test_bad_input import BAD

PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}


@pytest.fixture
def description(context: Context) -> dict[str, Any]:
    """What a client is generated from."""
    return create_app(context).openapi()


def operation_of(description: dict[str, Any], method: str, url: str) -> dict[str, Any] | None:
    """The operation that a request is, by the path that says the most; None where there is none."""
    asked = url.partition("?")[0]
    for path in sorted(description["paths"], key=lambda each: each.count("{")):
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), asked) and method.lower() in description["paths"][path]:
            operation: dict[str, Any] = description["paths"][path][method.lower()]
            return operation
    return None


def declares(operation: dict[str, Any], status: int) -> bool:
    """Whether a problem of this status is one of the operation's answers."""
    answer = operation["responses"].get(str(status))
    return answer is not None and answer["content"]["application/json"] == PROBLEM


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_every_refusal_of_bad_input_is_declared(description: dict[str, Any]) -> None:
    without = set()
    for bad in BAD:
        operation = operation_of(description, bad.method, bad.path)
        if operation is None:
            without.add(bad.status)
        else:
            assert declares(operation, bad.status), bad
    assert without == {404, 405}, "only what is no operation is not declared"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_every_operation_declares_what_any_request_may_meet(description: dict[str, Any]) -> None:
    n_operations = 0
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            expected = {401, 403, 422, 500, 503}
            expected |= set() if method == "get" else {411, 413}
            expected |= {400} if "requestBody" in operation else set()
            expected |= {404} if "_id}" in path else set()
            missing = {status for status in expected if not declares(operation, status)}
            assert not missing, (method, path, missing)
            assert "Retry-After" in operation["responses"]["503"]["headers"]
            n_operations += 1
    assert n_operations >= 15
    assert "HTTPValidationError" not in description["components"]["schemas"], "which nothing here answers"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_every_answer_has_an_exact_type(description: dict[str, Any]) -> None:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for kind, content in operation["responses"].get("200", {}).get("content", {}).items():
                assert content.get("schema"), (method, path, kind)
    for name, schema in description["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            assert {"type", "$ref", "anyOf", "const", "enum"} & described.keys(), (name, field, "may be anything")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/api/v1/sequence_groups/{group_id}", ("patch", {"If-Match"})),
        ("/api/v1/annotations/sequences/{sequence_id}", ("put", {"If-Match", "If-None-Match"})),
    ],
)
def test_tags_and_what_they_are_for_are_declared(
    description: dict[str, Any], path: str, changes: tuple[str, set[str]]
) -> None:
    method, expected = changes
    operations = description["paths"][path]
    for each in ("get", method):
        assert operations[each]["responses"]["200"]["headers"]["ETag"]["required"]
    headers = {given["name"] for given in operations[method]["parameters"] if given["in"] == "header"}
    assert {name.title() for name in headers} == expected


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Host": "elsewhere.example"}, b"{}", 403),
        ({}, iter([b"{}"]), 411),
        ({}, b" " * (MOST_BYTES + 1), 413),
        # Nested beyond what is read, and no text at all.
        ({"Content-Type": "application/json"}, b"[" * 1_000_000, 400),
        ({"Content-Type": "application/json"}, b"\xff", 400),
    ],
)
def test_refusals_before_any_field_is_read_are_declared(
    client: httpx.Client, description: dict[str, Any], headers: dict[str, str], content: Any, status: int
) -> None:
    path = "/api/v1/annotations/sequences/bulk"
    answer = client.post(path, headers=headers, content=content)
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    operation = operation_of(description, "POST", path)
    assert operation and declares(operation, status)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_crowd_of_faults_is_answered_in_a_few_words(client: httpx.Client) -> None:
    """Each list of a request up to its first fault: none of these takes what naming all of them would."""
    numbers = {str(number): 0 for number in range(100_000)}
    crowds: list[tuple[str, str, object, str]] = [
        ("POST", "bulk", {"sequence_ids": ["x"] * 100_000, "smoke_type": "other"}, "sequence_ids.0: "),
        ("PUT", "21", {"annotation": {"sequences_bbox": [0] * 100_000}}, "sequences_bbox.0: "),
        ("PUT", "21", {"annotation": {"sequences_bbox": [{"bboxes": [0] * 100_000}] * 2}}, "sequences_bbox.0.bboxes.0"),
        ("PUT", "21", numbers, "at most 100 fields, found 100,000"),
    ]
    for method, path, body, message in crowds:
        answer = client.request(method, f"/api/v1/annotations/sequences/{path}", json=body)
        assert answer.status_code == 422
        assert message in answer.json()["detail"]
        assert len(answer.text) < 300
        assert "more" not in answer.text, "only faults that were looked for are counted"
