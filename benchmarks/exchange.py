"""How long a folder of the older layout takes to be imported and exported, and how much memory.

Run from the repository's root: ``python -m benchmarks.exchange``; ``--sequences`` and ``--frames`` choose how many, by
default as many as the annotator's queue held. Each step runs in a process of its own. Frames are small pictures, so
that what is measured is the work per file and per sequence; large ones take the disk's time besides.
"""

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from triage_assets.defs.backlog import load_backlog_table, load_model_scores
from triage_assets.exchange.exporting import export_eval_viewer
from triage_assets.exchange.importing import import_folder
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.records import DETECTOR_ANNOTATOR, FLOAT32
from triage_assets.worklists.build import build_results
from triage_assets.worklists.export import write_worklists

START = datetime(2026, 6, 1, tzinfo=UTC)
REPORT = "data/08_reporting/pyro-annotator/vit_dinov2_finetune"


def make_folder(root: Path, n_sequences: int, n_frames: int) -> None:
    """The older layout, with details of two tubes a sequence, of six organizations."""
    chance = random.Random(0)
    buffer = io.BytesIO()
    Image.effect_noise((48, 27), 60).convert("RGB").save(buffer, "JPEG")
    picture, rows = buffer.getvalue(), []
    (root / REPORT / "details").mkdir(parents=True)
    for which in range(1, n_sequences + 1):
        organization, started = which % 6, START + timedelta(minutes=which)
        ids = [which * 100 + number for number in range(n_frames)]
        key, files = f"pyro-annotator_{which}", [f"images/detection_{frame}.jpg" for frame in ids]
        times = [(started + timedelta(seconds=30 * number)).isoformat() for number in range(n_frames)]
        meta = {
            "key": key, "sequence_id": which, "source": "pyro-annotator", "label": "unknown", "camera_id": which % 97,
            "camera_name": f"Camera {which % 97}", "organization_id": organization,
            "organization_name": f"Organization {organization}", "started_at": started.isoformat(),
            "frames": [
                {"file": file, "detection_id": frame, "recorded_at": moment, "bucket_key": f"bucket/{frame}.jpg"}
                for file, frame, moment in zip(files, ids, times, strict=True)
            ],
        }  # fmt: skip
        folder = root / f"data/01_raw/sequences/organization-{organization}/camera-{which % 97}/seq_{which}"
        (folder / "images").mkdir(parents=True)
        (folder / "meta.json").write_text(json.dumps(meta))
        for number, file in enumerate(files):
            # After the end of the image, so that no two frames are the same and none is large.
            (folder / file).write_bytes(picture[:-2] + bytes([255, 254, 0, 6, *divmod(number, 256)]) * 2 + picture[-2:])
        score = chance.random()
        (root / REPORT / f"details/{key}.json").write_text(json.dumps(details(score, n_frames)))
        rows.append({"key": key, "model_version": "0.1.0", "triage_score": score})
    (root / REPORT / "results.json").write_text(json.dumps(rows))


def details(score: float, n_frames: int) -> dict[str, object]:
    """What a model says of a sequence in which it has followed two things."""
    entries = [
        {"frame_idx": index, "bbox": [0.5, 0.5, 0.1, 0.2], "is_gap": False, "confidence": 0.7}
        for index in range(n_frames)
    ]
    tube = {
        "start_frame": 0, "end_frame": n_frames - 1, "logit": 1.0, "first_crossing_frame": None, "entries": entries,
        "stabilized_window": [0.5, 0.5, 0.1, 0.2],
    }  # fmt: skip
    return {
        "preprocessing": {"num_frames_input": n_frames, "num_truncated": 0, "padded_frame_indices": []},
        "tubes": {
            "num_candidates": 2,
            "num_outside_roi": 0,
            "kept": [{"tube_id": place, "probability": score / (1 + place), **tube} for place in range(2)],
        },
        "decision": {"aggregation": "logistic", "threshold": 0.5, "trigger_tube_id": None},
    }


def split(store: FolderStore) -> None:
    """The worklists of what was imported."""
    backlog, stages = load_backlog_table(store)
    models = load_model_scores(store, (), DETECTOR_ANNOTATOR, FLOAT32).scores
    write_worklists(store, build_results(backlog, models, 0.35), models, 0.35, stages=stages)


def step(name: str, place: Path, n_sequences: int, n_frames: int) -> None:
    """One step, measured."""
    if name == "make":
        make_folder(place / "old", n_sequences, n_frames)
        return
    store = FolderStore(place / "store")
    if name == "split":
        split(store)
        return
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    if name == "export":
        report: object = export_eval_viewer(store, place / "out")
    else:
        target = FolderStore(place / "other") if name == "import of the export" else store
        report = import_folder(target, place / ("out" if name == "import of the export" else "old"))
    elapsed, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = f"{before.ru_maxrss / 1024:.0f} MB before, {after.ru_maxrss / 1024:.0f} MB at most"
    print(f"{name}: {elapsed:.0f} s, {cpu:.0f} CPU s, {memory}\n  {str(report)[:300]}", flush=True)


def main() -> None:
    """All steps, in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=21_489)
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--step")
    parser.add_argument("--place", type=Path)
    asked = parser.parse_args()
    if asked.step:
        step(asked.step, asked.place, asked.sequences, asked.frames)
        return
    with tempfile.TemporaryDirectory() as place:
        for name in ("make", "import", "import again", "split", "export", "import of the export"):
            again = ["--sequences", str(asked.sequences), "--frames", str(asked.frames), "--place", place]
            subprocess.run([sys.executable, "-m", "benchmarks.exchange", "--step", name, *again], check=True)


if __name__ == "__main__":
    main()
