"""The worklist files: what `worklists/` in the store holds, written and read back.

What lives here: the form of every file of the report. What does not: the split itself (`build`), and the checks that
the files keep their promises (`invariants`). Nothing here sends anything anywhere: `unlabeled.json` and `labels.json`
hold request bodies for a person.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from triage_assets.errors import StoreError
from triage_assets.groups.records import DatabaseState
from triage_assets.store import Store, write_together
from triage_assets.worklists.build import in_review_order
from triage_assets.worklists.group_entries import ENTRY_COLUMNS, list_entries, summarize_groups
from triage_assets.worklists.labels import Labels, bulk_payload, split_labels
from triage_assets.worklists.records import (
    FOLDER,
    LABELED,
    NOT_GROUPED,
    REVIEW,
    UNLABELED,
    ModelScores,
    ReviewTables,
    score_names,
)

# 2: the bucket `labeled`, and what annotations say.
FORMAT_VERSION = 2

# As Python objects a row takes about 5 kB: so many at once are little beside the file itself.
_ROWS_AT_ONCE = 20_000
_ITEM_COLUMNS = (
    "key", "sequence_id", "triage_score", "model_scores", "n_models_review", "model_version", "score",
    "trigger_frame_index", "n_frames_unusable", "organization_name", "camera_name", "started_at", "group_id",
    "annotation_stage",
)  # fmt: skip
_LABEL_COLUMNS = (
    "key", "sequence_id", "annotation_stage", "annotation_origin", "smoke_types", "false_positive_types", "is_unsure",
    "triage_score", "organization_name", "camera_name", "started_at", "group_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorklistsReport:
    """What was written: how many sequences are where, the files that changed, and a digest of all files.

    ``n_entries`` are the groups and single sequences of review_groups.json.
    """

    n_backlog: int
    n_review: int
    n_entries: int
    n_unlabeled: int
    n_labeled: int
    n_dropped: int
    files_changed: tuple[str, ...]
    data_version: str


def write_worklists(
    store: Store,
    results: pd.DataFrame,
    models: Sequence[ModelScores],
    threshold: float,
    reviewed: ReviewTables = NOT_GROUPED,
    stages: Mapping[str, str] | None = None,
    split_without: Sequence[str] = (),
) -> WorklistsReport:
    """Write every worklist file that differs from what is there; model_config.json, which lists their digests, last.

    ``stages`` says of each organization which processing stage its backlog is of, ``split_without`` which models were
    meant to have a say and had none, and why.
    """
    store.sweep_unfinished(FOLDER)
    review = in_review_order(results)
    unlabeled = results[results["triage_bucket"] == UNLABELED]
    labeled = results[results["triage_bucket"] == LABELED]
    dropped = results[results["triage_bucket"].isna()]
    entries = list_entries(results, summarize_groups(results, reviewed.groups, threshold))
    unlabel = bulk_payload(unlabeled["sequence_id"].tolist(), {"false_positive_type": "unlabeled"}, is_unsure=False)
    notices: dict[str, Any] = {"caution": text} if (text := describe_caution(models)) else {}
    if split_without:
        notices["split_without"] = list(split_without)
    labels = split_labels(labeled, reviewed.annotations)
    digests: dict[str, str] = {}
    changed: list[str] = []
    # At a million rows the files are 1.3 GB: one at a time is in memory.
    encodings: dict[str, Callable[[], bytes]] = {
        "results.parquet": lambda: _parquet(results, score_names(models)),
        "results.json": lambda: _json_lines(results),
        "review.json": lambda: _worklist(threshold, review, notices),
        "review_groups.json": lambda: _review_groups(threshold, entries, notices),
        "unlabeled.json": lambda: _worklist(threshold, unlabeled, {**notices, "bulk_payload": unlabel}),
        "labels.json": lambda: _labels(labeled, labels),
        "dropped.json": lambda: _dropped(dropped),
        "model_config.json": lambda: _model_config(
            models, threshold, stages or {}, split_without, reviewed.state, digests
        ),
    }

    def write() -> bool:
        n_written = 0
        digests.clear()
        for name, encode in encodings.items():
            data = encode()
            digests[name] = hashlib.sha256(data).hexdigest()
            if store.read_or_none(f"{FOLDER}/{name}") != data:
                store.write(f"{FOLDER}/{name}", data)
                changed.append(name)
                n_written += 1
        return n_written > 0

    write_together(store, FOLDER, write, lambda: not foreign_files(store))
    return WorklistsReport(
        n_backlog=len(results),
        n_review=len(review),
        n_entries=len(entries),
        n_unlabeled=len(unlabeled),
        n_labeled=len(labeled),
        n_dropped=len(dropped),
        files_changed=tuple(dict.fromkeys(changed)),
        data_version=digests["model_config.json"],
    )


def listed_models(store: Store) -> tuple[str, ...]:
    """The folder names of the models whose scores the present worklists hold; none where there are no worklists."""
    data = store.read_or_none(f"{FOLDER}/model_config.json")
    return () if data is None else tuple(str(model["name"]) for model in json.loads(data)["models"])


def count_listed_labels(store: Store) -> int:
    """How many sequences the present labels.json holds; 0 where there is none. Raises `StoreError`."""
    path = f"{FOLDER}/labels.json"
    data = store.read_or_none(path)
    try:
        return 0 if data is None else int(orjson.loads(data)["count"])
    except (KeyError, TypeError, ValueError):
        raise StoreError(
            f"{store.location}/{path} cannot be read",
            expected="what people labelled, as `worklists` wrote it",
            do="Materialize sequence_groups, and then worklists: it is made anew.",
        ) from None


def describe_caution(models: Sequence[ModelScores]) -> str:
    """What everybody who is shown these models' scores must be told; empty where there is nothing to say."""
    return "; ".join(dict.fromkeys(model.caution for model in models if model.caution))


