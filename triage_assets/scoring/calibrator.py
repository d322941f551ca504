"""The logistic calibrator: from a tube's logit and circumstances to a probability.

What lives here: its file form, its own check, and its arithmetic. What does not: the threshold, and the choice between
calibrated and uncalibrated decisions.
"""

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from triage_assets.errors import PackageError
from triage_assets.scoring.config import Finite
from triage_assets.scoring.problems import describe_problems

FEATURES = ("logit", "log_len", "mean_conf", "n_tubes")
# The file carries examples of its own output; they were written with full precision.
_SANITY_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class TubeFeatures:
    """What the calibrator knows of a tube: length in slots, mean confidence (gaps count with 0.0), tubes beside it."""

    logit: float
    length: int
    mean_confidence: float
    n_tubes: int

    def as_vector(self) -> tuple[float, float, float, float]:
        """The values in the order of `FEATURES`."""
        return (self.logit, math.log(1 + self.length), self.mean_confidence, float(self.n_tubes))


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Coefficients in the order of `FEATURES`, and the intercept."""

    coefficients: tuple[float, float, float, float]
    intercept: float

    def probability(self, features: TubeFeatures) -> float:
        """The calibrated probability of smoke, 0..1."""
        return self._of_vector(features.as_vector())

    def _of_vector(self, vector: tuple[float, float, float, float]) -> float:
        weighted = sum(coefficient * value for coefficient, value in zip(self.coefficients, vector, strict=True))
        return sigmoid(weighted + self.intercept)


class _SanityCheck(BaseModel):
    features: tuple[Finite, Finite, Finite, Finite]
    prob: Finite


class _CalibratorFile(BaseModel):
    model_config = ConfigDict(extra="ignore")

    features: list[str]
    coefficients: list[Finite]
    intercept: Finite
    sanity_checks: list[_SanityCheck] = Field(min_length=1)


def parse_calibrator(data: bytes, source: str) -> Calibrator:
    """Read ``logistic_calibrator.json`` and prove that it reproduces the examples it carries.

    ``source`` names the file in messages. Raises `PackageError`.
    """
    try:
        file = _CalibratorFile.model_validate_json(data)
    except ValidationError as error:
        raise PackageError(
            f"{source} is no calibrator", found=describe_problems(error), do="Use the model.zip as it was published."
        ) from None
    if tuple(file.features) != FEATURES or len(file.coefficients) != len(FEATURES):
        raise PackageError(
            f"{source} wants other features than this version computes",
            found=f"{len(file.coefficients)} coefficients for {', '.join(file.features) or 'none'}",
            expected=", ".join(FEATURES),
            do="Update triage-assets, or use another model.zip.",
        )
    a, b, c, d = file.coefficients
    calibrator = Calibrator((a, b, c, d), file.intercept)
    for number, check in enumerate(file.sanity_checks):
        found = calibrator._of_vector(check.features)
        if abs(found - check.prob) > _SANITY_TOLERANCE:
            raise PackageError(
                f"{source} does not reproduce its own sanity check {number}",
                found=f"probability {found:.9f} for {list(check.features)}",
                expected=f"{check.prob:.9f} within {_SANITY_TOLERANCE:g}",
                do="The calibrator is damaged or of another kind; use the model.zip as it was published.",
            )
    return calibrator


def sigmoid(value: float) -> float:
    """The logistic function, for any finite value."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    grown = math.exp(value)
    return grown / (1 + grown)
