"""The worklist files: what they hold, when they are rewritten, and the checks that read them back."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stores import OvertakenStore
from tests.worklists.review_tables import annotate, cluster, reviewed
from triage_assets.errors import StoreUnwritable
from triage_assets.folder_store import FolderStore
from triage_assets.worklists.build import build_results
from triage_assets.worklists.export import write_worklists
from triage_assets.worklists.records import NOT_GROUPED, ModelScores, ReviewTables

N = 40
BACKLOG = frozenset(range(1, N + 1))
DECIDED = reviewed(
    annotate(2),
    annotate(10),  # no model could score it
    annotate(5, cluster(smoke="wildfire"), cluster("antenna")),
    annotate(99),  # it has left the backlog
    members={5: 7, 6: 7, 7: 7, 15: 8, 16: 8, 99: 8},
    labels={7: {"false_positive_type": "antenna"}},
)
HOSTILE = 'Forêt "d\'Orléans"\n<script>\u202e'


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def write(
    store: FolderStore, threshold: float = 0.35, caution: str | None = None, tables: ReviewTables = NOT_GROUPED
) -> None:
    ids = np.arange(1, N + 1)
    scores = np.round((ids * 7 % N) / N, 3)
    is_dropped = ids % 10 == 0
    backlog = pa.table(
        {
            "sequence_id": ids,
            "organization_id": np.full(N, 100),
            "organization_name": [HOSTILE] * N,
            "camera_name": ["Mât n°3-04"] * N,
            "azimuth": np.full(N, 45),
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
    write_worklists(store, build_results(backlog, models, threshold, tables), models, threshold, tables)


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


@pytest.mark.parametrize("name", ["results.json", "review.json", "unlabeled.json", "labels.json", "dropped.json"])
def test_each_row_is_a_line_whatever_its_texts_hold(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tests.worklists.test_export.HOSTILE", '},{"key":"a"},{"key":')
    monkeypatch.setattr("triage_assets.worklists.export._ROWS_AT_ONCE", 3)
    write(store, tables=DECIDED)
    body = load(store, name)
    items = body["items"] if isinstance(body, dict) else body
    lines = [line.rstrip(b",") for line in store.read(f"worklists/{name}").splitlines() if line.startswith(b'{"key"')]
    assert list(map(json.loads, lines)) == items
    assert {item["organization_name"] for item in items} == {'},{"key":"a"},{"key":'}


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


@pytest.mark.parametrize("name", ["results.parquet", "review.json", "model_config.json"])
def test_two_runs_at_once_leave_the_files_of_one_of_them(store: FolderStore, tmp_path: Path, name: str) -> None:
    """The other run writes everything while ours has written a part of it."""
    write(OvertakenStore(store.root, f"worklists/{name}", lambda: write(store, threshold=0.7)))
    alone = FolderStore(tmp_path / "alone")
    write(alone, threshold=load(store, "model_config.json")["threshold"])
    assert {found.path: store.read(found.path) for found in store.list("")} == {
        found.path: alone.read(found.path) for found in alone.list("")
    }


def test_a_run_that_others_always_mix_with_ends_in_an_error(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage_assets.worklists.export.foreign_files", lambda _: ["review.json"])
    monkeypatch.setattr("triage_assets.store.time.sleep", lambda _: store.write("worklists/review.json", b"theirs"))
    with pytest.raises(StoreUnwritable, match=r"not all of one run.*8 times in a row\. Run again when the other"):
        write(store)


def test_another_threshold_changes_the_lists_and_is_recorded(store: FolderStore) -> None:
    write(store)
    before = load(store, "review.json")["count"]
    write(store, threshold=0.6)
    assert load(store, "review.json")["count"] < before
    assert load(store, "model_config.json")["threshold"] == load(store, "unlabeled.json")["threshold"] == 0.6


def test_what_people_labelled_is_in_labels_alone(store: FolderStore) -> None:
    write(store, tables=DECIDED)
    review, unlabeled, labels, dropped = (
        load(store, f"{name}.json") for name in ("review", "unlabeled", "labels", "dropped")
    )
    assert labels["sequence_ids"] == [2, 5, 10]
    assert not {2, 5, 10} & {*review["sequence_ids"], *unlabeled["sequence_ids"]}
    assert [item["sequence_id"] for item in dropped] == [20, 30, 40]
    assert labels["bulk_payloads"] == [
        {"sequence_ids": [2, 10], "false_positive_type": "antenna", "is_unsure": False, "force": False}
    ]
    assert [(item["sequence_id"], item["why"]) for item in labels["individual"]] == [(5, "several labels")]
    assert labels["count"] == len(labels["items"]) == 3
    assert labels["items"][1]["annotation_origin"] == "person"
    assert labels["items"][1]["smoke_types"] == ["wildfire"]


def test_entries_of_review_groups_are_the_review_list(store: FolderStore) -> None:
    write(store, tables=DECIDED)
    review, grouped = load(store, "review.json"), load(store, "review_groups.json")
    listed = [sequence_id for entry in grouped["entries"] for sequence_id in entry["sequence_ids"]]
    assert sorted(listed) == sorted(review["sequence_ids"])
    assert grouped["n_sequences"] == review["count"] == len(listed)
    assert grouped["count"] == len(grouped["entries"]) == review["count"] - 1  # 15 and 16 are one
    entry = next(entry for entry in grouped["entries"] if entry["group_id"] == 8)
    assert entry == {
        "group_id": 8,
        "organization_name": HOSTILE,
        "camera_name": "Mât n°3-04",
        "azimuth": 45,
        "triage_score": 0.8,
        "sequence_ids": [16, 15],
        "n_review": 2,
        "n_unlabeled": 0,
        "n_labeled": 0,
        "n_dropped": 0,
        "n_members": 3,
        "smoke_type": None,
        "false_positive_type": None,
        "is_unsure": False,
        "is_validated": False,
        "models_disagree": False,
        "score_lowest": 0.625,
        "score_highest": 0.8,
        "is_conflicted": False,
    }


def test_group_ids_are_in_every_list(store: FolderStore) -> None:
    write(store, tables=DECIDED)
    expected = {5: 7, 6: 7, 7: 7, 15: 8, 16: 8}
    lists = [load(store, f"{name}.json")["items"] for name in ("review", "unlabeled", "labels")]
    for items in (*lists, load(store, "results.json")):
        assert {item["sequence_id"]: item["group_id"] for item in items} == {
            item["sequence_id"]: expected.get(item["sequence_id"]) for item in items
        }


def test_decisions_agree_between_json_and_parquet(store: FolderStore) -> None:
    write(store, tables=DECIDED)
    names = ["sequence_id", "annotation_stage", "annotation_origin", "smoke_types", "false_positive_types", "is_unsure"]
    table = pq.read_table(pa.BufferReader(store.read("worklists/results.parquet")))
    assert table.schema.field("smoke_types").type == pa.list_(pa.string())
    rows = [{name: row[name] for name in names} for row in load(store, "results.json")]
    assert table.select(names).to_pylist() == rows
    assert rows[4] == dict(
        zip(names, [5, "seq_annotation_done", "person", ["wildfire"], ["antenna"], False], strict=True)
    )


@pytest.mark.parametrize("tables", [NOT_GROUPED, DECIDED])
def test_results_have_the_same_columns_whatever_was_decided(store: FolderStore, tables: ReviewTables) -> None:
    write(store)
    expected = pq.read_schema(pa.BufferReader(store.read("worklists/results.parquet")))
    write(store, tables=tables)
    assert pq.read_schema(pa.BufferReader(store.read("worklists/results.parquet"))) == expected
