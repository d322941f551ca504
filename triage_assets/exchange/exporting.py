"""Writing a store out as loose files: the frames alone, or the whole folder that the existing viewer reads.

What lives here: what is in such a folder, and where. What does not: how it comes to be there whole (`new_folder`), what
a sequence says of itself (`loose_meta`), and which sequences (`selection`).
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from triage_assets.annotator.records import Organization, Sequence, camera_slug, partition_key, slugify
from triage_assets.annotator.snapshot import StoredSnapshot, iter_sequences
from triage_assets.errors import NewerFormat, ShardError, StoreError
from triage_assets.exchange.loose_meta import encode_loose_meta
from triage_assets.exchange.new_folder import NewFolder
from triage_assets.exchange.selection import RECORD, RESULTS, Selection, StoredWorklists, cut_down
from triage_assets.progress import Progress, report_progress
from triage_assets.scoring.files.tables import sequence_key
from triage_assets.scoring.predictions import iter_details
from triage_assets.shards.catalog import find_frames
from triage_assets.shards.meta import META_NAME
from triage_assets.shards.reader import read_meta, read_sequence
from triage_assets.store import Store

_log = logging.getLogger(__name__)

SEQUENCES = "data/01_raw/sequences"
REPORT = "data/08_reporting/pyro-annotator/vit_dinov2_finetune"
_FILES = ("results.json", RESULTS, "review.json", "unlabeled.json", "dropped.json", RECORD)
_FORMAT_VERSION = 1
# Frames of one store never change: an unfinished export of it is gone on with whatever was chosen.
_SAME = ("format_version", "kind", "store_sha256")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written. ``n_without_frames`` sequences have some or all of their frames in no shard.

    ``left_out`` says of each ``sequence <id>`` and ``organization <key>`` that is not there why not.
    """

    n_sequences: int
    n_frames: int
    n_without_frames: int
    n_details: int
    left_out: Mapping[str, str]


def export_frames(
    store: Store, folder: Path, selection: Selection | None = None, progress: Progress | None = None
) -> ExportReport:
    """Write the backlog's frames as ``<organization>/<camera>/seq_<id>/{meta.json, images/}`` into a new folder.

    Needs no scores unless the selection is of a bucket. An organization of which the store cannot be read is left out,
    the others are written. Raises `ExchangeError`; `StoreError` and `ShardError` where none can be read; and
    `WorklistsUnusable` and `NoWorklists` for such a selection.
    """
    selection = selection or Selection()
    worklists = StoredWorklists(store) if selection.bucket is not None else None
    chosen = None if worklists is None else _keys_by_id(worklists.results(selection))
    keys = selection.keys(store)
    with NewFolder(folder, _describe(store, "frames", selection, worklists), _SAME) as new:
        writer = _SequenceWriter(store, new, "", progress or report_progress(_log.info))
        for _ in writer.write_all(keys, chosen):
            pass
        new.finish()
    return writer.report()


def export_eval_viewer(
    store: Store, folder: Path, selection: Selection | None = None, progress: Progress | None = None
) -> ExportReport:
    """Write frames, worklists, and each sequence's details as the existing viewer reads them into a new folder.

    Details are of the model whose score the sequence has in results.json. Raises as `export_frames` does.
    """
    selection, progress = selection or Selection(), progress or report_progress(_log.info)
    worklists = StoredWorklists(store)
    results, keys = worklists.results(selection), selection.keys(store)
    with NewFolder(folder, _describe(store, "eval-viewer", selection, worklists), _SAME) as new:
        # First, because they are of one run, and another run may write them anew while frames are written.
        is_all = selection.is_everything
        for name, data in worklists.read_all(_FILES) if is_all else cut_down(worklists, _FILES, results):
            new.write(f"{REPORT}/{name}", data)
        writer = _SequenceWriter(store, new, SEQUENCES, progress)
        for sequence, files in writer.write_all(keys, _keys_by_id(results)):
            new.write(f"{REPORT}/sequences/{sequence_key(sequence.id)}.json", _encode_listing(sequence, files))
        n_details = 0
        for model, ids in worklists.leaders(results).items():
            for sequence_id, details in iter_details(store, model, ids):
                new.write(f"{REPORT}/details/{sequence_key(sequence_id)}.json", orjson.dumps(details) + b"\n")
                n_details += 1
                progress("details", n_details, None)
        new.finish()
    return writer.report(n_details)


def _describe(store: Store, kind: str, selection: Selection, worklists: StoredWorklists | None) -> dict[str, object]:
    """What tells an export from another one, without saying where the store is."""
    return {
        "format_version": _FORMAT_VERSION,
        "kind": kind,
        "store_sha256": hashlib.sha256(store.location.encode()).hexdigest(),
        "worklists_sha256": None if worklists is None else worklists.digest,
        "organizations": sorted(selection.organizations),
        "bucket": selection.bucket,
    }


def _keys_by_id(results: pa.Table) -> dict[int, str]:
    """The organization's partition key of each sequence."""
    columns = (results[name].to_pylist() for name in ("sequence_id", "organization_id", "organization_name"))
    return {which: partition_key(Organization(*named)) for which, *named in zip(*columns, strict=True)}


