"""The model package: one zip that holds a classifier, its configuration and its calibrator, checked before first use.

What lives here: every reason to refuse a package. What does not: identity without loading (`identity`), the network
(`classifier`), and scoring. Nothing is unpacked to disk, and torch is imported only when a package is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from triage_assets.errors import PackageError
from triage_assets.scoring.calibrator import Calibrator, parse_calibrator
from triage_assets.scoring.config import ClassifierConfig, PackageConfig
from triage_assets.scoring.identity import (
    ModelIdentity,
    model_fingerprint,
    open_package,
    parse_block,
    read_manifest,
    read_member,
    read_yaml,
)

if TYPE_CHECKING:
    from triage_assets.scoring.classifier import TubeClassifier


@dataclass(frozen=True)
class ModelPackage:
    """A package that passed every check.

    ``config`` is ``config.yaml`` as it stands, for provenance; ``settings`` is what of it scoring uses.
    """

    identity: ModelIdentity
    settings: PackageConfig
    config: dict[str, object]
    provenance: dict[str, object]
    classifier: TubeClassifier
    calibrator: Calibrator | None
    yolo_weights: bytes | None

    @property
    def version(self) -> str:
        """The version that the package claims."""
        return self.identity.version

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the whole zip file."""
        return self.identity.sha256

    @property
    def name(self) -> str:
        """``<version>-<first 8 digits of sha256>``, safe as a folder name."""
        return self.identity.name


def load_package(path: Path, *, allow_uncalibrated: bool = False, allow_unsafe_load: bool = False) -> ModelPackage:
    """Read and check a whole package.

    ``allow_uncalibrated`` accepts one without calibrated decisions: where it has no calibrator, probabilities are then
    the plain sigmoid of the logit. ``allow_unsafe_load`` accepts a checkpoint that runs code while it loads.
    Raises `PackageError` naming the file, what was found, what was expected, and what to do.
    """
    from triage_assets.scoring.classifier import build_classifier, read_state_dict

    sha256 = model_fingerprint(path)
    with open_package(path) as package:
        manifest = read_manifest(package, path)
        config = read_yaml(read_member(package, manifest.config, path), f"{manifest.config} in {path}")
        settings = parse_block(PackageConfig, config, f"{manifest.config} in {path}")
        _refuse_other_inputs(settings.classifier, f"{manifest.config} in {path}")
        calibrator = None
        if manifest.logistic_calibrator is not None:
            name = manifest.logistic_calibrator
            calibrator = parse_calibrator(read_member(package, name, path), f"{name} in {path}")
        _check_decision(settings, calibrator, path, allow_uncalibrated=allow_uncalibrated)
        source = f"{manifest.classifier_checkpoint} in {path}"
        weights = read_state_dict(
            read_member(package, manifest.classifier_checkpoint, path), source, allow_unsafe_load=allow_unsafe_load
        )
        classifier = build_classifier(weights, settings.classifier, source)
        has_yolo = manifest.yolo_weights is not None and manifest.yolo_weights in package.namelist()
        yolo_weights = read_member(package, str(manifest.yolo_weights), path) if has_yolo else None
    if classifier.image_px != settings.model_input.patch_size:
        raise PackageError(
            f"{source} and {manifest.config} disagree on the size of a patch",
            found=f"{classifier.image_px} px in the weights",
            expected=f"{settings.model_input.patch_size} px",
            do="Use the model.zip as it was published.",
        )
    return ModelPackage(
        identity=ModelIdentity(path, manifest.model_version or "unversioned", sha256, manifest.variant),
        settings=settings,
        config=config,
        provenance=manifest.provenance,
        classifier=classifier,
        calibrator=calibrator,
        yolo_weights=yolo_weights,
    )


def _refuse_other_inputs(config: ClassifierConfig, source: str) -> None:
    wanted = {"yolo_roi_dim": config.yolo_roi_dim, "yolo_ctx_dim": config.yolo_ctx_dim}
    needed = [f"classifier.{name}: {size}" for name, size in wanted.items() if size]
    if needed:
        raise PackageError(
            f"{source}: the classifier needs inputs that this version does not compute",
            found=", ".join(needed),
            expected="a classifier of image patches alone",
            do="Update triage-assets, or use another model.zip.",
        )


def _check_decision(
    settings: PackageConfig, calibrator: Calibrator | None, path: Path, *, allow_uncalibrated: bool
) -> None:
    decision = settings.decision
    is_calibrated = calibrator is not None and decision.aggregation == "logistic"
    if not is_calibrated and not allow_uncalibrated:
        found = "no logistic_calibrator" if calibrator is None else f"decision.aggregation {decision.aggregation}"
        raise PackageError(
            f"The model package {path} is not calibrated",
            found=found,
            expected="a logistic calibrator and decision.aggregation logistic",
            do="Use a calibrated package, or allow an uncalibrated one: its scores compare with no other model's.",
        )
    needed = "logistic_threshold" if is_calibrated else "threshold"
    if getattr(decision, needed) is None:
        raise PackageError(
            f"The model package {path} has no decision threshold",
            found=f"decision.{needed} is missing",
            do="Use the model.zip as it was published.",
        )
