"""The package that training writes: a zip in the released format, with the same bytes for the same content.

What lives here: the configuration and the files of the package. What does not: reading one (`scoring.package`), and
what the weights are (`fit`).
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import yaml
from torch import Tensor

from triage_assets.scoring.calibrator import FEATURES, Calibrator, TubeFeatures
from triage_assets.scoring.config import PackageConfig
from triage_assets.scoring.identity import FORMAT_VERSION, MANIFEST

VERSION = "1.0.0-synthetic"
VARIANT = "synthetic_scenes"
PATCH_PX = 112
MAX_FRAMES = 20
BACKBONE = "test_vit"
HEAD_LAYERS = 2
HEAD_HEADS = 4
RELEASED_SETTINGS: Mapping[str, Mapping[str, object]] = {
    "infer": {
        "pad_to_min_frames": 20,
        "pad_strategy": "symmetric",
        "confidence_threshold": 0.1,
        "iou_nms": 0.2,
        "image_size": 1024,
    },
    "tubes": {
        "iou_threshold": 0.2,
        "max_misses": 2,
        "infer_min_tube_length": 2,
        "min_detected_entries": 2,
        "interpolate_gaps": True,
        "merge_iomin": 0.3,
        "merge_prox_factor": 1.0,
        "merge_max_gap": 10,
    },
    "model_input": {
        "context_factor": 1.5,
        "stabilize": True,
        "normalization": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    },
}
"""What the released package says of detections, padding, tubes and crops; a crop's size belongs to each model."""
_CHECKPOINT, _CONFIG, _CALIBRATOR = "classifier.ckpt", "config.yaml", "logistic_calibrator.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
# Of a calibrated package, read by nothing while its decisions are logistic.
_LOGIT_THRESHOLD = 0.0


def package_config(logistic_threshold: float) -> dict[str, object]:
    """``config.yaml``: the released settings with this model's own sizes."""
    return {
        "infer": dict(RELEASED_SETTINGS["infer"]),
        "tubes": dict(RELEASED_SETTINGS["tubes"]),
        "model_input": {**RELEASED_SETTINGS["model_input"], "patch_size": PATCH_PX},
        "classifier": {
            "backbone": BACKBONE,
            "img_size": PATCH_PX,
            "global_pool": "token",
            "max_frames": MAX_FRAMES,
            "transformer_num_heads": HEAD_HEADS,
            "transformer_num_layers": HEAD_LAYERS,
        },
        "decision": {
            "aggregation": "logistic",
            "logistic_threshold": logistic_threshold,
            "target_recall": 0.95,
            "threshold": _LOGIT_THRESHOLD,
        },
    }


def parsed_config(logistic_threshold: float = 0.5) -> PackageConfig:
    """The same, as scoring reads it."""
    return PackageConfig.model_validate(package_config(logistic_threshold))


def write_package(
    path: Path,
    weights: Mapping[str, Tensor],
    calibrator: Calibrator,
    examples: Sequence[TubeFeatures],
    logistic_threshold: float,
    provenance: Mapping[str, object],
) -> None:
    """Write the zip. ``examples`` become the calibrator's sanity checks: readers must reproduce their probabilities."""
    manifest = {
        "format_version": FORMAT_VERSION,
        "variant": VARIANT,
        "classifier_checkpoint": _CHECKPOINT,
        "config": _CONFIG,
        "logistic_calibrator": _CALIBRATOR,
        "model_version": VERSION,
        "provenance": {"backbone": BACKBONE, "detector": "the demo annotator's boxes", **provenance},
    }
    calibration = {
        "features": list(FEATURES),
        "coefficients": list(calibrator.coefficients),
        "intercept": calibrator.intercept,
        "sanity_checks": [
            {"features": list(example.as_vector()), "prob": calibrator.probability(example)} for example in examples
        ],
    }
    # Every member has the same time, and every tensor its own memory: the bytes depend on the values alone.
    checkpoint = io.BytesIO()
    torch.save({"state_dict": {f"model.{name}": value.detach().clone() for name, value in weights.items()}}, checkpoint)
    members = {
        MANIFEST: yaml.safe_dump(manifest).encode(),
        _CONFIG: yaml.safe_dump(package_config(logistic_threshold)).encode(),
        _CALIBRATOR: json.dumps(calibration, indent=2).encode(),
        _CHECKPOINT: checkpoint.getvalue(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as package:
        for name, content in members.items():
            package.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    partial.replace(path)
