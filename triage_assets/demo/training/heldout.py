"""A small sample of the test scenes with their scores, by which anybody can check the shipped model again.

What lives here: which scenes it holds, its file, and rendering them anew. What does not: the measures of the whole test
set (`evaluate`), and scoring.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from triage_assets.demo.detections import FRAME_GAP_SECONDS
from triage_assets.demo.training.samples import IMAGE_SIZE, render_case_frame, report_boxes
from triage_assets.demo.training.splits import Case, SplitPlan, choose_cases

_FILE = "sample.json"
_VIEWS = 8
_PER_VIEW = 3
"""The first so many scenes with smoke, and without, of each of the first views: nobody chose them."""
# Rendering dominates the check's time: longer scenes are taken only where a view has too few others.
_FEW_FRAMES = 10
_SHIPPED_FRAMES = 3
_SHIPPED_PER_TRUTH = 2
"""So many of the sample's scenes with smoke, and without, are shipped as pictures: the first of 2 or 3 frames."""


@dataclass(frozen=True, slots=True)
class RecordedScene:
    """One scene with the score that it had when the model was made."""

    name: str
    is_smoke: bool
    kind: str
    n_frames: int
    score: float
    is_shipped: bool


@dataclass(frozen=True, slots=True)
class HeldOutSample:
    """The sample, of which test set (``seed``: of the training), and of which model."""

    seed: int
    model_sha256: str
    auc: float
    smoke_to_review: float
    others_to_unlabel: float
    scenes: tuple[RecordedScene, ...]


def sample_cases(plan: SplitPlan) -> Iterator[Case]:
    """The scenes of the sample, in a fixed order."""
    for view in range(min(_VIEWS, plan.n_views)):
        left = {True: _PER_VIEW, False: _PER_VIEW}
        for case in sorted(choose_cases(plan, view), key=lambda case: case.n_frames > _FEW_FRAMES):
            if left[case.is_smoke]:
                left[case.is_smoke] -= 1
                yield case


def describe_cases(cases: list[Case], scores: Mapping[str, float]) -> tuple[RecordedScene, ...]:
    """The record of each case; ``scores`` by name."""
    left = {True: _SHIPPED_PER_TRUTH, False: _SHIPPED_PER_TRUTH}
    scenes = []
    for case in cases:
        is_shipped = 1 < case.n_frames <= _SHIPPED_FRAMES and left[case.is_smoke] > 0
        left[case.is_smoke] -= is_shipped
        kind = case.scene.subject.kind
        scenes.append(RecordedScene(case.name, case.is_smoke, kind, case.n_frames, scores[case.name], is_shipped))
    return tuple(scenes)


def write_sample(folder: Path, sample: HeldOutSample, cases: list[Case]) -> None:
    """Write the record, and the shipped scenes as folders that `triage score` takes, in place of an earlier sample."""
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("test-*"):
        shutil.rmtree(earlier)
    (folder / _FILE).write_text(json.dumps(asdict(sample), indent=1) + "\n", encoding="utf-8")
    shipped = {scene.name for scene in sample.scenes if scene.is_shipped}
    for case in cases:
        if case.name in shipped:
            _write_folder(folder / case.name, case)


def read_sample(folder: Path) -> HeldOutSample:
    """The record."""
    return TypeAdapter(HeldOutSample).validate_json((folder / _FILE).read_bytes())


def _write_folder(folder: Path, case: Case) -> None:
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    frames = []
    for number, boxes in enumerate(report_boxes(case)):
        file = f"frames/{number:02d}.jpg"
        (folder / file).write_bytes(render_case_frame(case, number))
        frames.append(
            {
                "frame_id": f"{number:02d}",
                "file": file,
                "seconds": number * FRAME_GAP_SECONDS,
                "width": IMAGE_SIZE[0],
                "height": IMAGE_SIZE[1],
                "detections": [asdict(box) for box in boxes],
            }
        )
    content = {"sequence": case.name, "n_frames": case.n_frames, "frames": frames}
    (folder / "detections.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
