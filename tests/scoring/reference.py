"""The reference data: sequences, what the reference pipeline made of them, and how close a result must be."""

import json
from pathlib import Path

from triage_assets.scoring.loose import read_folder
from triage_assets.scoring.records import SequenceInput

SAMPLE = Path(__file__).parent / "golden"
FULL = Path(__file__).parents[3] / "shared" / "golden" / "tiny"
ROOT = FULL if FULL.is_dir() else SAMPLE
MODEL = SAMPLE / "model.zip"

TOLERANCE = 1e-4

EXPECTED: dict[str, dict] = json.loads((ROOT / "expected.json").read_text())["sequences"]
VARIANTS: dict[str, dict] = json.loads((ROOT / "expected_variants.json").read_text())["variants"]


def load_sequence(name: str) -> SequenceInput:
    return read_folder(ROOT / "sequences" / name)


def differences(found: object, expected: object, path: str = "") -> list[str]:
    """Where two results part: logits and probabilities within the tolerance, the rest exactly, order included."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or list(found) != list(expected):
            return [f"{path}: keys {list(found) if isinstance(found, dict) else found} instead of {list(expected)}"]
        return [fault for key in expected for fault in differences(found[key], expected[key], f"{path}.{key}")]
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return [f"{path}: {found} instead of {expected}"]
        pairs = enumerate(zip(found, expected, strict=True))
        return [fault for index, (a, b) in pairs for fault in differences(a, b, f"{path}[{index}]")]
    if path.endswith((".logit", ".probability", ".max_probability")):
        close = isinstance(found, float) and abs(found - expected) <= TOLERANCE
        return [] if close else [f"{path}: {found} instead of {expected}"]
    same = found == expected and type(found) is type(expected)
    return [] if same else [f"{path}: {found!r} instead of {expected!r}"]