def _encode_listing(sequence: Sequence, files: list[str]) -> bytes:
    row = sequence.row
    content = {
        "key": sequence_key(row.id),
        "source": "pyro-annotator",
        "label": "unknown",
        "organization_name": row.organization_name,
        "camera_name": row.camera_name,
        "started_at": row.recorded_at,
        "frames": files,
    }
    return orjson.dumps(content, option=orjson.OPT_UTC_Z) + b"\n"


class _SequenceWriter:
    """Writes sequences' folders; of each sequence its meta.json last, by which the next run knows that it is whole."""

    def __init__(self, store: Store, new: NewFolder, root: str, progress: Progress) -> None:
        self._store = store
        self._new = new
        self._root = root
        self._progress = progress
        self._n_sequences = self._n_frames = self._n_without_frames = 0
        self._left_out: dict[str, str] = {}

    def report(self, n_details: int = 0) -> ExportReport:
        """What was written so far."""
        return ExportReport(self._n_sequences, self._n_frames, self._n_without_frames, n_details, self._left_out)

    def write_all(
        self, keys: tuple[str, ...], chosen: Mapping[int, str] | None
    ) -> Iterator[tuple[Sequence, list[str]]]:
        """Write the chosen sequences, by their organizations' keys, or all; yields each with the paths of its images.

        Raises `ShardError` and `StoreError` where none of the organizations can be read.
        """
        seen: set[int] = set()
        damaged: dict[str, ShardError | StoreError] = {}
        for key in keys:
            last: int | None = None
            try:
                for sequence, files in self._write_organization(key, chosen, seen):
                    last = sequence.id
                    yield sequence, files
            except NewerFormat:
                raise
            except (ShardError, StoreError) as error:
                damaged[key] = error
                after = "" if last is None else f"nothing after sequence {last} is written: "
                self._left_out[f"organization {key}"] = f"{after}{error}"
        if len(damaged) == len(keys) and not seen:
            raise damaged[keys[0]]
        for sequence_id, key in (chosen or {}).items():
            if sequence_id not in seen and key not in damaged:
                self._left_out[f"sequence {sequence_id}"] = "it has left the backlog since the worklists were made"

    def _write_organization(
        self, key: str, chosen: Mapping[int, str] | None, seen: set[int]
    ) -> Iterator[tuple[Sequence, list[str]]]:
        stored, frames = StoredSnapshot.open(self._store, key), _FramesBySequence(self._store, key)
        stage = "" if stored is None else stored.stage
        for sequence in iter_sequences(self._store, key):
            if sequence.id in seen or not (chosen is None or sequence.id in chosen):
                continue
            seen.add(sequence.id)
            try:
                yield sequence, self._write(sequence, stage, key, frames.rows(sequence))
            except (ShardError, StoreError) as error:
                self._left_out[f"sequence {sequence.id}"] = str(error)
            self._progress("sequences", len(seen), None if chosen is None else len(chosen))

    def _write(self, sequence: Sequence, stage: str, key: str, rows: pa.Table) -> list[str]:
        organization = slugify(sequence.row.organization_name) or "organization"
        parts = (self._root, organization, camera_slug(sequence.row), f"seq_{sequence.id}")
        folder = "/".join(filter(None, parts))
        meta = read_meta(self._store, key, rows) if len(rows) else None
        encoded = encode_loose_meta(sequence, stage, meta)
        images = {row["detection_id"]: row["size"] for row in rows.to_pylist() if row["offset"] is not None}
        files = {f"{folder}/{frame.file}": images[frame.detection_id] for frame in meta.frames} if meta else {}
        # A file has its name only once it is whole, and the same name here is the same frame.
        is_whole = all(self._new.size(path) == size for path, size in files.items())
        if not (is_whole and self._new.holds(f"{folder}/{META_NAME}", encoded)):
            stored = read_sequence(self._store, key, rows) if files else None
            for path, frame in zip(files, stored.usable if stored else (), strict=True):
                self._new.write(path, frame.image)
            self._new.write(f"{folder}/{META_NAME}", encoded)
        self._new.keep([*files, f"{folder}/{META_NAME}"])
        self._n_sequences += 1
        self._n_frames += len(files)
        stored_ids = set(rows["detection_id"].to_pylist())
        self._n_without_frames += any(detection.id not in stored_ids for detection in sequence.detections)
        return list(files)


class _FramesBySequence:
    """The index rows of an organization's live frames, by sequence."""

    def __init__(self, store: Store, key: str) -> None:
        found = find_frames(store, key)
        frames, self._faults = found.rows, tuple(found.damaged.values())
        self._ids = frames["sequence_id"].to_numpy()
        order = np.argsort(self._ids, kind="stable")
        self._frames = frames.take(pa.array(order))
        self._ids = self._ids[order]

    def rows(self, sequence: Sequence) -> pa.Table:
        """All rows of a sequence, in the order of its shard's index.

        Raises `ShardError` where a frame is not there and a shard whose index cannot be read may have it.
        """
        start, end = np.searchsorted(self._ids, [sequence.id, sequence.id + 1]).tolist()
        rows = self._frames.slice(start, end - start)
        if self._faults and not {each.id for each in sequence.detections} <= set(rows["detection_id"].to_pylist()):
            first = self._faults[0]
            raise ShardError(
                f"not all of its frames are found, perhaps because of {first.what}",
                found=first.found,
                expected=first.expected,
                do=first.do,
            )
        return rows
