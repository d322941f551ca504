"""The scores in a folder: what `results.json` lists and `details/` explains, as scores of models of their own.

What lives here: which files say what, and what of it is believed: nothing that is not explained, and nothing that
contradicts itself or is of other frames. What does not: how such scores are kept (`scoring.imported`).
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from triage_assets.errors import ExchangeError
from triage_assets.exchange.sources import require_size
from triage_assets.progress import Progress
from triage_assets.scoring.files.tables import KEY_PREFIX, sequence_key
from triage_assets.scoring.imported import ImportedModel, add_imported_scores, imported_models, lay_out_imported
from triage_assets.scoring.planning import SequenceTask
from triage_assets.scoring.records import (
    Preprocessing,
    ScoredTube,
    ScoringBox,
    SequenceDetails,
    SequenceScore,
    TubeEntry,
    Window,
)
from triage_assets.store import Store
from triage_assets.stored_backlogs import load_backlogs

REPORTING = "08_reporting"
_MOST_RESULTS_BYTES = 2_000_000_000
_MOST_DETAILS_BYTES = 16_000_000
_MOST_VERSION = 200  # characters: it names a folder
# The calibrator's arithmetic is the same wherever a number was made, to the last digits.
_SAME_SCORE = 1e-6

# As large as a column of predictions is.
_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Window = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


@dataclass(frozen=True, slots=True)
class ScoresImport:
    """The scores of one model that a folder has of sequences that were imported, and how many of them are new.

    ``is_repaired`` is whether scores were there that could not be read without what the folder says of the model.
    """

    name: str
    version: str
    n_scores: int
    n_added: int
    is_repaired: bool


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")

    key: str
    model_version: str | None = None
    triage_score: FiniteFloat | None = None
    probability: FiniteFloat | None = None
    trigger_frame_index: _Count | None = None
    n_frames_unusable: _Count | None = None

    @property
    def score(self) -> float | None:
        return self.probability if self.triage_score is None else self.triage_score


class _Entry(BaseModel):
    frame_idx: _Count
    bbox: _Window | None
    is_gap: bool
    confidence: FiniteFloat | None


class _Tube(BaseModel):
    tube_id: _Count
    logit: FiniteFloat
    probability: FiniteFloat = Field(ge=0, le=1)
    first_crossing_frame: _Count | None = None
    stabilized_window: _Window | None = None
    entries: tuple[_Entry, ...] = Field(min_length=1)


class _Preprocessing(BaseModel):
    num_frames_input: int = Field(ge=1, lt=2**31)
    num_truncated: _Count
    padded_frame_indices: tuple[_Count, ...]

    @property
    def n_slots(self) -> int:
        return self.num_frames_input - self.num_truncated + len(self.padded_frame_indices)


class _Tubes(BaseModel):
    num_candidates: _Count
    num_outside_roi: _Count = 0
    kept: tuple[_Tube, ...]


class _Decision(BaseModel):
    aggregation: str
    threshold: FiniteFloat
    trigger_tube_id: _Count | None = None


class _Details(BaseModel):
    preprocessing: _Preprocessing
    tubes: _Tubes
    decision: _Decision


def import_scores(
    store: Store, folder: Path, sequence_ids: frozenset[int], progress: Progress
) -> tuple[tuple[ScoresImport, ...], dict[str, str]]:
    """Import the scores that a folder has of these sequences, whose frames the store has just as the folder.

    Returns what was imported, and by place in the folder why something was not. Raises `StoreError`.
    """
    left_out: dict[str, str] = {}
    imported: list[ScoresImport] = []
    backlogs = load_backlogs(store)
    unreadable = imported_models(store).unreadable
    for report in _reports(folder):
        for model, rows in _read_results(report, left_out):
            wanted = {which: row for which, row in rows.items() if which in sequence_ids}
            explained = _Explained(report, wanted, left_out, progress)
            n_added = add_imported_scores(store, model, backlogs, explained.find)
            n_scores, is_repaired = len(wanted) - explained.n_refused, model.name in unreadable
            imported.append(ScoresImport(model.name, model.version, n_scores, n_added, is_repaired))
    left_out |= {name: str(error) for name, error in lay_out_imported(store, backlogs).items()}
    return tuple(model for model in imported if model.n_scores), left_out


def _reports(folder: Path) -> list[Path]:
    """The folders of the reporting layout, ``08_reporting/<source>/<model>``."""
    found = (base / REPORTING for base in (folder / "data", folder))
    return sorted(path.parent for base in found for path in base.glob("*/*/results.json"))


def _read_results(report: Path, left_out: dict[str, str]) -> list[tuple[ImportedModel, dict[int, _Row]]]:
    """The scores that results.json lists, by the model that made them and by sequence id."""
    path = report / "results.json"
    try:
        require_size(path.name, path.stat().st_size, _MOST_RESULTS_BYTES)
        listed = orjson.loads(path.read_bytes())
        if not isinstance(listed, list):
            raise ValueError("it is no list")
    except (OSError, ValueError, ExchangeError) as error:
        left_out[_name(path)] = f"no score of it is taken: {' '.join(str(error).split())[:200]}"
        return []
    config = _read_config(report / "model_config.json", left_out)
    by_version: dict[str, dict[int, _Row]] = defaultdict(dict)
    for place, content in enumerate(listed):
        try:
            row = _Row.model_validate(content)
            sequence_id = _id_of(row.key)
            version = row.model_version or _only_version(config) or report.name
            if len(version) > _MOST_VERSION:
                raise ValueError(f"the version of its model has {len(version):,} characters")
        except (ValidationError, ValueError) as error:
            left_out[f"{_name(path)}: row {place}"] = f"it is broken: {str(error).splitlines()[-1].strip()[:200]}"
            continue
        if row.score is not None:
            by_version[version][sequence_id] = row
    return [(_describe_model(version, config), rows) for version, rows in sorted(by_version.items())]


def _read_config(path: Path, left_out: dict[str, str]) -> dict[str, Any]:
    """What model_config.json says, whatever its form; nothing where there is none."""
    try:
        require_size(path.name, path.stat().st_size, _MOST_DETAILS_BYTES)
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, ExchangeError) as error:
        left_out[_name(path)] = f"it cannot be read: {' '.join(str(error).split())[:200]}"
        return {}
    return content if isinstance(content, dict) else {}


def _models_of(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    models = config.get("models")
    return [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []


def _only_version(config: Mapping[str, Any]) -> str | None:
    found = {str(one["model_version"]) for one in (config, *_models_of(config)) if one.get("model_version")}
    return found.pop() if len(found) == 1 else None


def _describe_model(version: str, config: Mapping[str, Any]) -> ImportedModel:
    """What the folder says of the model of that version; all of model_config.json where it lists no models."""
    same = [model for model in _models_of(config) if version in (model.get("version"), model.get("model_version"))]
    if len(same) != 1:
        return ImportedModel(version, None, None, {}, {} if _models_of(config) else config)
    told = same[0]
    sha256, variant = told.get("model_sha256"), told.get("variant")
    return ImportedModel(
        version,
        sha256 if isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256) else None,
        variant if isinstance(variant, str) else None,
        _as_mapping(told.get("provenance")),
        _as_mapping(told.get("config")),
    )


def _as_mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id_of(key: str) -> int:
    """The sequence that a key stands for. Raises `ValueError`."""
    sequence_id = key.removeprefix(KEY_PREFIX)
    if sequence_key(int(sequence_id)) != key:
        raise ValueError(f"{key[:80]!r} is no key of a sequence")
    return int(sequence_id)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


class _Explained:
    """The scores of one model that `details/` explains; notes of each other one why it is not taken."""

    def __init__(self, report: Path, rows: Mapping[int, _Row], left_out: dict[str, str], progress: Progress) -> None:
        self.n_refused = 0
        self._report = report
        self._rows = rows
        self._left_out = left_out
        self._progress = progress
        self._n_read = 0

    def find(self, task: SequenceTask) -> SequenceScore | None:
        """The score of a sequence, None where there is none to be believed."""
        row = self._rows.get(task.sequence_id)
        if row is None:
            return None
        self._n_read += 1
        self._progress("scores", self._n_read, None)
        path = self._report / "details" / f"{row.key}.json"
        try:
            return _score_of(row, _read_details(path), task)
        except ExchangeError as error:
            self.n_refused += 1
            self._left_out[f"{self._report.name}/details/{path.name}"] = error.what
            return None


def _read_details(path: Path) -> _Details:
    try:
        require_size(path.name, path.stat().st_size, _MOST_DETAILS_BYTES)
        return _Details.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ExchangeError("there is no such file, so its score is not taken") from None
    except (OSError, ValidationError) as error:
        found = str(error).splitlines()
        raise ExchangeError(f"it is broken, so its score is not taken: {' '.join(found[:3])[:200]}") from None


def _score_of(row: _Row, details: _Details, task: SequenceTask) -> SequenceScore:
    """What row and details say together. Raises `ExchangeError` where they contradict each other, or the frames."""
    kept = tuple(map(_tube_of, details.tubes.kept))
    found = max((tube.probability for tube in kept), default=0.0)
    if row.score is None or not math.isclose(found, row.score, abs_tol=_SAME_SCORE):
        raise ExchangeError(f"its tubes say {found:.6f} and results.json says {row.score}: neither is taken")
    n_all = len(task.frames) + task.n_frames_unusable
    n_unusable = task.n_frames_unusable if row.n_frames_unusable is None else row.n_frames_unusable
    n_scored = details.preprocessing.num_frames_input
    if n_scored != n_all - n_unusable:
        raise ExchangeError(f"its score is of {n_scored} frames, and there are {n_all - n_unusable}: it is not taken")
    if (last := _last_slot(row, details)) >= details.preprocessing.n_slots:
        n_slots = details.preprocessing.n_slots
        raise ExchangeError(f"it names frame {last} of {n_slots} that the model looked at: it is not taken")
    return SequenceScore(
        is_positive=found >= details.decision.threshold and bool(kept),
        trigger_frame_index=row.trigger_frame_index,
        n_frames=n_scored,
        n_frames_unusable=n_unusable - task.n_frames_unusable,
        details=SequenceDetails(
            preprocessing=Preprocessing(
                n_scored, details.preprocessing.num_truncated, details.preprocessing.padded_frame_indices
            ),
            num_candidates=details.tubes.num_candidates,
            num_outside_roi=details.tubes.num_outside_roi,
            kept=kept,
            aggregation=details.decision.aggregation,
            threshold=details.decision.threshold,
            trigger_tube_id=details.decision.trigger_tube_id,
        ),
    )


def _last_slot(row: _Row, details: _Details) -> int:
    """The last frame that is named, padding counted; the first where none is."""
    named = [0, *details.preprocessing.padded_frame_indices]
    for tube in details.tubes.kept:
        named += [entry.frame_idx for entry in tube.entries]
        named += [] if tube.first_crossing_frame is None else [tube.first_crossing_frame]
    return max(named if row.trigger_frame_index is None else [*named, row.trigger_frame_index])


def _tube_of(tube: _Tube) -> ScoredTube:
    return ScoredTube(
        tube_id=tube.tube_id,
        entries=tuple(_entry_of(entry) for entry in tube.entries),
        logit=tube.logit,
        probability=tube.probability,
        first_crossing_frame=tube.first_crossing_frame,
        stabilized_window=None if tube.stabilized_window is None else Window(*tube.stabilized_window),
    )


def _entry_of(entry: _Entry) -> TubeEntry:
    box = None if entry.bbox is None else ScoringBox(*entry.bbox, 0.0 if entry.confidence is None else entry.confidence)
    return TubeEntry(entry.frame_idx, box, entry.is_gap)
