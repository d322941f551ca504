"""The worklist files: what they hold, when they are rewritten, and the checks that read them back."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triage_assets.folder_store import FolderStore
from triage_assets.worklists.build import build_results
from triage_assets.worklists.export import check_invariants, write_worklists
from triage_assets.worklists.records import ModelScores

N = 40
HOSTILE = 'Forêt "d\'Orléans"\n<script>\u202e'


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def write(store: FolderStore, threshold: float = 0.35, caution: str | None = None) -> None:
    ids = np.arange(1, N + 1)
    scores = np.round((ids * 7 % N) / N, 3)
    is_dropped = ids % 10 == 0
    backlog = pa.table(
        {
            "sequence_id": ids,
            "organization_id": np.full(N, 100),
            "organization_name": [HOSTILE] * N,
            "camera_name": ["Mât n°3-04"] * N,
            "recorded_at": pa.array([dt.datetime(2026, 6, 1, 12, 0, 0, 27435, dt.UTC)] * N, pa.timestamp("us", "UTC")),
            "last_seen_at": pa.array([dt.datetime(2026, 6, 1, 12, 5, tzinfo=dt.UTC)] * N, pa.timestamp("us", "UTC")),
            "n_detections": pa.array([8] * N, pa.int32()),
        }
    )
    table = pa.table(
        {
            "sequence_id": ids,
            "last_seen_at": backlog["last_seen_at"],
            "n_detections": backlog["n_detections"],
            "triage_score": pa.array(np.where(is_dropped, np.nan, scores), from_pandas=True),
            "best_logit": pa.array(np.where(is_dropped, np.nan, scores * 3), from_pandas=True),
            "num_tubes_kept": np.ones(N, np.int32),
            "trigger_frame_index": np.full(N, 3, np.int32),
            "n_frames_unusable": np.zeros(N, np.int32),
            "dropped_reason": pa.array(["predict_failed" if gone else None for gone in is_dropped], pa.string()),
            "dropped_error": pa.array(["frame 7: NaN" if gone else None for gone in is_dropped], pa.string()),
        }
    )
    models = [ModelScores("0.2.0-12345678", "0.2.0", table, {"sha256": "12345678"}, caution)]
    write_worklists(store, build_results(backlog, models, threshold), models, threshold)


def load(store: FolderStore, name: str) -> object:
    return json.loads(store.read(f"worklists/{name}"))


def test_the_lists_cover_the_backlog_once(store: FolderStore) -> None:
    write(store)
    review, unlabeled, dropped = (load(store, f"{name}.json") for name in ("review", "unlabeled", "dropped"))
    assert review["count"] == len(review["sequence_ids"]) == len(review["items"])
    assert unlabeled["count"] == len(unlabeled["sequence_ids"]) == len(unlabeled["items"])
    everything = review["sequence_ids"] + unlabeled["sequence_ids"] + [item["sequence_id"] for item in dropped]
    assert sorted(everything) == list(range(1, N + 1))
    assert [item["sequence_id"] for item in review["items"]] == review["sequence_ids"]
    assert all(item["triage_score"] >= 0.35 for item in review["items"])
    assert all(item["triage_score"] < 0.35 for item in unlabeled["items"])


def test_the_unlabel_file_is_the_body_of_the_bulk_request(store: FolderStore) -> None:
    write(store)
    unlabeled = load(store, "unlabeled.json")
    assert unlabeled["bulk_payload"] == {
        "sequence_ids": unlabeled["sequence_ids"],
        "false_positive_type": "unlabeled",
        "is_unsure": False,
        "force": False,
    }


def test_dropped_sequences_say_why(store: FolderStore) -> None:
    write(store)
    assert [item["sequence_id"] for item in load(store, "dropped.json")] == [10, 20, 30, 40]
    assert {(item["reason"], item["error"]) for item in load(store, "dropped.json")} == {
        ("predict_failed", "frame 7: NaN")
    }


def test_results_agree_between_json_and_parquet(store: FolderStore) -> None:
    write(store)
    rows = load(store, "results.json")
    table = pq.read_table(pa.BufferReader(store.read("worklists/results.parquet"))).to_pylist()
    assert [row["key"] for row in rows] == [f"pyro-annotator_{number}" for number in range(1, N + 1)]
    for row, typed in zip(rows, table, strict=True):
        started_at = typed.pop("started_at")
        assert row.pop("started_at") == started_at.strftime("%Y-%m-%dT%H:%M:%S.") + "027Z"
        assert row == typed
    assert rows[0]["group_id"] is None
    assert rows[0]["organization_name"] == HOSTILE
    assert rows[0]["model_scores"] == {"0.2.0": rows[0]["triage_score"]}


def test_writing_the_same_again_touches_no_file(store: FolderStore) -> None:
    write(store)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.*")}
    write(store)
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*.*")} == before


def test_another_threshold_changes_the_lists_and_is_recorded(store: FolderStore) -> None:
    write(store)
    before = load(store, "review.json")["count"]
    write(store, threshold=0.6)
    assert load(store, "review.json")["count"] < before
    assert load(store, "model_config.json")["threshold"] == load(store, "unlabeled.json")["threshold"] == 0.6


def test_the_checks_hold_for_what_is_written(store: FolderStore) -> None:
    write(store)
    assert all(check.holds for check in check_invariants(store, set(range(1, N + 1))))


@pytest.mark.parametrize(
    ("backlog", "broken"),
    [
        (set(range(1, N + 2)), "worklists_cover_the_backlog_once"),  # one sequence is in no list
        (set(range(2, N + 1)), "nothing_outside_the_backlog"),  # one has left the backlog
    ],
)
def test_a_backlog_that_moved_on_fails_its_check(store: FolderStore, backlog: set[int], broken: str) -> None:
    write(store)
    assert [check.name for check in check_invariants(store, backlog) if not check.holds] == [broken]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        # the payload would label a sequence that is not in the list
        (
            lambda body: body["bulk_payload"]["sequence_ids"].append(1),
            {"bulk_payload_is_the_unlabeled_list", "files_are_of_one_run"},
        ),
        # a sequence is in both lists
        (
            lambda body: (body["sequence_ids"].append(5), body["bulk_payload"]["sequence_ids"].append(5)),
            {"review_and_unlabeled_are_disjoint", "worklists_cover_the_backlog_once", "files_are_of_one_run"},
        ),
    ],
)
def test_a_tampered_unlabel_file_fails_its_check(store: FolderStore, change: object, broken: set[str]) -> None:
    write(store)
    assert 5 in load(store, "review.json")["sequence_ids"]
    body = load(store, "unlabeled.json")
    change(body)
    store.write("worklists/unlabeled.json", json.dumps(body).encode())
    assert {check.name for check in check_invariants(store, set(range(1, N + 1))) if not check.holds} == broken


def test_files_of_two_runs_beside_each_other_fail_their_check(store: FolderStore) -> None:
    write(store)
    review = store.read("worklists/review.json")
    write(store, threshold=0.6)
    store.write("worklists/review.json", review)
    broken = {check.name for check in check_invariants(store, set(range(1, N + 1))) if not check.holds}
    assert "files_are_of_one_run" in broken
    write(store, threshold=0.6)
    assert all(check.holds for check in check_invariants(store, set(range(1, N + 1))))


def test_a_caution_is_in_the_files_that_people_and_machines_read(store: FolderStore) -> None:
    write(store, caution="random weights: no meaning")
    assert (
        load(store, "review.json")["caution"]
        == load(store, "unlabeled.json")["caution"]
        == "random weights: no meaning"
    )
    write(store)
    assert "caution" not in load(store, "review.json")


def test_what_a_killed_writer_left_is_swept(store: FolderStore) -> None:
    write(store)
    (store.root / "worklists/.review.json.0badf00d.tmp").write_bytes(b"half")
    write(store)
    assert list(store.root.rglob("*.tmp")) == []
