"""What goes into scoring and what comes out, as plain values shared by every module that scores or shows scores.

What lives here: boxes, frames, sequences, and the score of a sequence with its details. What does not: how a score is
found (`engine`), its Parquet form (`files.tables`), or anything that needs torch.
"""

import math
from dataclasses import dataclass

PREDICT_FAILED = "predict_failed"
NO_IMAGES = "no_images"
INCOMPLETE = "incomplete"

DETECTOR_ANNOTATOR = "annotator"
DETECTOR_BUNDLED = "bundled"
# No detector of ours: the scores came with a folder that was imported, made of whatever boxes they were made of.
DETECTOR_IMPORTED = "imported"

TORCH = "torch"
OPENVINO = "openvino"
AUTO = "auto"
FLOAT32 = "float32"
BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """What the network is asked to run on.

    ``runtime`` is ``torch``, ``openvino``, or ``auto``: OpenVINO where it is installed, the device is the CPU, and it
    measures at least 1.3 times as fast as torch; for fewer than 500 sequences nothing is measured and torch runs.
    ``device`` is torch's name of one, or ``auto``: a CUDA device where there is one, else the CPU.
    ``precision`` is ``float32``, or ``bfloat16``, which is faster and moves scores.
    """

    runtime: str = AUTO
    device: str = AUTO
    precision: str = FLOAT32


@dataclass(frozen=True, slots=True)
class ScoringBox:
    """A detected region: centre and size normalised to the image, with a positive area, in or near the image."""

    cx: float
    cy: float
    w: float
    h: float
    confidence: float

    @property
    def area(self) -> float:
        """Width times height, as a share of the image."""
        return self.w * self.h


# Detectors reach a little over the edge of an image. What lies ten images away is damage, and its arithmetic overflows.
_FARTHEST = 10.0


def box_from_centre(cx: float, cy: float, w: float, h: float, confidence: float) -> ScoringBox | None:
    """The box, or None where it cannot be used.

    That is where a number is not finite, an edge is outside -10..10 images, or the area is not positive (also where
    it is too small for a float): such a box has no crop.
    """
    if not all(math.isfinite(value) for value in (cx, cy, w, h, confidence)):
        return None
    is_near = abs(cx) + w / 2 <= _FARTHEST and abs(cy) + h / 2 <= _FARTHEST
    return ScoringBox(cx, cy, w, h, confidence) if is_near and w > 0 and h > 0 and w * h > 0 else None


def box_from_corners(x1: float, y1: float, x2: float, y2: float, confidence: float) -> ScoringBox | None:
    """The box between two corners as the annotator serves them, or None as in `box_from_centre`."""
    return box_from_centre((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, confidence)


@dataclass(frozen=True, slots=True)
class FrameInput:
    """One frame: the bytes of its image file, and its boxes in the order in which they were detected."""

    image: bytes
    boxes: tuple[ScoringBox, ...]


@dataclass(frozen=True, slots=True)
class SequenceInput:
    """The frames of a sequence in time order; ``name`` is for messages only."""

    name: str
    frames: tuple[FrameInput, ...]


@dataclass(frozen=True, slots=True)
class Roi:
    """A rectangle normalised to the image; tubes that never touch it are left out."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


@dataclass(frozen=True, slots=True)
class Window:
    """The union of a tube's observed boxes: centre and size, normalised, before the context factor."""

    cx: float
    cy: float
    w: float
    h: float

    def as_list(self) -> list[float]:
        """Centre x, centre y, width, height."""
        return [self.cx, self.cy, self.w, self.h]


@dataclass(frozen=True, slots=True)
class TubeEntry:
    """A tube at one slot: an observed box, an interpolated one (``is_gap``, confidence 0.0), or none."""

    frame_idx: int
    box: ScoringBox | None
    is_gap: bool = False

    def as_dict(self) -> dict[str, object]:
        """The published form."""
        box = self.box
        return {
            "frame_idx": self.frame_idx,
            "bbox": None if box is None else [box.cx, box.cy, box.w, box.h],
            "is_gap": self.is_gap,
            "confidence": None if box is None else box.confidence,
        }


@dataclass(frozen=True, slots=True)
class ScoredTube:
    """One kept tube. Frame indices count slots of the truncated and padded sequence, not input frames."""

    tube_id: int
    entries: tuple[TubeEntry, ...]
    logit: float
    probability: float
    first_crossing_frame: int | None
    stabilized_window: Window | None

    def as_dict(self) -> dict[str, object]:
        """The published form."""
        window = self.stabilized_window
        return {
            "tube_id": self.tube_id,
            "start_frame": self.entries[0].frame_idx,
            "end_frame": self.entries[-1].frame_idx,
            "logit": self.logit,
            "probability": self.probability,
            "first_crossing_frame": self.first_crossing_frame,
            "entries": [entry.as_dict() for entry in self.entries],
            "stabilized_window": None if window is None else window.as_list(),
        }


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How the frames became slots: what was cut off, and which slots repeat a frame."""

    num_frames_input: int
    num_truncated: int
    padded_frame_indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SequenceDetails:
    """Everything behind one score."""

    preprocessing: Preprocessing
    num_candidates: int
    num_outside_roi: int
    kept: tuple[ScoredTube, ...]
    aggregation: str
    threshold: float
    trigger_tube_id: int | None

    def as_dict(self) -> dict[str, object]:
        """The published form of the details of one sequence."""
        return {
            "preprocessing": {
                "num_frames_input": self.preprocessing.num_frames_input,
                "num_truncated": self.preprocessing.num_truncated,
                "padded_frame_indices": list(self.preprocessing.padded_frame_indices),
            },
            "tubes": {
                "num_candidates": self.num_candidates,
                "num_outside_roi": self.num_outside_roi,
                "kept": [tube.as_dict() for tube in self.kept],
            },
            "decision": {
                "aggregation": self.aggregation,
                "threshold": self.threshold,
                "trigger_tube_id": self.trigger_tube_id,
            },
        }


@dataclass(frozen=True, slots=True)
class SequenceScore:
    """The score of one sequence, independent of any triage threshold."""

    is_positive: bool
    trigger_frame_index: int | None
    n_frames: int
    n_frames_unusable: int
    details: SequenceDetails

    @property
    def max_probability(self) -> float:
        """The largest probability of a kept tube; 0.0 where no tube is kept."""
        return max((tube.probability for tube in self.details.kept), default=0.0)

    @property
    def best_logit(self) -> float | None:
        """The largest logit of a kept tube; None where no tube is kept."""
        return max((tube.logit for tube in self.details.kept), default=None)
