"""Folders to import: the layouts that users have, of a few tiny sequences, and a store to export them from."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.shards.shard_backlogs import Downloads, make_sequence, tiny_jpeg
from triage_assets.annotator.merging import add_sequences
from triage_assets.annotator.records import Box, Sequence
from triage_assets.annotator.snapshot import snapshot_path
from triage_assets.shards.catalog import catalog_path, load_frames
from triage_assets.shards.packing import pack_frames
from triage_assets.store import Store

KEY = "sdis-ardeche-3"
CAMERA = "sdis-ardeche/mont-gerbier-2"
REPORT = "08_reporting/pyro-annotator/vit_dinov2_finetune"


def older_meta(sequence_id: int, detection_ids: Iterable[int]) -> dict[str, Any]:
    """What the older layout says of a sequence, and no more."""
    sequence = make_sequence(sequence_id, detection_ids)
    row = sequence.row
    return {
        "key": f"pyro-annotator_{row.id}",
        "sequence_id": row.id,
        "source": "pyro-annotator",
        "label": "unknown",
        "camera_id": row.camera_id,
        "camera_name": row.camera_name,
        "organization_id": row.organization_id,
        "organization_name": row.organization_name,
        "started_at": row.recorded_at.isoformat(),
        "frames": [
            {
                "file": f"images/detection_{detection.id}.jpg",
                "detection_id": detection.id,
                "recorded_at": detection.recorded_at.isoformat(),
                "bucket_key": detection.bucket_key,
            }
            for detection in sequence.detections
        ],
    }


def files_of(sequence_id: int, detection_ids: Iterable[int], /, **changed: Any) -> dict[str, bytes]:
    """A sequence's files by their paths below its folder."""
    ids = tuple(detection_ids)
    meta = json.dumps({**older_meta(sequence_id, ids), **changed}).encode()
    return {"meta.json": meta, **{f"images/detection_{which}.jpg": tiny_jpeg(which) for which in ids}}


def make_loose(root: Path, sequences: Mapping[int, Iterable[int]]) -> Path:
    """The loose layout below ``root``; returns the folder of the sequences' cameras."""
    camera = root / "data/01_raw/sequences" / CAMERA
    for sequence_id, detection_ids in sequences.items():
        write_files(camera / f"seq_{sequence_id}", files_of(sequence_id, detection_ids))
    return camera


def make_other(root: Path, sequence_id: int, detection_ids: Iterable[int]) -> None:
    """A sequence of another organization, `other-4`, in the loose layout below ``root``."""
    files = files_of(sequence_id, detection_ids, organization_id=4, organization_name="Other")
    write_files(root / f"data/01_raw/sequences/other/camera/seq_{sequence_id}", files)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def make_packed(root: Path, shards: Mapping[int, Mapping[int, Iterable[int]]]) -> Path:
    """The older packed layout below ``root``; returns the folder of its archives."""
    folder = root / "02_shards/frames"
    folder.mkdir(parents=True)
    items = {}
    for number, sequences in shards.items():
        with tarfile.open(folder / f"shard_{number:04d}.tar", "w") as tar:
            for sequence_id, detection_ids in sequences.items():
                items[str(sequence_id)] = number
                for name, data in files_of(sequence_id, detection_ids).items():
                    add_member(tar, f"{CAMERA}/seq_{sequence_id}/{name}", data)
    (folder / "manifest.json").write_text(json.dumps({"next_index": len(shards), "items": items}))
    return folder


