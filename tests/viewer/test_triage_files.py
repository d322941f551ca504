"""What is downloaded, and the words of the command."""

import codecs
import csv
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from benchmarks.triage_page import generate
from tests.viewer.triage_stores import CAMERAS, KEYS, N, serve_store, store_split
from triage_assets.defs.worklists import WorklistsConfig
from triage_assets.folder_store import FolderStore

DOWNLOAD = "/api/v1/triage/download"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One server for all of these: nothing here changes the store."""
    store = FolderStore(tmp_path_factory.mktemp("files"))
    store_split(store)
    with serve_store(store) as client:
        yield client


def test_a_csv_has_the_selection_in_its_order(client: httpx.Client) -> None:
    wanted = {"organization": KEYS[0], "sort": "started_at", "threshold": 0.2}
    answer = client.get(DOWNLOAD, params={"format": "csv", **wanted})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="triage.csv"'
    assert answer.content.startswith(codecs.BOM_UTF8), "spreadsheets take it for another encoding otherwise"
    found = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    rows = client.get("/api/v1/triage/rows", params={"limit": 500, **wanted}).json()
    assert len(found) == rows["total"]
    for line, row in zip(found, rows["items"], strict=True):
        assert line["key"] == row["key"]
        assert line["triage_score"] == ("" if row["triage_score"] is None else line["triage_score"])
        assert row["triage_score"] is None or float(line["triage_score"]) == row["triage_score"]
        assert (line["model_scores.1.0"] == "") == (row["model_scores"]["1.0"] is None)
        assert line["false_positive_types"] == "|".join(row["false_positive_types"] or [])
        assert line["triage_bucket"] == ("" if row["triage_bucket"] == "dropped" else row["triage_bucket"])


def test_no_text_of_a_csv_is_a_formula_and_names_survive_otherwise(client: httpx.Client) -> None:
    text = client.get(DOWNLOAD, params={"format": "csv"}).content.decode("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(found) == N
    texts = {name: {line[name] for line in found} for name in ("camera_name", "organization_name")}
    assert texts["camera_name"] == {f"'{name}" if name[0] == "+" else name for name in CAMERAS}
    assert '\'=HYPERLINK("http://evil")' in texts["organization_name"]
    for line in found:
        for name, value in line.items():
            is_number = name in ("score", "triage_score") or name.startswith("model_scores")
            assert is_number or not value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), (name, value)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_empty_selection_is_a_file_with_its_columns(client: httpx.Client, kind: str) -> None:
    content = client.get(DOWNLOAD, params={"format": kind, "text": "nothing-like-it"}).content
    if kind == "csv":
        assert next(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[:2] == ["key", "sequence_id"]
        assert content.count(b"\n") == 1
    else:
        assert pq.read_table(pa.BufferReader(content)).num_rows == 0


def test_an_empty_worklist_is_one(client: httpx.Client) -> None:
    wanted = {"format": "worklist", "bucket": "review", "text": "nothing-like-it"}
    content = client.get(DOWNLOAD, params=wanted).json()
    assert (content["count"], content["sequence_ids"], content["items"]) == (0, [], [])


def test_a_file_of_many_pieces_is_whole(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    generate(store, 45_000, 2)
    with serve_store(store) as client:
        table = pq.read_table(pa.BufferReader(client.get(DOWNLOAD, params={"format": "parquet"}).content))
        assert len(set(table["sequence_id"].to_pylist())) == 45_000
        assert table.schema.metadata[b"threshold"] == b"0.35"
        lines = client.get(DOWNLOAD, params={"format": "csv"}).text.splitlines()
        assert len(lines) == 45_001
        content = client.get(DOWNLOAD, params={"format": "worklist", "bucket": "unlabeled"}).json()
        assert len({item["sequence_id"] for item in content["items"]}) == content["count"]


def test_the_generator_of_the_benchmark_writes_what_the_worklists_write(tmp_path: Path) -> None:
    real, generated = FolderStore(tmp_path / "real"), FolderStore(tmp_path / "generated")
    store_split(real)
    generate(generated, 100, 2)
    schemas = [pq.read_schema(pa.BufferReader(each.read("worklists/results.parquet"))) for each in (real, generated)]
    nested = schemas[0].get_field_index("model_scores")
    assert schemas[0].remove(nested).equals(schemas[1].remove(nested))
    assert schemas[0].metadata == schemas[1].metadata


def test_the_command_and_the_configuration_write_worklists_at_the_threshold(client: httpx.Client) -> None:
    said = client.get("/api/v1/triage/command", params={"threshold": 0.42}).json()
    assert said["command"] == "triage worklists --threshold 0.42"
    assert said["setting"] == "TRIAGE_THRESHOLD=0.42"
    config = yaml.safe_load(said["config_yaml"])["ops"]["worklists"]["config"]
    assert WorklistsConfig(**config).threshold == 0.42
    refused = subprocess.run(
        [str(Path(sys.executable).with_name("triage")), *said["command"].split()[1:], "--help"], capture_output=True
    )
    assert refused.returncode == 0, "the command has this option"
