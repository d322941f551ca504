"""Scoring of a folder with a sequence in it: ``detections.json`` and the frames that it names.

What lives here: reading such a folder, and the form of its result. What does not: scoring itself (`engine`), and any
store or annotator.
"""

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from triage_assets.errors import ScoringError
from triage_assets.scoring.config import Finite
from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.problems import describe_problems
from triage_assets.scoring.records import FrameInput, SequenceInput, box_from_centre

logger = logging.getLogger(__name__)

DETECTIONS = "detections.json"


class _Detection(BaseModel):
    cx: Finite
    cy: Finite
    w: Finite
    h: Finite
    confidence: Finite


class _Frame(BaseModel):
    file: str
    detections: list[_Detection]


class _DetectionsFile(BaseModel):
    model_config = ConfigDict(extra="ignore")

    frames: list[_Frame]


def score_folder(engine: ScoringEngine, folder: Path) -> dict[str, object]:
    """Score the sequence in ``folder``: its name, is_positive, trigger_frame_index, max_probability and details.

    Raises `ScoringError` for a folder that does not hold a sequence, and for a sequence that cannot be scored.
    """
    score = engine.score_one(read_folder(folder))
    if score.n_frames_unusable:
        logger.warning("%s: %d frames cannot be decoded and are left out", folder, score.n_frames_unusable)
    return {
        "name": folder.resolve().name,
        "is_positive": score.is_positive,
        "trigger_frame_index": score.trigger_frame_index,
        "max_probability": score.max_probability,
        "details": score.details.as_dict(),
    }


def read_folder(folder: Path) -> SequenceInput:
    """The sequence in ``folder``. Frames are in the order of `DETECTIONS`, boxes that cannot be used are left out.

    Raises `ScoringError` where the file is missing or wrong, and where a frame is missing or lies outside the folder.
    """
    path = folder / DETECTIONS
    try:
        content = _DetectionsFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ScoringError(
            f"{path} cannot be read",
            found=error.strerror or str(error),
            expected=f"a folder with {DETECTIONS} and frames/",
            do="Name the folder of one sequence.",
        ) from None
    except ValidationError as error:
        raise ScoringError(
            f"{path} does not describe a sequence",
            found=describe_problems(error),
            expected='{"frames": [{"file": ..., "detections": [{"cx", "cy", "w", "h", "confidence"}]}]}',
            do="Correct the file.",
        ) from None
    return SequenceInput(folder.resolve().name, tuple(_read_frame(folder, frame) for frame in content.frames))


def _read_frame(folder: Path, frame: _Frame) -> FrameInput:
    path = folder / frame.file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ScoringError(
            f"{folder / DETECTIONS} names a frame outside its folder",
            found=frame.file,
            expected="a path below the folder",
            do="Correct the file.",
        )
    try:
        image = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ScoringError(
            f"{folder / DETECTIONS} names a frame that cannot be read",
            found=f"{frame.file}: {error}",
            expected="an image file",
            do="Restore the frame, or take it out of the file.",
        ) from None
    boxes = [box_from_centre(box.cx, box.cy, box.w, box.h, box.confidence) for box in frame.detections]
    return FrameInput(image, tuple(box for box in boxes if box is not None))