def add_member(tar: tarfile.TarFile, name: str, data: bytes = b"", **values: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mtime = 1_755_000_000.5  # with a fraction, as files have it: takes a header of attributes
    for attribute, value in values.items():
        setattr(member, attribute, value)
    tar.addfile(member, io.BytesIO(data))


def make_details(probability: float, n_frames: int, logit: float = 1.5) -> dict[str, Any]:
    """Details of one tube through all frames."""
    entries = [
        {"frame_idx": index, "bbox": [0.5, 0.5, 0.1, 0.2], "is_gap": False, "confidence": 0.7}
        for index in range(n_frames)
    ]
    tube = {
        "tube_id": 0,
        "start_frame": 0,
        "end_frame": n_frames - 1,
        "logit": logit,
        "probability": probability,
        "first_crossing_frame": None,
        "entries": entries,
        "stabilized_window": [0.5, 0.5, 0.1, 0.2],
    }
    return {
        "preprocessing": {"num_frames_input": n_frames, "num_truncated": 0, "padded_frame_indices": []},
        "tubes": {"num_candidates": 1, "num_outside_roi": 0, "kept": [tube]},
        "decision": {"aggregation": "logistic", "threshold": 0.5, "trigger_tube_id": None},
    }


def make_report(root: Path, scores: Mapping[int, float], n_frames: int = 3, version: str = "0.1.0") -> Path:
    """Results and details of one model below ``root``; returns their folder."""
    folder = root / REPORT
    (folder / "details").mkdir(parents=True)
    rows = []
    for sequence_id, score in scores.items():
        key = f"pyro-annotator_{sequence_id}"
        rows.append({"key": key, "model_version": version, "triage_score": score, "trigger_frame_index": None})
        (folder / f"details/{key}.json").write_text(json.dumps(make_details(score, n_frames)))
    (folder / "results.json").write_text(json.dumps(rows))
    return folder


def fill(store: Store, backlog: list[Sequence], unusable: Mapping[int, str] | None = None) -> None:
    """Pull a backlog, as it were."""
    add_sequences(store, KEY, "SDIS Ardèche", "ready_to_annotate", backlog)
    pack_frames(store, KEY, backlog, Downloads(unusable or {}))


def with_boxes(sequence: Sequence) -> Sequence:
    """A sequence with everything that a newer annotator says of it."""
    row = replace(
        sequence.row, lat=44.1, lon=-4.25, azimuth=180, created_at=sequence.row.recorded_at, source_api="pyronear",
        alert_api_id=7, is_wildfire_alertapi="wildfire_smoke", annotator_group_id=3, platform_alert_id=9,
        temporal_model_score=0.1 + 0.2, temporal_model_version="0.2.0", temporal_api_version="1", is_manual=False,
    )  # fmt: skip
    boxes = (Box(0.1, 0.2, 1 / 3, 0.4, 0.123456789), Box(0.9, 0.9, 0.8, 0.8, 1.0, "flame"))
    detections = tuple(
        replace(each, boxes=boxes[: number % 3], other_boxes=boxes[number % 2 :])
        for number, each in enumerate(sequence.detections)
    )
    return Sequence(row, detections)


def cut_snapshot(store: Store) -> None:
    """Leave half of the backlog's file: its footer is gone."""
    path = snapshot_path(KEY)
    store.write(path, store.read(path)[: store.size(path) // 2])


def spoil_snapshot(store: Store, group: int = 0) -> None:
    """Spoil one row group of the backlog's file, and nothing that its footer says."""
    path = snapshot_path(KEY)
    data = bytearray(store.read(path))
    metadata = pq.ParquetFile(pa.BufferReader(bytes(data))).metadata.row_group(group)
    start, end = (metadata.column(which).dictionary_page_offset for which in (0, 4))
    data[start:end] = bytes(end - start)
    store.write(path, bytes(data))


def lose_catalog(store: Store) -> None:
    store.delete(catalog_path(KEY))


DAMAGES = [
    (cut_snapshot, "sequences.parquet cannot be read"),
    (spoil_snapshot, "sequences.parquet cannot be read"),
    (lose_catalog, "catalog.json is missing"),
]
"""What one organization may lose, and how that is said."""


def digests(store: Store) -> dict[int, str | None]:
    """The digest of every stored frame, by detection id."""
    frames = load_frames(store, KEY)
    return dict(zip(frames["detection_id"].to_pylist(), frames["sha256"].to_pylist(), strict=True))


def digests_of(detection_ids: Iterable[int]) -> dict[int, str]:
    return {which: hashlib.sha256(tiny_jpeg(which)).hexdigest() for which in detection_ids}


def contents(store: Store) -> dict[str, bytes]:
    return {found.path: store.read(found.path) for found in store.list("")}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
