"""Which part of a store is exported: the backlog of some organizations, or of one bucket of the split.

What lives here: the choice, and the worklists' files cut down to it. What does not: the form of those files
(`worklists.export`), and writing them anywhere.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triage_assets.annotator.records import Organization, partition_key
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.errors import ExchangeError, NoWorklists, WorklistsUnusable
from triage_assets.store import Store
from triage_assets.stored_backlogs import select_organizations
from triage_assets.worklists.export import FORMAT_VERSION
from triage_assets.worklists.records import FOLDER, LABELED, REVIEW, UNLABELED

RECORD = "model_config.json"
RESULTS = "results.parquet"
DROPPED = "dropped"
BUCKETS = (REVIEW, UNLABELED, LABELED, DROPPED)


@dataclass(frozen=True, slots=True)
class Selection:
    """Names or keys of organizations, all where there are none; and a bucket of the split, all where it is None."""

    organizations: tuple[str, ...] = ()
    bucket: str | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.organizations and self.bucket is None

    def keys(self, store: Store) -> tuple[str, ...]:
        """The partition keys of the organizations. Raises `StoreError` where the store lacks one, or has none."""
        known = stored_keys(store)
        if not known:
            raise ExchangeError(
                "There is nothing to export", found=f"no backlog in {store.location}", do="Check TRIAGE_STORE, or pull."
            )
        return select_organizations(store, self.organizations, known)


class StoredWorklists:
    """The worklists' files as they are in the store, proven to be of one run."""

    def __init__(self, store: Store) -> None:
        """Read their record. Raises `NoWorklists`, `WorklistsUnusable`, `StoreError`."""
        self._store = store
        data = store.read_or_none(f"{FOLDER}/{RECORD}")
        if data is None:
            raise NoWorklists(
                f"{store.location} has no worklists", do="Run `triage run`, or `triage worklists` if all is scored."
            )
        try:
            record = orjson.loads(data)
        except ValueError:
            record = None
        self.record: dict[str, Any] = record if isinstance(record, dict) else {}
        self.digest = hashlib.sha256(data).hexdigest()
        self._data = data
        if self.record.get("format_version") != FORMAT_VERSION:
            raise WorklistsUnusable(
                "The worklists were written by another version of this project, or are damaged",
                found=f"format version {self.record.get('format_version')}",
                expected=f"format version {FORMAT_VERSION}",
                do="Run `triage worklists`: the files are made anew.",
            )

    def read(self, name: str) -> bytes:
        """One of the files. Raises `WorklistsUnusable` where it is not of the same run."""
        if name == RECORD:
            return self._data
        data = self._store.read_or_none(f"{FOLDER}/{name}") or b""
        if hashlib.sha256(data).hexdigest() != self.record["files"].get(name):
            raise WorklistsUnusable(
                f"The worklists' {name} is not of the same run as their {RECORD}",
                do="Wait while a run is under way; otherwise run `triage worklists`.",
            )
        return data

    def read_all(self, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
        """Some of the files, one after the other. Raises `WorklistsUnusable`."""
        return ((name, self.read(name)) for name in names)

    def results(self, selection: Selection) -> pa.Table:
        """The rows of the selection, in order of sequence_id. Raises `WorklistsUnusable`, `ExchangeError`."""
        rows = pq.read_table(pa.BufferReader(self.read(RESULTS)))
        if selection.organizations:
            keys = selection.keys(self._store)
            pairs = zip(rows["organization_id"].to_pylist(), rows["organization_name"].to_pylist(), strict=True)
            rows = rows.filter(pa.array([partition_key(Organization(*pair)) in keys for pair in pairs], pa.bool_()))
        if selection.bucket is not None:
            wanted = None if selection.bucket == DROPPED else selection.bucket
            bucket = rows["triage_bucket"]
            rows = rows.filter(pc.is_null(bucket) if wanted is None else pc.equal(bucket, wanted))
        return rows

    def leaders(self, results: pa.Table) -> Mapping[str, frozenset[int]]:
        """By the folder name of each model, the sequences whose score in results is its own."""
        if "model_scores" not in results.column_names:
            return {}
        names = [str(model["name"]) for model in self.record["models"]]
        led: dict[str, set[int]] = {name: set() for name in names}
        for sequence_id, scores in zip(
            results["sequence_id"].to_pylist(), results["model_scores"].to_pylist(), strict=True
        ):
            found = [(score, -place) for place, score in enumerate(scores.values()) if score is not None]
            if found:
                led[names[-max(found)[1]]].add(sequence_id)
        return {name: frozenset(ids) for name, ids in led.items()}


def cut_down(worklists: StoredWorklists, names: tuple[str, ...], chosen: pa.Table) -> Iterator[tuple[str, bytes]]:
    """The files with the chosen rows alone, and last their record, with the digests that they have now."""
    ids = frozenset(chosen["sequence_id"].to_pylist())
    digests = {}
    for name in names:
        if name == RECORD:
            continue
        data = _encode_results(chosen) if name == RESULTS else _cut_down_json(worklists.read(name), ids)
        digests[name] = hashlib.sha256(data).hexdigest()
        yield name, data
    record = {**worklists.record, "files": digests}
    yield RECORD, orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n"


def _encode_results(chosen: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(chosen, sink, compression="zstd")
    return bytes(sink.getvalue())


def _cut_down_json(data: bytes, ids: frozenset[int]) -> bytes:
    """A worklist, or a list of rows, with the rows of these sequences; the head says what is there now."""
    content = orjson.loads(data)
    if isinstance(content, list):
        return _encode_rows([row for row in content if row["sequence_id"] in ids])
    content["items"] = [row for row in content["items"] if row["sequence_id"] in ids]
    content["sequence_ids"] = [row["sequence_id"] for row in content["items"]]
    content["count"] = len(content["items"])
    if "bulk_payload" in content:
        content["bulk_payload"]["sequence_ids"] = content["sequence_ids"]
    items = content.pop("items")
    return orjson.dumps(content)[:-1] + b',"items":' + _encode_rows(items) + b"}\n"


def _encode_rows(rows: list[dict[str, Any]]) -> bytes:
    return b"[\n" + b",\n".join(map(orjson.dumps, rows)) + b"\n]\n"