def foreign_files(store: Store) -> list[str]:
    """The names of files that are missing, or not of the run that model_config.json is of: none where all is whole."""
    listed: dict[str, str] = json.loads(store.read(f"{FOLDER}/model_config.json"))["files"]
    stored = ((name, store.read_or_none(f"{FOLDER}/{name}"), digest) for name, digest in listed.items())
    return [name for name, data, digest in stored if data is None or hashlib.sha256(data).hexdigest() != digest]


def _worklist(threshold: float, rows: pd.DataFrame, extra: Mapping[str, Any]) -> bytes:
    head = {"threshold": threshold, "count": len(rows), "sequence_ids": rows["sequence_id"].tolist(), **extra}
    return orjson.dumps(head)[:-1] + b',"items":' + _json_lines(rows[list(_ITEM_COLUMNS)]) + b"}\n"


def _review_groups(threshold: float, entries: pd.DataFrame, notices: Mapping[str, Any]) -> bytes:
    n_sequences = sum(map(len, entries["sequence_ids"]))
    head = {"threshold": threshold, "count": len(entries), "n_sequences": n_sequences, **notices}
    return orjson.dumps(head)[:-1] + b',"entries":' + _json_lines(entries[list(ENTRY_COLUMNS)]) + b"}\n"


def _labels(rows: pd.DataFrame, labels: Labels) -> bytes:
    head = {
        "count": len(rows),
        "sequence_ids": rows["sequence_id"].tolist(),
        "bulk_payloads": labels.bulk_payloads,
        "individual": labels.individual,
    }
    return orjson.dumps(head)[:-1] + b',"items":' + _json_lines(rows[list(_LABEL_COLUMNS)]) + b"}\n"


def _dropped(rows: pd.DataFrame) -> bytes:
    named = rows.rename(columns={"dropped_reason": "reason", "dropped_error": "error"})
    columns = ["key", "sequence_id", "reason", "error", "organization_name", "camera_name", "started_at"]
    return _json_lines(named[columns])


def _json_lines(rows: pd.DataFrame) -> bytes:
    """A JSON array with one row a line: readable, exact to the last digit, and quick to make at a million rows."""
    chunks = (rows.iloc[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
    return b"[\n" + b",\n".join(map(_encode_rows, chunks)) + b"\n]\n"


def _encode_rows(rows: pd.DataFrame) -> bytes:
    columns = [_plain_values(column) for _, column in rows.items()]
    names = list(rows.columns)
    encoded = orjson.dumps([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])
    # One call for all rows takes 0.6 of the time of a call for each. Inside a string the quote would be escaped, and no
    # value is a list of objects: what is replaced is between two rows.
    first = b"{" + orjson.dumps(names[0])
    return encoded[1:-1].replace(b"}," + first, b"},\n" + first)


def _plain_values(column: pd.Series) -> list[object]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times = column.dt.tz_convert(None).to_numpy("datetime64[ms]")
        return list(np.char.add(np.datetime_as_string(times, unit="ms"), "Z").tolist())
    values: list[object] = column.tolist()
    for position in np.flatnonzero(column.isna()).tolist():
        values[position] = None
    return values


def _parquet(rows: pd.DataFrame, names: Sequence[str]) -> bytes:
    nested: dict[str, pa.DataType] = dict.fromkeys(("smoke_types", "false_positive_types"), pa.list_(pa.string()))
    nested["model_scores"] = pa.struct([(name, pa.float64()) for name in names])
    columns = {
        name: pa.array(column.tolist(), nested[str(name)], from_pandas=True)
        if name in nested
        else pa.Array.from_pandas(column)
        for name, column in rows.items()
        if names or name != "model_scores"  # a struct of no field cannot be written
    }
    table = pa.table(columns, metadata={"format_version": str(FORMAT_VERSION)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _model_config(
    models: Sequence[ModelScores],
    threshold: float,
    stages: Mapping[str, str],
    split_without: Sequence[str],
    decisions_of: DatabaseState | None,
    digests: Mapping[str, str],
) -> bytes:
    content = {
        "format_version": FORMAT_VERSION,
        "threshold": threshold,
        "stages": dict(stages),
        "buckets": {
            REVIEW: "score >= threshold, or somebody is annotating it here",
            UNLABELED: "score < threshold, and nobody has begun to annotate it here",
            LABELED: "a person's decision here, whatever the score",
        },
        "models": [
            {"name": model.name, "version": model.version, "caution": model.caution, **model.provenance}
            for model in models
        ],
        "split_without": list(split_without),
        "decisions_of": None if decisions_of is None else asdict(decisions_of),
        "files": dict(digests),
    }
    return json.dumps(content, indent=1, sort_keys=False, ensure_ascii=False).encode() + b"\n"
