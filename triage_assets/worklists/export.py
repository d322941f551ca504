"""The worklist files: what `worklists/` in the store holds, written and read back.

What lives here: the form of every file of the report, and the checks that the files keep their promises. What does not:
the split itself (`build`). Nothing here sends anything anywhere: `unlabeled.json` is a request body for a person.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from triage_assets.store import Store
from triage_assets.worklists.build import in_review_order
from triage_assets.worklists.records import FOLDER, INVARIANTS, REVIEW, UNLABELED, ModelScores, score_names

FORMAT_VERSION = 1


# As Python objects a row takes about 5 kB: so many at once are little beside the file itself.
_ROWS_AT_ONCE = 20_000
_ITEM_COLUMNS = (
    "key", "sequence_id", "triage_score", "model_scores", "n_models_review", "model_version", "score",
    "trigger_frame_index", "n_frames_unusable", "organization_name", "camera_name", "started_at", "group_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorklistsReport:
    """What was written: how many sequences are where, the files that changed, and a digest of all files."""

    n_backlog: int
    n_review: int
    n_unlabeled: int
    n_dropped: int
    files_changed: tuple[str, ...]
    data_version: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise of the worklists, whether the files keep it, and what was found."""

    name: str
    holds: bool
    found: str


def write_worklists(
    store: Store,
    results: pd.DataFrame,
    models: Sequence[ModelScores],
    threshold: float,
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
    dropped = results[results["triage_bucket"].isna()]
    unlabeled_ids = unlabeled["sequence_id"].tolist()
    bulk_payload = {
        "sequence_ids": unlabeled_ids,
        "false_positive_type": "unlabeled",
        "is_unsure": False,
        "force": False,
    }
    notices: dict[str, Any] = {"caution": text} if (text := describe_caution(models)) else {}
    if split_without:
        notices["split_without"] = list(split_without)
    files = {
        "results.parquet": _parquet(results, score_names(models)),
        "results.json": _json_lines(results),
        "review.json": _worklist(threshold, review, notices),
        "unlabeled.json": _worklist(threshold, unlabeled, {**notices, "bulk_payload": bulk_payload}),
        "dropped.json": _dropped(dropped),
    }
    files["model_config.json"] = _model_config(models, threshold, stages or {}, split_without, files)
    changed = tuple(name for name, data in files.items() if store.read_or_none(f"{FOLDER}/{name}") != data)
    for name in changed:
        store.write(f"{FOLDER}/{name}", files[name])
    return WorklistsReport(
        n_backlog=len(results),
        n_review=len(review),
        n_unlabeled=len(unlabeled),
        n_dropped=len(dropped),
        files_changed=changed,
        data_version=hashlib.sha256(files["model_config.json"]).hexdigest(),
    )


def check_invariants(store: Store, backlog_ids: set[int]) -> tuple[Invariant, ...]:
    """Read the files back and hold them against the backlog's sequence ids."""
    review = _ids(store, "review.json")
    unlabeled = _ids(store, "unlabeled.json")
    dropped = [int(item["sequence_id"]) for item in json.loads(store.read(f"{FOLDER}/dropped.json"))]
    together = [*review, *unlabeled, *dropped]
    payload = json.loads(store.read(f"{FOLDER}/unlabeled.json"))["bulk_payload"]["sequence_ids"]
    listed = json.loads(store.read(f"{FOLDER}/model_config.json"))["files"]
    foreign = [name for name in listed if hashlib.sha256(store.read(f"{FOLDER}/{name}")).hexdigest() != listed[name]]
    twice = len(together) - len(set(together))
    verdicts = (
        (not set(review) & set(unlabeled), f"{len(set(review) & set(unlabeled))} sequences in both"),
        (
            twice == 0 and set(together) >= backlog_ids,
            f"{len(backlog_ids - set(together))} missing, {twice} listed twice, of {len(backlog_ids)}",
        ),
        (set(together) <= backlog_ids, f"{len(set(together) - backlog_ids)} sequences that are not in the backlog"),
        (payload == unlabeled, f"{len(payload)} in the payload, {len(unlabeled)} in the list"),
        (not foreign, f"{', '.join(foreign) or 'no file'} differs from what model_config.json lists"),
    )
    return tuple(Invariant(name, *verdict) for name, verdict in zip(INVARIANTS, verdicts, strict=True))


def listed_models(store: Store) -> tuple[str, ...]:
    """The folder names of the models whose scores the present worklists hold; none where there are no worklists."""
    data = store.read_or_none(f"{FOLDER}/model_config.json")
    return () if data is None else tuple(str(model["name"]) for model in json.loads(data)["models"])


def describe_caution(models: Sequence[ModelScores]) -> str:
    """What everybody who is shown these models' scores must be told; empty where there is nothing to say."""
    return "; ".join(model.caution for model in models if model.caution)


def _ids(store: Store, name: str) -> list[int]:
    return [int(sequence_id) for sequence_id in json.loads(store.read(f"{FOLDER}/{name}"))["sequence_ids"]]


def _worklist(threshold: float, rows: pd.DataFrame, extra: Mapping[str, Any]) -> bytes:
    head = {"threshold": threshold, "count": len(rows), "sequence_ids": rows["sequence_id"].tolist(), **extra}
    return orjson.dumps(head)[:-1] + b',"items":' + _json_lines(rows[list(_ITEM_COLUMNS)]) + b"}\n"


def _dropped(rows: pd.DataFrame) -> bytes:
    named = rows.rename(columns={"dropped_reason": "reason", "dropped_error": "error"})
    columns = ["key", "sequence_id", "reason", "error", "organization_name", "camera_name", "started_at"]
    return _json_lines(named[columns])


def _json_lines(rows: pd.DataFrame) -> bytes:
    """A JSON array with one row a line: readable, exact to the last digit, and quick to make at a million rows."""
    chunks = (rows.iloc[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
    return b"[\n" + b",\n".join(map(_encode_rows, chunks)) + b"\n]\n"


def _encode_rows(rows: pd.DataFrame) -> bytes:
    times = rows["started_at"].dt.tz_convert(None).to_numpy("datetime64[ms]")
    texts = np.char.add(np.datetime_as_string(times, unit="ms"), "Z")
    columns = [_plain_values(column) for _, column in rows.assign(started_at=texts).items()]
    names = list(rows.columns)
    return b",\n".join(orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))


def _plain_values(column: pd.Series) -> list[object]:
    return column.astype(object).where(column.notna(), None).tolist()


def _parquet(rows: pd.DataFrame, names: Sequence[str]) -> bytes:
    plain = rows.drop(columns="model_scores")
    table = pa.Table.from_pandas(plain, preserve_index=False)
    scores = pa.array(rows["model_scores"].tolist(), pa.struct([(name, pa.float64()) for name in names]))
    position = list(rows.columns).index("model_scores")
    table = table.add_column(position, "model_scores", scores) if names else table
    table = table.replace_schema_metadata({"format_version": str(FORMAT_VERSION)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _model_config(
    models: Sequence[ModelScores],
    threshold: float,
    stages: Mapping[str, str],
    split_without: Sequence[str],
    files: Mapping[str, bytes],
) -> bytes:
    content = {
        "format_version": FORMAT_VERSION,
        "threshold": threshold,
        "stages": dict(stages),
        "buckets": {REVIEW: "score >= threshold", UNLABELED: "score < threshold"},
        "models": [
            {"name": model.name, "version": model.version, "caution": model.caution, **model.provenance}
            for model in models
        ],
        "split_without": list(split_without),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    return json.dumps(content, indent=1, sort_keys=False, ensure_ascii=False).encode() + b"\n"
