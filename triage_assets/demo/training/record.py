"""What is kept of a training beside its package: what was done, and the measures of the model that came out.

What lives here: the record and its file, from which the model card is made and its promises are checked. What does not:
computing any of it (`evaluate`, `limits`), and its words (`card`).
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from triage_assets.demo.training.evaluate import Metrics
from triage_assets.demo.training.limits import SceneLimits
from triage_assets.demo.training.splits import Split


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """The size of a split."""

    split: Split
    seed: int
    n_views: int
    n_scenes: int
    n_tubes: int


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """``recall`` is the one that ``logistic_threshold`` was chosen for on validation; ``limits`` and ``test`` are of
    the test scenes.
    """

    model_sha256: str
    seed: int
    epochs: int
    threads: int
    splits: tuple[SplitRecord, ...]
    smoke_weight: float
    recall: float
    logistic_threshold: float
    validation_auc: float
    limits: SceneLimits
    test: Metrics


def write_record(path: Path, record: TrainingRecord) -> None:
    """Write it as JSON."""
    path.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_record(path: Path) -> TrainingRecord:
    """Read what `write_record` wrote."""
    return TypeAdapter(TrainingRecord).validate_json(path.read_bytes())
