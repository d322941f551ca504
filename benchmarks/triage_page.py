"""What the triage page costs the server: run `python -m benchmarks.triage_page [--sequences 1000000] [--models 1]`.

What lives here: worklists of any size made by a generator, and each route's time and the process's memory over real
HTTP. What does not: the page in the browser.
"""

import argparse
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triage_assets.groups.records import GROUPS, MEMBERS, UNGROUPED
from triage_assets.store import Store, open_store
from triage_assets.worklists.records import FOLDER, LABELED, REVIEW, UNLABELED

THRESHOLD = 0.35
SORTS = (
    "priority",
    "triage_score",
    "started_at",
    "organization_name",
    "camera_name",
    "triage_bucket",
    "group_size",
    "label",
)
FILTERS: Mapping[str, Mapping[str, Any]] = {
    "everything": {},
    "one organization": {"organization": "sdis-n-3-103"},
    "To Review": {"bucket": "review"},
    "Unlabel": {"bucket": "unlabeled"},
    "in a labelled group or none": {"group_state": ["labeled", "none"]},
    "disagreements": {"disagreements": True},
    "from September": {"started_from": "2025-09-01"},
    "text, 11% of the cameras": {"text": "camera-7"},
    "text, ids": {"text": "12"},
    "several at once": {"bucket": "unlabeled", "text": "sdis 1", "is_validated": False},
}
_TRIAGE = "/api/v1/triage"
_SERVER = """
import sys
from triage_assets.cli import app
app(["viewer", "--port", sys.argv[1]])
"""
_START = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp() * 1_000_000)


