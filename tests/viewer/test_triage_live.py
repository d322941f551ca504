"""The split while the store changes, and stores that are missing, damaged, or of another version."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from triage_viewer.backlog import live
from triage_viewer.backlog.live import LiveBacklog
from triage_viewer.frames.kept import Kept

from tests.viewer.triage_stores import serve_store, store_split
from triage_assets.errors import NoWorklists, WorklistsUnusable
from triage_assets.folder_store import FolderStore
from triage_assets.review.records import Stage
from triage_assets.store import StoredObject

TRIAGE = "/api/v1/triage"
ROUTES = (
    "facets",
    "rows",
    "summary",
    "scores",
    "download?format=csv",
    "command?threshold=0.5",
    "cameras?organization=a",
)
RESULTS, RECORD = "worklists/results.parquet", "worklists/model_config.json"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request looks at the store."""
    monkeypatch.setattr(live, "_LOOK_SECONDS", 0.0)


def wait_for(client: httpx.Client, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The facets once they are as expected."""
    for _ in range(600):
        answer = client.get(f"{TRIAGE}/facets")
        if holds(answer.json()):
            return answer.json()  # type: ignore[no-any-return]
        time.sleep(0.05)
    raise AssertionError(answer.text)


def record_of(store: FolderStore, **changes: object) -> None:
    """Change what model_config.json says."""
    store.write(RECORD, json.dumps(json.loads(store.read(RECORD)) | changes).encode())


def test_new_worklists_are_served_without_a_restart_and_the_old_version_is_refused(store: FolderStore) -> None:
    store_split(store)
    with serve_store(store) as client:
        before = client.get(f"{TRIAGE}/rows").json()
        assert client.get(f"{TRIAGE}/rows", params={"version": before["version"]}).json() == before
        store_split(store, threshold=0.7)
        wait_for(client, lambda facets: facets["threshold"] == 0.7)
        for route in ("rows", "summary", "scores", "download?format=csv"):
            answer = client.get(
                f"{TRIAGE}/{route}",
                params={"version": before["version"], "format": "csv"}
                if "?" in route
                else {"version": before["version"]},
            )
            assert (answer.status_code, answer.json()["detail"][:33]) == (409, "The worklists have changed since;")
        after = client.get(f"{TRIAGE}/rows").json()
        assert after["version"] != before["version"]
        assert after["threshold"] == 0.7


def test_new_group_states_are_another_version(store: FolderStore) -> None:
    store_split(store)
    with serve_store(store) as client:
        before = client.get(f"{TRIAGE}/facets").json()["version"]
        store_split(store, revision=2)
        wait_for(client, lambda facets: facets["version"] != before)


def test_the_same_files_written_again_are_the_same_version(store: FolderStore) -> None:
    store_split(store)
    with serve_store(store) as client:
        before = client.get(f"{TRIAGE}/facets").json()["version"]
        store.write(RECORD, store.read(RECORD))
        for _ in range(10):
            assert client.get(f"{TRIAGE}/facets").json()["version"] == before
            time.sleep(0.02)


def test_half_written_worklists_leave_the_old_ones_in_place_and_say_so(store: FolderStore) -> None:
    store_split(store)
    with serve_store(store) as client:
        before = client.get(f"{TRIAGE}/rows").json()
        other = FolderStore(store.root.with_name("other"))
        store_split(other, threshold=0.7)
        store.write(RESULTS, other.read(RESULTS))
        facets = wait_for(client, lambda facets: facets["trouble"] is not None)
        assert "not all of one run" in facets["trouble"]
        assert "triage worklists" in facets["trouble"]
        assert client.get(f"{TRIAGE}/rows").json() == before
        store.write(RECORD, other.read(RECORD))
        wait_for(client, lambda facets: facets["trouble"] is None and facets["threshold"] == 0.7)


def test_worklists_that_were_removed_are_no_longer_shown(store: FolderStore) -> None:
    store_split(store)
    with serve_store(store) as client:
        client.get(f"{TRIAGE}/facets")
        store.delete(RECORD)
        wait_for(client, lambda answer: "There are no worklists" in answer.get("detail", ""))


def remove_record(store: FolderStore) -> None:
    store.delete(RECORD)


def cut_results(store: FolderStore) -> None:
    """Cut short, and the record knows: what a disk does after the writer is gone."""
    data = store.read(RESULTS)[:-500]
    store.write(RESULTS, data)
    record_of(store, files={"results.parquet": hashlib.sha256(data).hexdigest()})


def lack_a_column(store: FolderStore) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(store.read(RESULTS))).drop_columns(["group_id"])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data = sink.getvalue().to_pybytes()
    store.write(RESULTS, data)
    record_of(store, files={"results.parquet": hashlib.sha256(data).hexdigest()})


BROKEN: list[tuple[Callable[[FolderStore], None], int, str]] = [
    (remove_record, 404, "There are no worklists in the store yet. Run `triage run`"),
    (lambda store: store.delete(RESULTS), 503, "not all of one run"),
    (lambda store: store.write(RESULTS, b""), 503, "not all of one run"),
    (cut_results, 503, "results.parquet cannot be read"),
    (lack_a_column, 503, "results.parquet cannot be read; found"),
    (lambda store: store.write(RECORD, b"{"), 503, "model_config.json cannot be read"),
    (lambda store: store.write(RECORD, b"[]"), 503, "older version of this project, or are damaged"),
    (lambda store: record_of(store, models=None), 503, "model_config.json cannot be read"),
    (lambda store: record_of(store, format_version=99), 503, "newer version of this project; found format version 99"),
    (lambda store: record_of(store, format_version=1), 503, "Run `triage worklists`"),
    (lambda store: store.write("groups/groups.parquet", b"PAR1"), 503, "The groups' snapshot cannot be read"),
]


@pytest.mark.parametrize(("spoil", "status", "message"), BROKEN)
def test_what_cannot_be_served_is_said_with_what_to_do(
    store: FolderStore, spoil: Callable[[FolderStore], None], status: int, message: str
) -> None:
    store_split(store, n=20)
    spoil(store)
    with serve_store(store) as client:
        for route in ROUTES:
            answer = client.get(f"{TRIAGE}/{route}")
            assert answer.status_code == status, (route, answer.text)
            assert message in answer.json()["detail"], route
            assert str(store.root) not in answer.text, "no path of the server"


def test_a_store_that_is_not_there_is_an_answer(store: FolderStore) -> None:
    with serve_store(store) as client:
        answer = client.get(f"{TRIAGE}/rows")
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            "There are no worklists in the store yet. Run `triage run`; where everything is scored already, "
            "`triage worklists`.",
        )
    assert not store.root.exists()


def test_a_backlog_that_nothing_has_scored_is_shown_as_waiting(store: FolderStore) -> None:
    begun = store_split(store, names=())["annotation_stage"].isin([Stage.UNDER_ANNOTATION])
    with serve_store(store) as client:
        counts = client.get(f"{TRIAGE}/summary").json()["counts"]
        assert (counts["review"], counts["unlabeled"]) == (begun.sum(), 0)
        row = client.get(f"{TRIAGE}/rows", params={"bucket": "dropped"}).json()["items"][0]
        assert (row["dropped_reason"], row["model_scores"]) == ("incomplete", {})
        assert "triage run" in row["dropped_error"]
        for kind in ("csv", "parquet"):
            assert client.get(f"{TRIAGE}/download", params={"format": kind}).status_code == 200
        assert client.get(f"{TRIAGE}/scores").status_code == 200


def test_an_empty_backlog_has_answers(store: FolderStore) -> None:
    store_split(store, n=0)
    with serve_store(store) as client:
        assert client.get(f"{TRIAGE}/rows").json()["total"] == 0
        assert client.get(f"{TRIAGE}/summary").json()["counts"]["sequences"] == 0
        assert client.get(f"{TRIAGE}/facets").json()["organizations"] == []
        assert client.get(f"{TRIAGE}/scores", params={"text": "12"}).status_code == 200
        assert client.get(f"{TRIAGE}/download", params={"format": "csv", "text": "12"}).status_code == 200


def test_without_groups_every_sequence_is_in_none(store: FolderStore) -> None:
    store_split(store)
    store.delete("groups/groups.parquet")
    with serve_store(store) as client:
        facets = client.get(f"{TRIAGE}/facets").json()
        assert facets["has_groups"] is False
        rows = client.get(f"{TRIAGE}/rows", params={"limit": 500}).json()["items"]
        assert {row["group_label_state"] for row in rows} == {None}


BAD = [
    ("rows?organization=nowhere", "The backlog has no organization of that name; found 'nowhere'; expected b-abc-9"),
    ("rows?camera=nothing", "The backlog has no camera of that name"),
    ("rows?model=9.9", "The backlog has no model of that name; found '9.9'; expected 1.0, 2.0"),
    ("rows?sort=model_score&sort_model=9.9", "no model of that name"),
    ("rows?sort=model_score", "sort_model belong together"),
    ("rows?sort_model=1.0", "sort_model belong together"),
    ("rows?sort=label;drop", "sort: "),
    ("rows?direction=up", "direction: "),
    ("rows?limit=0", "limit: "),
    ("rows?limit=501", "limit: "),
    ("rows?offset=-1", "offset: "),
    ("rows?threshold=1.01", "threshold: "),
    ("rows?threshold=nan", "threshold: "),
    ("rows?threshold=x", "threshold: "),
    ("rows?bucket=To%20Review", "bucket.0: "),
    ("rows?group_state=conflict", "group_state.0: "),
    ("rows?started_from=yesterday", "started_from: "),
    ("rows?started_from=2026-06-02&started_to=2026-06-01", "is after started_to"),
    ("rows?text=" + "x" * 201, "text: "),
    ("rows?locate=0", "locate: "),
    ("rows?locate=9223372036854775808", "locate: "),
    ("rows?page=1", "page: extra inputs are not permitted"),
    ("summary?organisation=a", "organisation: extra inputs are not permitted"),
    ("summary?offset=1", "offset: extra inputs"),
    ("scores?sort=label", "sort: extra inputs"),
    ("facets?organization=a", "Unknown query parameters: organization."),
    ("cameras", "organization: field required"),
    ("cameras?organization=../../etc", "The backlog has no organization of that key"),
    ("download", "format: field required"),
    ("download?format=xlsx", "format: "),
    ("download?format=worklist", "a worklist is of one bucket: bucket=review or bucket=unlabeled"),
    ("download?format=worklist&bucket=review&bucket=unlabeled", "a worklist is of one bucket"),
    ("download?format=worklist&bucket=labeled", "a worklist is of one bucket"),
    ("command", "threshold: field required"),
    ("command?threshold=0.4;rm", "threshold: "),
]


def test_what_nobody_should_ask_is_refused_with_a_sentence(store: FolderStore) -> None:
    store_split(store)
    with serve_store(store) as client:
        for route, message in BAD:
            answer = client.get(f"{TRIAGE}/{route}")
            assert answer.status_code == 422, (route, answer.text)
            assert message in answer.json()["detail"], (route, answer.text)


def test_many_who_ask_during_the_first_load_get_the_same_answer(store: FolderStore) -> None:
    store_split(store)
    backlog = LiveBacklog(store)
    with ThreadPoolExecutor(8) as people:
        found = {id(each) for each in people.map(lambda _: backlog.current(), range(8))}
    backlog.close()
    assert len(found) == 1


class SlowStore(FolderStore):
    """Says what there is of an object only while ``answers`` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()

    def find(self, path: str) -> StoredObject | None:
        self.asked.set()
        assert self.answers.wait(60)
        return super().find(path)


def test_nobody_who_can_be_served_from_what_is_known_waits_for_a_store(store: FolderStore) -> None:
    store_split(store)
    slow = SlowStore(store.root)
    backlog = LiveBacklog(slow)
    before = backlog.current()
    slow.answers.clear()
    slow.asked.clear()
    try:
        assert [backlog.current() for _ in range(3)] == [before] * 3
        assert slow.asked.wait(60), "it was looked at all the same"
    finally:
        slow.answers.set()
        backlog.close()


def test_what_is_made_of_a_file_is_given_while_somebody_else_looks_whether_it_is_another(store: FolderStore) -> None:
    store.write("x", b"1")
    slow = SlowStore(store.root)
    kept = Kept(slow, "x", lambda found: slow.read(found.path))
    assert kept.get() == b"1"
    slow.answers.clear()
    slow.asked.clear()
    with ThreadPoolExecutor(1) as other:
        looking = other.submit(kept.get, at_once=True)
        assert slow.asked.wait(60)
        store.write("x", b"22")
        assert kept.get() == b"1"
        slow.answers.set()
        assert looking.result(60) == b"22"


def test_a_trouble_is_another_error_for_everybody_who_is_told(store: FolderStore) -> None:
    backlog = LiveBacklog(store)
    with pytest.raises(NoWorklists) as first:
        backlog.current()
    with pytest.raises(NoWorklists) as second:
        backlog.current()
    backlog.close()
    assert first.value is not second.value


def test_a_fault_while_loading_is_an_answer_and_not_for_ever(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_split(store)
    now = [0.0]
    backlog = LiveBacklog(store, lambda: now[0])
    with monkeypatch.context() as patch:
        patch.setattr(live, "load_backlog", lambda _: 1 / 0)
        with pytest.raises(WorklistsUnusable, match="The worklists cannot be loaded"):
            backlog.current()
    now[0] = 10.0
    for _ in range(100):
        try:
            backlog.current()
            break
        except WorklistsUnusable:
            time.sleep(0.05)
    assert backlog.current().stored.record.threshold == 0.35
    backlog.close()


def test_the_server_needs_neither_torch_nor_dagster(store: FolderStore) -> None:
    store_split(store)
    program = """
import sys
from triage_viewer.app import create_app
from triage_viewer.backlog.live import LiveBacklog
from triage_viewer.backlog.selection import Filter, Wanted
from triage_assets.folder_store import FolderStore
from pathlib import Path
loaded = LiveBacklog(FolderStore(Path(sys.argv[1]))).current()
assert len(loaded.selections.positions(Wanted(Filter(), 0.35))) == 300
print(sorted({"torch", "dagster", "matplotlib", "triage_assets.worklists.export"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program, str(store.root)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
