"""The page's split at any threshold is the worklists' split at that threshold, to the last sequence."""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from triage_viewer.backlog import downloads, load, requests, selection
from triage_viewer.backlog.table import BUCKETS

from tests.viewer.triage_stores import (
    KEYS,
    ORGANIZATIONS,
    THRESHOLDS,
    backlog,
    models_of,
    review_tables,
    serve_store,
    store_split,
)
from triage_assets.annotator.records import Organization, partition_key
from triage_assets.folder_store import FolderStore
from triage_assets.review.records import LabelState, Stage
from triage_assets.worklists import export
from triage_assets.worklists.build import build_results
from triage_assets.worklists.summary import count_by_organization, count_disagreements

TRIAGE = "/api/v1/triage"
BEGUN = Stage.UNDER_ANNOTATION
ONE, TWO = ("1.0-aaaaaaaa",), ("1.0-aaaaaaaa", "2.0-bbbbbbbb")


@pytest.fixture(scope="module", params=[ONE, TWO], ids=["one model", "two models"])
def names(request: pytest.FixtureRequest) -> tuple[str, ...]:
    names: tuple[str, ...] = request.param
    return names


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, names: tuple[str, ...]) -> Iterator[httpx.Client]:
    """One server for all of these: nothing here changes the store."""
    store = FolderStore(tmp_path_factory.mktemp("split"))
    store_split(store, names=names)
    with serve_store(store) as client:
        yield client


def split_at(threshold: float, names: tuple[str, ...]) -> pd.DataFrame:
    rows = backlog()
    return build_results(rows, models_of(rows, *names), threshold, review_tables(rows))


