"""The reporting layout: `results.json`, `model_config.json` and `details/` of each model, and what they say.

What lives here: where they are, their forms, and the model that a score is said to be of. What does not: which scores
are believed (`imported_scores`).
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from triage_assets.errors import ExchangeError
from triage_assets.exchange.sources import require_size
from triage_assets.scoring.files.tables import KEY_PREFIX, sequence_key
from triage_assets.scoring.imported import ImportedModel

_REPORTING = "08_reporting"
_MOST_RESULTS_BYTES = 2_000_000_000
_MOST_DETAILS_BYTES = 16_000_000
_MOST_VERSION = 200  # characters: it names a folder

# As large as a column of predictions is.
_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Window = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class ResultRow(BaseModel):
    """One row of results.json."""

    model_config = ConfigDict(extra="ignore")

    key: str
    model_version: str | None = None
    triage_score: FiniteFloat | None = None
    probability: FiniteFloat | None = None
    trigger_frame_index: _Count | None = None
    n_frames_unusable: _Count | None = None

    @property
    def score(self) -> float | None:
        """Its score, by the name of either version of the layout; None where it has none."""
        return self.probability if self.triage_score is None else self.triage_score


class Entry(BaseModel):
    """What a tube is in one frame."""

    frame_idx: _Count
    bbox: _Window | None
    is_gap: bool
    confidence: FiniteFloat | None


class Tube(BaseModel):
    """One tube that the model kept."""

    tube_id: _Count
    logit: FiniteFloat
    probability: FiniteFloat = Field(ge=0, le=1)
    first_crossing_frame: _Count | None = None
    stabilized_window: _Window | None = None
    entries: tuple[Entry, ...] = Field(min_length=1)


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
    kept: tuple[Tube, ...]


class _Decision(BaseModel):
    aggregation: str
    threshold: FiniteFloat
    trigger_tube_id: _Count | None = None


class Details(BaseModel):
    """A file of `details/`."""

    preprocessing: _Preprocessing
    tubes: _Tubes
    decision: _Decision


def find_reports(folder: Path) -> list[Path]:
    """The folders of the reporting layout, ``08_reporting/<source>/<model>``."""
    found = (base / _REPORTING for base in (folder / "data", folder))
    return sorted(path.parent for base in found for path in base.glob("*/*/results.json"))


def read_results(report: Path, left_out: dict[str, str]) -> list[tuple[ImportedModel, dict[int, ResultRow]]]:
    """The scores that results.json lists, by the model that made them and by sequence id.

    Notes in ``left_out`` what of it cannot be taken, by place.
    """
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
    by_version: dict[str, dict[int, ResultRow]] = defaultdict(dict)
    for place, content in enumerate(listed):
        try:
            row = ResultRow.model_validate(content)
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


def read_details(path: Path) -> Details:
    """What explains a score. Raises `ExchangeError`."""
    try:
        require_size(path.name, path.stat().st_size, _MOST_DETAILS_BYTES)
        return Details.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ExchangeError("there is no such file, so its score is not taken") from None
    except (OSError, ValidationError) as error:
        found = str(error).splitlines()
        raise ExchangeError(f"it is broken, so its score is not taken: {' '.join(found[:3])[:200]}") from None
