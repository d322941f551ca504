"""A small store with everything in it, made by the project's own writers: shards, backlog, scores and worklists.

What lives here: its content. What does not: what is asked of it.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from tests.shards.shard_backlogs import KEY, make_sequence
from triage_assets.annotator.records import Box, DownloadedFrame, DownloadedSequence, Sequence, WantedSequence
from triage_assets.annotator.snapshot import SnapshotWriter, detections_array, read_snapshot, snapshot_path
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.predictions import load_current, load_model_record, score_backlog
from triage_assets.shards.catalog import load_frames
from triage_assets.shards.packing import PackReport, pack_frames
from triage_assets.worklists.build import build_results
from triage_assets.worklists.export import write_worklists
from triage_assets.worklists.records import BACKLOG_COLUMNS, ModelScores

MODEL = Path(__file__).resolve().parents[2] / "triage_assets" / "demo" / "model.zip"
HOSTILE = 'Mât "3"\n<script>\u202e'
SIZE = (96, 54)
UNUSABLE, PNG, BROKEN = 202, 103, 301
BOX = Box(0.3, 0.3, 0.6, 0.7, 0.8)


@cache
def picture(detection_id: int) -> bytes:
    """A picture of its own for each detection; one is a PNG, and one a JPEG whose middle is damaged."""
    rng = np.random.default_rng(detection_id)
    pixels = Image.fromarray(rng.integers(0, 256, (6, 10, 3), np.uint8)).resize(SIZE, Image.Resampling.BILINEAR)
    sink = io.BytesIO()
    pixels.save(sink, "PNG" if detection_id == PNG else "JPEG")
    data = sink.getvalue()
    return data[: data.index(b"\xff\xda")] + b"\xff\xd9" if detection_id == BROKEN else data


def sequences() -> list[Sequence]:
    """1: eight frames with a thing in them, one a PNG. 2: one is unusable. 3: one cannot be decoded. 4: no box."""
    made = []
    for which, n_frames in ((1, 8), (2, 4), (3, 5), (4, 3)):
        one = make_sequence(which, range(which * 100, which * 100 + n_frames), camera=HOSTILE)
        boxes = () if which == 4 else (BOX,)
        row = replace(one.row, last_seen_at=one.detections[-1].recorded_at, temporal_model_score=0.25)
        made.append(replace(one, row=row, detections=tuple(replace(each, boxes=boxes) for each in one.detections)))
    return made


def download(
    wanted: Iterable[WantedSequence], unusable: frozenset[int] = frozenset({UNUSABLE})
) -> Iterator[DownloadedSequence]:
    for item in wanted:
        ids = [each.id for each in item.sequence.detections if each.id not in item.held]
        frames = tuple(_downloaded(each) for each in ids if each not in unusable)
        yield DownloadedSequence(item, frames, {each: "HTTP 404" for each in ids if each in unusable}, {})


def _downloaded(detection_id: int) -> DownloadedFrame:
    data = picture(detection_id)
    return DownloadedFrame(detection_id, data, hashlib.sha256(data).hexdigest(), *SIZE)


def pack(store: FolderStore, some: list[Sequence], key: str = KEY, seal_bytes: int = 10**9) -> PackReport:
    return pack_frames(store, key, some, download, seal_bytes=seal_bytes)


def store_snapshot(store: FolderStore, some: list[Sequence], key: str = KEY) -> None:
    writer = SnapshotWriter(key, some[0].row.organization_name, "ready_to_annotate")
    for one in some:  # each in a row group of its own
        writer.write([one.row], detections_array([one.detections]))
    store.write(snapshot_path(key), writer.finish())


def load_backlog(store: FolderStore) -> tuple[pa.Table, pa.Table]:
    backlog = read_snapshot(store, KEY)
    assert backlog is not None
    return backlog, load_frames(store, KEY)


def score(store: FolderStore) -> str:
    """Score everything with the demo's model and write the worklists; returns the name of the predictions."""
    report = score_backlog(store, MODEL, {KEY: partial(load_backlog, store)})
    scores = load_current(store, report.name)
    assert scores is not None
    record = load_model_record(store, report.name) or {}
    models = [ModelScores(report.name, report.identity.version, scores, record, report.identity.caution)]
    backlog = load_backlog(store)[0].select(list(BACKLOG_COLUMNS))
    write_worklists(store, build_results(backlog, models, 0.35), models, 0.35)
    return report.name


def fill(store: FolderStore) -> str:
    """Everything; returns the name of the predictions."""
    pack(store, sequences())
    store_snapshot(store, sequences())
    return score(store)