def main() -> None:
    """Generate, serve, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, nargs="+", default=[21_489, 1_000_000])
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7, help="of every question")
    options = parser.parse_args()
    for n_sequences in options.sequences:
        with tempfile.TemporaryDirectory() as folder:
            store = open_store(folder)
            generate(store, n_sequences, options.models)
            print(f"\n{n_sequences:,} sequences, {options.models} models")
            _measure(store, options.repeats)


@contextmanager
def serve(store: Store) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """`triage viewer` in a process of its own, as soon as it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "TRIAGE_STORE": store.location}
    command = [sys.executable, "-c", _SERVER, str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
                while process.poll() is None:
                    try:
                        client.get("/api/v1/openapi.json")
                        break
                    except httpx.ConnectError:
                        time.sleep(0.02)
                yield client, psutil.Process(process.pid)
        finally:
            process.terminate()


def _measure(store: Store, repeats: int) -> None:
    with serve(store) as (client, process):
        begun = time.perf_counter()
        client.get(f"{_TRIAGE}/rows").raise_for_status()
        print(f"first page {time.perf_counter() - begun:.2f} s after the server listened")
        _wait_until_idle(process)
        print(f"memory once every order is ready: {_megabytes(process):.0f} MB")
        print(f"{'':44s}{'rows':>10s}{'p50 ms':>9s}{'p95 ms':>9s}{'max ms':>9s}")
        _measure_pages(client, repeats)
        for route in ("summary", "scores"):
            for name, wanted in FILTERS.items():
                _print(f"{route}, {name}", 0, _ask(client, route, wanted, repeats))
        for route, parameters in (("facets", {}), ("cameras", {"organization": "sdis-n-3-103"})):
            _print(route, 0, [_time(client, route, parameters)[0] for _ in range(repeats)])
        print(f"memory after all of these: {_megabytes(process):.0f} MB")
        _measure_downloads(client, process)
        _measure_reload(store, client, process)


def _measure_pages(client: httpx.Client, repeats: int) -> None:
    """Each filter in each order, at a threshold that nobody asked for yet, and then further pages of the same."""
    first: list[float] = []
    further: list[float] = []
    for name, wanted in FILTERS.items():
        times, total = [], 0
        for sort in SORTS:
            for repeat in range(repeats):
                parameters = {**wanted, "sort": sort, "threshold": 0.3 + len(first) / 1e5}
                seconds, answer = _time(client, "rows", parameters)
                total = answer.json()["total"]
                times.append(seconds)
                first.append(seconds)
                further.append(_time(client, "rows", {**parameters, "offset": total * repeat // repeats})[0])
        _print(f"rows, {name}", total, times)
    _print("rows, all of these", 0, first)
    _print("rows, further pages at any offset", 0, further)
    _print("rows, 500 of them", 0, [_time(client, "rows", {"limit": 500, "offset": 9 * n})[0] for n in range(20)])


def _measure_downloads(client: httpx.Client, process: psutil.Process) -> None:
    for wanted in ({"format": "csv"}, {"format": "parquet"}, {"format": "worklist", "bucket": "unlabeled"}):
        begun, n_bytes, most = time.perf_counter(), 0, 0.0
        with client.stream("GET", f"{_TRIAGE}/download", params=wanted) as answer:
            for piece in answer.iter_bytes():
                n_bytes += len(piece)
                most = max(most, _megabytes(process))
        seconds = time.perf_counter() - begun
        print(f"download {wanted['format']}: {n_bytes / 1e6:.0f} MB in {seconds:.1f} s, memory at most {most:.0f} MB")


def _measure_reload(store: Store, client: httpx.Client, process: psutil.Process) -> None:
    """The groups change: until the new version is there, the old one answers."""
    version = client.get(f"{_TRIAGE}/facets").json()["version"]
    store.write("groups/groups.parquet", _groups(10, revision=2))
    times: list[float] = []
    begun, most = time.perf_counter(), 0.0
    while client.get(f"{_TRIAGE}/facets").json()["version"] == version:
        times.append(_time(client, "rows", {"threshold": 0.2 + len(times) / 1e5, "bucket": "review"})[0])
        most = max(most, _megabytes(process))
    print(f"reload {time.perf_counter() - begun:.1f} s, memory at most {most:.0f} MB")
    _print("rows, To Review, during the reload", 0, times or [0.0])


def _ask(client: httpx.Client, route: str, wanted: Mapping[str, Any], repeats: int) -> list[float]:
    return [_time(client, route, {**wanted, "threshold": 0.3 + n / 100})[0] for n in range(repeats)]


def _time(client: httpx.Client, route: str, parameters: Mapping[str, Any]) -> tuple[float, httpx.Response]:
    begun = time.perf_counter()
    answer = client.get(f"{_TRIAGE}/{route}", params=dict(parameters))
    seconds = time.perf_counter() - begun
    answer.raise_for_status()
    return seconds, answer


def _wait_until_idle(process: psutil.Process) -> None:
    while process.cpu_percent(0.5) > 20:
        pass


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def _print(name: str, total: int, times: list[float]) -> None:
    p50, p95, most = (1000 * float(value) for value in np.percentile(times, [50, 95, 100]))
    print(f"{name:44s}{total or '':>10}{p50:9.1f}{p95:9.1f}{most:9.1f}")


def generate(
    store: Store, n_sequences: int, n_models: int = 1, seed: int = 1, ids: NDArray[np.int64] | None = None
) -> None:
    """Worklists of so many sequences, of 40 organizations with 25 cameras each, and the groups of a third of them.

    Where no ``ids`` are given, they have gaps.
    """
    random = np.random.default_rng(seed)
    gaps = random.integers(1, 4, n_sequences)
    table, n_groups = _results(np.cumsum(gaps) if ids is None else ids, n_models, random)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    data = buffer.getvalue()
    store.write(f"{FOLDER}/results.parquet", data)
    store.write("groups/groups.parquet", _groups(n_groups))
    members = table.filter(pc.is_valid(table["group_id"])).select(["sequence_id", "group_id"])
    for name, schema, rows in (("members", MEMBERS, members), ("ungrouped", UNGROUPED, members.slice(0, 0))):
        columns = [rows[f.name] if f.name in rows.column_names else pa.nulls(len(rows), f.type) for f in schema]
        store.write(f"groups/{name}.parquet", _encode(pa.table(columns, schema=schema), revision=1))
    content = {
        "format_version": 2,
        "threshold": THRESHOLD,
        "models": [{"name": f"{name}-0123abcd", "version": name, "caution": None} for name in _names(n_models)],
        "split_without": [],
        "files": {"results.parquet": hashlib.sha256(data).hexdigest()},
    }
    store.write(f"{FOLDER}/model_config.json", json.dumps(content).encode())


def _names(n_models: int) -> list[str]:
    return [f"{number + 1}.0.0" for number in range(n_models)]


def _results(ids: NDArray[np.int64], n_models: int, random: np.random.Generator) -> tuple[pa.Table, int]:
    """The rows as the worklists have them: 85% low scores, 1% dropped, 5% labelled."""
    n = len(ids)
    camera = random.integers(0, 1000, n)
    organization = camera // 25
    low, high = random.beta(1, 12, (n_models, n)), random.beta(6, 2, (n_models, n))
    scores = np.where(random.random(n) < 0.15, high, low)
    dropped = random.random(n) < 0.01
    scores[:, dropped] = np.nan
    best = scores.max(axis=0)
    labeled = random.random(n) < 0.05
    review = best >= THRESHOLD
    bucket = np.where(labeled, LABELED, np.where(review, REVIEW, UNLABELED)).astype(object)
    bucket[dropped & ~labeled] = None
    n_groups = max(1, n // 6)
    group = random.integers(1, n_groups + 1, n)
    n_review = (scores >= THRESHOLD).sum(axis=0)
    names = _names(n_models)
    n_types = labeled.astype(np.int64)
    offsets = pa.array(np.concatenate([[0], np.cumsum(n_types)]), pa.int32(), mask=np.append(~labeled, False))
    types = random.choice(["antenna", "building", "low_cloud"], int(n_types.sum()))
    nothing = pa.array(np.zeros(n + 1, np.int32), mask=np.append(~labeled, False))
    is_in_group = random.random(n) < 0.33
    columns = {
        "key": pa.array(np.char.add("pyro-annotator_", ids.astype(str)), pa.large_string()),
        "sequence_id": pa.array(ids),
        "source": _repeat("pyro-annotator", n),
        "label": _repeat("unknown", n),
        "decision": _texts(np.where(review, "keep", "discard"), dropped),
        "outcome": _repeat("n/a", n),
        "triage_bucket": pa.array(bucket, pa.large_string()),
        "triage_score": pa.array(best, from_pandas=True),
        "model_scores": pa.StructArray.from_arrays([pa.array(each, from_pandas=True) for each in scores], names=names),
        "n_models_review": pa.array(n_review),
        "models_disagree": pa.array(review & (n_review < n_models)),
        "model_version": _texts(np.array(names)[np.nan_to_num(scores).argmax(axis=0)], dropped),
        "score": pa.array(np.log((best + 1e-9) / (1 - best + 1e-9)), from_pandas=True),
        "probability": pa.array(best, from_pandas=True),
        "num_tubes_kept": pa.array(random.integers(0, 5, n), mask=dropped),
        "trigger_frame_index": pa.array(random.integers(0, 20, n), mask=~review),
        "n_frames_unusable": pa.array(np.zeros(n, np.int64), mask=dropped),
        "organization_name": pa.array(np.char.add("SDIS n° ", organization.astype(str)), pa.large_string()),
        "organization_id": pa.array(organization + 100),
        "camera_name": pa.array(np.char.add("camera-", camera.astype(str)), pa.large_string()),
        "azimuth": pa.array(random.integers(0, 360, n), mask=random.random(n) < 0.02),
        "started_at": pa.array(_START + np.sort(random.integers(0, 3 * 10**13, n)), pa.timestamp("us", "UTC")),
        "dropped_reason": _texts(np.full(n, "predict_failed"), ~dropped),
        "dropped_error": _texts(np.char.add("a frame that cannot be read: ", ids.astype(str)), ~dropped),
        "group_id": pa.array(group, mask=~is_in_group),
        "annotation_stage": _texts(np.full(n, "seq_annotation_done"), ~labeled),
        "annotation_origin": _texts(np.full(n, "person"), ~labeled),
        "smoke_types": pa.ListArray.from_arrays(nothing, pa.array([], pa.string())),
        "false_positive_types": pa.ListArray.from_arrays(offsets, pa.array(types, pa.string())),
        "is_unsure": pa.array(np.zeros(n, bool), mask=~labeled),
    }
    return pa.table(columns, metadata={"format_version": "2"}), n_groups


def _repeat(text: str, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.large_string()), n)


def _texts(values: np.ndarray, is_null: np.ndarray) -> pa.Array:
    return pa.array(values, pa.large_string(), mask=is_null)


def _groups(n: int, revision: int = 1) -> bytes:
    ids = np.arange(1, n + 1)
    known = {
        "group_id": pa.array(ids),
        "label_state": pa.array(np.where(ids % 3 == 0, "labeled", np.where(ids % 17 == 0, "unsure", "unlabeled"))),
        "is_validated": pa.array(ids % 5 == 0),
        "member_count": pa.array(2 + ids % 9, pa.int32()),
    }
    columns = [known.get(field.name, pa.nulls(n, field.type)) for field in GROUPS]
    return _encode(pa.table(columns, schema=GROUPS), revision)


def _encode(table: pa.Table, revision: int) -> bytes:
    stamp = {"format_version": "1", "database_id": "benchmark", "revision": str(revision), "token": "token"}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(stamp), buffer, compression="zstd")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
