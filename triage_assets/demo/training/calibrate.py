"""From logits to decisions: the calibrator fitted on validation tubes, and the threshold for a recall.

What lives here: the features, the fit, and the scores of whole scenes that follow. What does not: the calibrator's own
arithmetic and file form (`scoring.calibrator`).
"""

import math

import numpy as np
from numpy.typing import NDArray

from triage_assets.demo.training.samples import SMOKE, Samples
from triage_assets.errors import TriageError
from triage_assets.scoring.calibrator import Calibrator, TubeFeatures

Vector = NDArray[np.float64]
_STEPS = 100
_CONVERGED = 1e-10
# Keeps the fit finite where validation separates without an error.
_RIDGE = 1.0
_SMOKE_WEIGHTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
# Well above the 60% that the demo promises: other scenes than those of validation come out a little worse.
_KEPT_OUT = 0.85


def tube_features(samples: Samples, logits: Vector) -> list[TubeFeatures]:
    """What the calibrator knows of each tube."""
    means = np.nanmean(samples.confidences, axis=1)
    columns = zip(logits.tolist(), samples.lengths.tolist(), means.tolist(), samples.tubes_beside.tolist(), strict=True)
    return [TubeFeatures(*values) for values in columns]


def choose_smoke_weight(samples: Samples, logits: Vector, threshold: float) -> float:
    """The largest weight of smoke at which the triage threshold still keeps most false alarms out of review.

    A missed fire costs more than a look at a cloud, so what false alarms leave to spare is spent on recall.
    """
    others = ~samples.scene_is_smoke
    kept_out = {
        weight: (scene_scores(samples, logits, fit_calibrator(samples, logits, weight))[others] < threshold).mean()
        for weight in _SMOKE_WEIGHTS
    }
    return max((weight for weight, share in kept_out.items() if share >= _KEPT_OUT), default=_SMOKE_WEIGHTS[0])


def fit_calibrator(samples: Samples, logits: Vector, smoke_weight: float) -> Calibrator:
    """A logistic regression by Newton's method on all tubes: whether each is the smoke that raised the alarm.

    A plume beside another alarm looks like smoke, so the network's logit is high; only its few and unsure boxes tell
    that it raised nothing, and those are features here. It counts as no smoke.

    ``smoke_weight`` counts every tube of smoke so many times, which raises all probabilities: the triage threshold is
    fixed, so this is where it is decided how many false alarms a missed fire is worth.
    """
    vectors = np.array([features.as_vector() for features in tube_features(samples, logits)])
    truth = (samples.labels == SMOKE).astype(np.float64)
    weights = np.where(truth > 0, smoke_weight, 1.0)
    centre, spread = vectors.mean(axis=0), vectors.std(axis=0) + 1e-9
    scaled = np.column_stack([(vectors - centre) / spread, np.ones(len(vectors))])
    ridge = np.diag([_RIDGE] * vectors.shape[1] + [0.0])
    coefficients = np.zeros(scaled.shape[1])
    for _ in range(_STEPS):
        probabilities = 1.0 / (1.0 + np.exp(-(scaled @ coefficients)))
        gradient = scaled.T @ (weights * (probabilities - truth)) + ridge @ coefficients
        curvature = (scaled * (weights * probabilities * (1.0 - probabilities))[:, None]).T @ scaled + ridge
        step = np.linalg.solve(curvature, gradient)
        coefficients -= step
        if np.abs(step).max() < _CONVERGED:
            break
    a, b, c, d = (coefficients[:-1] / spread).tolist()
    intercept = float(coefficients[-1] - (coefficients[:-1] / spread) @ centre)
    return Calibrator((a, b, c, d), intercept)


def scene_scores(samples: Samples, logits: Vector, calibrator: Calibrator) -> Vector:
    """The score of every scene: the largest probability over its tubes, 0.0 where it has none."""
    scores = np.zeros(len(samples.scene_names))
    probabilities = [calibrator.probability(features) for features in tube_features(samples, logits)]
    np.maximum.at(scores, samples.scenes, np.array(probabilities))
    return scores


def threshold_for_recall(scores: Vector, is_smoke: NDArray[np.bool_], recall: float) -> float:
    """The highest threshold, in ten thousandths, at or above which lies at least this share of the smoke.

    Raises `TriageError` where there is no smoke.
    """
    smoke = np.sort(scores[is_smoke])[::-1]
    if not len(smoke):
        raise TriageError("There is no smoke to recall", found=f"{len(scores)} scenes, all false alarms")
    return math.floor(float(smoke[math.ceil(recall * len(smoke)) - 1]) * 10_000) / 10_000
