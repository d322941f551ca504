"""What is right to ask and cannot be had: a database or a store in trouble, and faults of the server itself."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
from triage_viewer.context import Context

from tests.groups.review_rows import dump
from tests.viewer.conftest import serve
from triage_assets.review.database import open_review
from triage_assets.review.decisions import DecisionWriter
from triage_assets.review.records import Annotation

GROUPS, SEQUENCES = "/api/v1/sequence_groups", "/api/v1/annotations/sequences"
ANTENNA = {"false_positive_type": "antenna"}
ANNOTATIONS = [
    ("PUT", f"{SEQUENCES}/21", ANTENNA),
    ("POST", f"{SEQUENCES}/bulk", {"sequence_ids": [21, 22], "group_id": 2, **ANTENNA}),
]


@pytest.mark.parametrize(("method", "path", "body"), ANNOTATIONS)
def test_a_database_that_is_gone_in_the_middle_is_said_without_its_secrets(
    context: Context,
    client: httpx.Client,
    review_url: str,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: dict[str, object],
) -> None:
    """After annotations were written, and before the group was: PostgreSQL ends the session, SQLite takes no more."""
    before = dump(context.review)
    save_annotations = DecisionWriter.save_annotations

    def save_and_break(writer: DecisionWriter, annotations: Iterable[Annotation]) -> None:
        save_annotations(writer, annotations)
        connection = writer._write.connection
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only=1")
        else:
            session = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with context.review.read() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({session})")

    monkeypatch.setattr(DecisionWriter, "save_annotations", save_and_break)
    answer = client.request(method, path, json=body)
    assert answer.status_code == 503, answer.text
    assert answer.json()["detail"].endswith("The server's log says why.")
    assert "sqlite" not in answer.text
    assert "postgres" not in answer.text
    with closing(open_review(review_url)) as reopened:
        assert dump(reopened) == before


def test_a_database_that_another_write_holds_asks_to_try_again(context: Context, review_url: str) -> None:
    before = dump(context.review)
    with closing(open_review(review_url, busy_seconds=0.2)) as impatient:
        with serve(replace(context, review=impatient)) as client, context.review.write():
            answers = [client.request(method, path, json=body) for method, path, body in ANNOTATIONS]
            assert client.get(f"{GROUPS}/").status_code == 200, "readers wait for nobody"
        for answer in answers:
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5")
            assert "Try again" in answer.json()["detail"]
    numbering = {"review_state": [], "write_tokens": []}  # of the write that was in the way
    assert dump(context.review) | numbering == before | numbering


def test_a_store_that_cannot_be_read_is_said_without_its_place(context: Context, client: httpx.Client) -> None:
    context.store.write("sequences/organization=north-7/sequences.parquet", b"not a table")
    before = dump(context.review)
    answer = client.put(f"{SEQUENCES}/21", json=ANTENNA)
    assert answer.status_code == 503
    assert context.store.location not in answer.text
    assert dump(context.review) == before


def test_a_fault_of_the_server_shows_nothing_of_it(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("SELECT password FROM secrets")

    monkeypatch.setattr("triage_viewer.routes.groups.count_groups", fail)
    answer = client.get(f"{GROUPS}/stats")
    assert (answer.status_code, list(answer.json())) == (500, ["detail"])
    assert "password" not in answer.text