def ask(client: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = client.get(f"{TRIAGE}/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def read_scores(content: bytes) -> tuple[dict[str, Any], np.ndarray]:
    (length,) = struct.unpack("<I", content[:4])
    assert (4 + length) % 8 == 0, "a page may look at the numbers where they are"
    return json.loads(content[4 : 4 + length]), np.frombuffer(content[4 + length :], "<f8")


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_every_row_is_what_the_worklists_would_hold(
    client: httpx.Client, tmp_path: Path, names: tuple[str, ...], threshold: float
) -> None:
    store = FolderStore(tmp_path / "at this threshold")
    store_split(store, threshold, names)
    expected = pq.read_table(pa.BufferReader(store.read("worklists/results.parquet"))).to_pylist()
    answer = client.get(
        f"{TRIAGE}/download",
        params={"format": "parquet", "threshold": threshold, "sort": "sequence_id", "direction": "asc"},
    )
    found = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        for constant in ("source", "label", "outcome", "probability"):
            wanted.pop(constant)
        assert {name: row[name] for name in wanted} == wanted


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("bucket", ["review", "unlabeled"])
def test_a_downloaded_worklist_is_the_one_that_would_be_written(
    client: httpx.Client, tmp_path: Path, names: tuple[str, ...], threshold: float, bucket: str
) -> None:
    store = FolderStore(tmp_path / "at this threshold")
    store_split(store, threshold, names)
    order = {"review": {}, "unlabeled": {"sort": "sequence_id", "direction": "asc"}}[bucket]
    answer = client.get(
        f"{TRIAGE}/download", params={"format": "worklist", "bucket": bucket, "threshold": threshold, **order}
    )
    assert json.loads(answer.content) == json.loads(store.read(f"worklists/{bucket}.json"))
    assert answer.headers["content-disposition"] == f'attachment; filename="{bucket}.json"'


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_counts_are_those_of_the_split(client: httpx.Client, names: tuple[str, ...], threshold: float) -> None:
    results = split_at(threshold, names)
    found = ask(client, "summary", threshold=threshold)
    bucket = results["triage_bucket"].fillna("dropped")
    counts = {name: int((bucket == name).sum()) for name in ("review", "unlabeled", "labeled", "dropped")}
    assert found["counts"] == {"sequences": len(results), **counts}
    assert found["disagreements"] == sum(int(row["sequences"]) for row in count_disagreements(results))
    by_key = {key: dict.fromkeys(found["counts"], 0) for key in KEYS}
    key_of = {name: partition_key(Organization(number, name)) for number, name in ORGANIZATIONS}
    for row in count_by_organization(results):
        for name in found["counts"]:
            by_key[key_of[str(row["organization"])]][name] += int(row[name])
    assert {row["key"]: {name: row[name] for name in found["counts"]} for row in found["organizations"]} == by_key


def test_every_step_of_the_sweep_is_the_split_at_that_threshold(client: httpx.Client, names: tuple[str, ...]) -> None:
    steps = ask(client, "summary", threshold=0.42)["sweep"]
    assert [step["threshold"] for step in steps] == sorted({step["threshold"] for step in steps})
    assert {0.0, 0.15, 0.3, 0.35, 0.4, 0.42, 0.55, 0.6, 1.0} <= {step["threshold"] for step in steps}
    assert 0.85 not in {step["threshold"] for step in steps}, "wider at the ends"
    for step in steps:
        bucket = split_at(step["threshold"], names)["triage_bucket"]
        assert (step["review"], step["unlabeled"]) == ((bucket == "review").sum(), (bucket == "unlabeled").sum())


def test_the_histogram_counts_what_the_threshold_decides_about(client: httpx.Client, names: tuple[str, ...]) -> None:
    results = split_at(0.35, names)
    is_decided = results["triage_bucket"].isin(["review", "unlabeled"]) & ~results["annotation_stage"].isin([BEGUN])
    decided = results[is_decided]["triage_score"].to_numpy(float)
    histogram = ask(client, "summary")["histogram"]
    assert histogram == np.histogram(decided, bins=np.arange(51) / 50)[0].tolist()
    assert histogram[-1] == (decided >= 0.98).sum(), "1.0 is in the last bin"


FILTERS: list[dict[str, Any]] = [
    {},
    {"organization": KEYS[0]},
    {"organization": list(KEYS[:2]), "group_state": "none"},
    {"text": "brison"},
    {"disagreements": True},
    {"model": "1.0"},
    {"model": "1.0", "disagreements": True, "group_state": ["none", "unlabeled"]},
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_a_page_can_count_at_any_threshold_from_the_scores_alone(client: httpx.Client, wanted: dict[str, Any]) -> None:
    head, numbers = read_scores(client.get(f"{TRIAGE}/scores", params=wanted).content)
    for threshold in (*THRESHOLDS, 0.123):
        asked = ask(client, "summary", threshold=threshold, **wanted)
        counts = dict.fromkeys(("review", "unlabeled", "labeled", "dropped"), 0)
        for organization in head["organizations"]:
            own = numbers[organization["first"] :][: organization["count"]]
            assert (np.diff(own) >= 0).all()
            review = len(own) - np.searchsorted(own, threshold)
            if "lowest_count" in organization:
                lowest = numbers[organization["lowest_first"] :][: organization["lowest_count"]]
                review -= len(lowest) - np.searchsorted(lowest, threshold)
            counts["review"] += organization["begun"] + int(review)
            counts["unlabeled"] += 0 if head["is_review_only"] else int(len(own) - review)
            counts["labeled"] += organization["labeled"]
            counts["dropped"] += organization["dropped"]
        assert counts == {name: asked["counts"][name] for name in counts}, threshold
        step = next(step for step in asked["sweep"] if step["threshold"] == threshold)
        assert (step["review"], step["unlabeled"]) == (counts["review"], counts["unlabeled"])
        n_begun = sum(organization["begun"] for organization in head["organizations"])
        assert sum(asked["histogram"]) == counts["review"] - n_begun + counts["unlabeled"]
        assert head["version"] == asked["version"]


def test_a_part_of_a_worklist_says_which(client: httpx.Client) -> None:
    wanted = {"format": "worklist", "bucket": "unlabeled", "organization": KEYS[0], "sort": "sequence_id"}
    content = json.loads(client.get(f"{TRIAGE}/download", params=wanted).content)
    assert content["part"] == {"organization": [KEYS[0]]}
    assert content["count"] == len(content["sequence_ids"]) == len(content["items"])
    assert content["bulk_payload"]["sequence_ids"] == content["sequence_ids"]


def test_the_formats_that_are_known_in_two_places_are_the_same() -> None:
    assert load.FORMAT_VERSION == export.FORMAT_VERSION
    assert downloads.ITEM_COLUMNS == export._ITEM_COLUMNS
    assert get_args(requests._GroupState) == (*LabelState, selection.UNGROUPED)
    assert set(get_args(requests._Bucket)) == set(BUCKETS)
    assert str(split_at(0.35, ONE)["key"].iloc[0]).startswith(selection.KEY_PREFIX)
