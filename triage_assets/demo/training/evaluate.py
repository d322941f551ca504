"""How well scores tell smoke from false alarms, with how sure the numbers are.

What lives here: measures of scores against the truth, as plain values that go to JSON. What does not: computing scores
(`calibrate`), and showing the measures (`card`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage_assets.errors import TriageError
from triage_assets.settings import Settings

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]
TRIAGE_THRESHOLD: float = Settings.model_fields["triage_threshold"].default
_BOOTSTRAPS = 2000
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``total``, and the 95% interval of the share behind it (Wilson): 0 to 1 where nothing is known."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share itself; NaN of nothing."""
        return self.count / self.total if self.total else math.nan

    @property
    def low(self) -> float:
        """Where the interval begins."""
        return max(0.0, self._centre - self._reach)

    @property
    def high(self) -> float:
        """Where the interval ends."""
        return min(1.0, self._centre + self._reach)

    @property
    def _centre(self) -> float:
        return (self.count + _Z95**2 / 2) / (self.total + _Z95**2)

    @property
    def _reach(self) -> float:
        spread = self.count * (self.total - self.count) / self.total if self.total else 0.0
        return _Z95 * math.sqrt(spread + _Z95**2 / 4) / (self.total + _Z95**2)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Scenes of one group (a kind of subject, or a number of frames): how many, and how many score at the threshold."""

    group: str
    is_smoke: bool
    median_score: float
    to_review: Share


@dataclass(frozen=True, slots=True)
class OperatingRow:
    """What a threshold does: smoke that goes to review, and false alarms that do not."""

    threshold: float
    smoke_to_review: Share
    others_to_unlabel: Share


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Scenes with about one score: their mean score, and how many are smoke."""

    mean_score: float
    smoke: Share


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the card says of one set of scenes."""

    triage_threshold: float
    auc: float
    auc_low: float
    auc_high: float
    operating: tuple[OperatingRow, ...]
    by_kind: tuple[GroupRow, ...]
    by_length: tuple[GroupRow, ...]
    reliability: tuple[ReliabilityBin, ...]

    @property
    def at_triage(self) -> OperatingRow:
        """What the triage threshold does."""
        return next(row for row in self.operating if row.threshold == self.triage_threshold)


def measure(
    scores: Scores, is_smoke: Truth, kinds: Sequence[str], n_frames: Sequence[int], thresholds: Sequence[float]
) -> Metrics:
    """All measures of scored scenes, one value per scene in every argument but the last.

    The triage threshold is one of the ``thresholds``, named or not.
    """
    auc = area_under_curve(scores, is_smoke)
    low, high = _auc_interval(scores, is_smoke)
    lengths = [length_group(n) for n in n_frames]
    return Metrics(
        triage_threshold=TRIAGE_THRESHOLD,
        auc=auc,
        auc_low=low,
        auc_high=high,
        operating=tuple(operate(scores, is_smoke, threshold) for threshold in sorted({TRIAGE_THRESHOLD, *thresholds})),
        by_kind=_group_rows(scores, is_smoke, kinds),
        by_length=_group_rows(scores, is_smoke, lengths),
        reliability=_reliability(scores, is_smoke),
    )


def area_under_curve(scores: Scores, is_smoke: Truth) -> float:
    """The chance that a scene with smoke scores above one without, ties counting half.

    Raises `TriageError` where either is missing.
    """
    n_smoke = int(is_smoke.sum())
    if n_smoke in (0, len(scores)):
        raise TriageError(
            "There is nothing to tell apart",
            found=f"{n_smoke} scenes with smoke, {len(scores) - n_smoke} false alarms",
            expected="at least one of each",
        )
    others = np.sort(scores[~is_smoke])
    below = np.searchsorted(others, scores[is_smoke], "left")
    up_to = np.searchsorted(others, scores[is_smoke], "right")
    return float((below + up_to).sum() / (2 * len(others) * n_smoke))


def operate(scores: Scores, is_smoke: Truth, threshold: float) -> OperatingRow:
    """What a threshold does to scored scenes."""
    return OperatingRow(
        threshold=threshold,
        smoke_to_review=_share(scores[is_smoke] >= threshold),
        others_to_unlabel=_share(scores[~is_smoke] < threshold),
    )


def _auc_interval(scores: Scores, is_smoke: Truth) -> tuple[float, float]:
    """95%, by drawing scenes with and without smoke anew."""
    random = np.random.default_rng(0)
    smoke, others = scores[is_smoke], scores[~is_smoke]
    truth = np.arange(len(scores)) < len(smoke)
    drawn = [
        area_under_curve(np.concatenate([random.choice(smoke, len(smoke)), random.choice(others, len(others))]), truth)
        for _ in range(_BOOTSTRAPS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _group_rows(scores: Scores, is_smoke: Truth, groups: Sequence[str]) -> tuple[GroupRow, ...]:
    named = np.array(groups)
    return tuple(
        GroupRow(group, smoke, float(np.median(scores[member])), _share(scores[member] >= TRIAGE_THRESHOLD))
        for smoke in (True, False)
        for group in dict.fromkeys(sorted(groups))
        if (member := (named == group) & (is_smoke == smoke)).any()
    )


def _reliability(scores: Scores, is_smoke: Truth, n_bins: int = 10) -> tuple[ReliabilityBin, ...]:
    bins = np.clip((scores * n_bins).astype(int), 0, n_bins - 1)
    return tuple(
        ReliabilityBin(
            float(scores[bins == number].mean()),
            _share(is_smoke[bins == number]),
        )
        for number in range(n_bins)
        if (bins == number).any()
    )


def length_group(n_frames: int) -> str:
    """Names that sort by length."""
    for low, high in ((1, 1), (2, 3), (4, 8), (9, 19)):
        if n_frames <= high:
            return f"{low:02d} frame" if low == high else f"{low:02d}-{high:02d} frames"
    return "20 frames or more"


def _share(values: NDArray[np.bool_]) -> Share:
    return Share(int(values.sum()), len(values))
