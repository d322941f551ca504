"""From logits to a verdict: probabilities, which tubes are positive, and when each of them first was.

What lives here: the decision rule of a package, and the score it makes of a planned sequence. What does not: the
networks that logits come from (`embedding`), and the meaning of a prefix (`trigger`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from triage_assets.errors import ScoringError
from triage_assets.scoring.calibrator import Calibrator, TubeFeatures, sigmoid
from triage_assets.scoring.config import PackageConfig
from triage_assets.scoring.records import ScoredTube, SequenceDetails, SequenceScore, TubeEntry
from triage_assets.scoring.sequence_plan import SequencePlan
from triage_assets.scoring.trigger import Trigger, earliest, first_crossing, mean_confidence, prefix_lengths


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first ``length`` entries of a tube, which is given by its index in the plan."""

    tube: int
    length: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a sequence's own logits say, before any prefix is asked for."""

    logits: tuple[float, ...]
    probabilities: tuple[float, ...]
    is_positive: tuple[bool, ...]


class DecisionRule:
    """How one model decides."""

    def __init__(self, settings: PackageConfig, calibrator: Calibrator | None, max_frames: int) -> None:
        self._calibrator = calibrator
        self._min_length = settings.tubes.infer_min_tube_length
        self._max_frames = max_frames
        self._is_logistic = calibrator is not None and settings.decision.aggregation == "logistic"
        threshold = settings.decision.logistic_threshold if self._is_logistic else settings.decision.threshold
        assert threshold is not None  # proven when the package was loaded
        self._threshold = threshold

    def judge(self, plan: SequencePlan, logits: Sequence[float]) -> Verdict:
        """The verdict on each tube. Raises `ScoringError` for a logit that is no number."""
        refuse_no_numbers(plan.name, logits)
        tubes = plan.tubes.tubes
        probabilities = tuple(
            self._probability(logit, tube.entries, len(tubes)) for tube, logit in zip(tubes, logits, strict=True)
        )
        is_positive = tuple(
            self._is_positive(logit, probability) for logit, probability in zip(logits, probabilities, strict=True)
        )
        return Verdict(tuple(logits), probabilities, is_positive)

    def prefixes(self, plan: SequencePlan, verdict: Verdict) -> tuple[Prefix, ...]:
        """The prefixes whose logits decide when the sequence first looked like smoke."""
        return tuple(
            Prefix(index, length)
            for index, tube in enumerate(plan.tubes.tubes)
            if verdict.is_positive[index]
            for length in prefix_lengths(len(tube.entries), self._min_length, self._max_frames)
        )

    def score(
        self, plan: SequencePlan, verdict: Verdict, prefix_logits: Mapping[Prefix, float] | None
    ) -> SequenceScore:
        """The whole score, without a trigger where there are no ``prefix_logits``.

        Raises `ScoringError` for a logit that is no number.
        """
        crossings: list[int | None] = [None] * len(plan.tubes.tubes)
        if prefix_logits is not None:
            refuse_no_numbers(plan.name, prefix_logits.values())
            crossings = [self._crossing(plan, verdict, index, prefix_logits) for index in range(len(crossings))]
        kept = tuple(
            ScoredTube(tube.tube_id, tube.entries, logit, probability, crossing, window)
            for tube, logit, probability, crossing, window in zip(
                plan.tubes.tubes, verdict.logits, verdict.probabilities, crossings, plan.windows, strict=True
            )
        )
        trigger = earliest(
            [Trigger(tube.tube_id, tube.first_crossing_frame) for tube in kept if tube.first_crossing_frame is not None]
        )
        details = SequenceDetails(
            preprocessing=plan.slots.preprocessing,
            num_candidates=plan.tubes.num_candidates,
            num_outside_roi=plan.tubes.num_outside_roi,
            kept=kept,
            aggregation="logistic" if self._is_logistic else "max_logit",
            threshold=self._threshold,
            trigger_tube_id=trigger.tube_id if trigger else None,
        )
        return SequenceScore(
            is_positive=any(verdict.is_positive),
            trigger_frame_index=trigger.frame_index if trigger else None,
            n_frames=plan.slots.preprocessing.num_frames_input,
            n_frames_unusable=len(plan.unusable),
            details=details,
        )

    def _crossing(
        self, plan: SequencePlan, verdict: Verdict, index: int, prefix_logits: Mapping[Prefix, float]
    ) -> int | None:
        if not verdict.is_positive[index]:
            return None
        n_tubes = len(plan.tubes.tubes)
        return first_crossing(
            plan.tubes.tubes[index].entries,
            self._min_length,
            lambda length: prefix_logits.get(Prefix(index, length), verdict.logits[index]),
            lambda logit, entries: self._is_positive(logit, self._probability(logit, entries, n_tubes)),
        )

    def _probability(self, logit: float, entries: Sequence[TubeEntry], n_tubes: int) -> float:
        if self._calibrator is None:
            return sigmoid(logit)
        return self._calibrator.probability(TubeFeatures(logit, len(entries), mean_confidence(entries), n_tubes))

    def _is_positive(self, logit: float, probability: float) -> bool:
        return (probability if self._is_logistic else logit) >= self._threshold


def refuse_no_numbers(name: str, logits: Iterable[float]) -> None:
    """Raise `ScoringError` where the network gave something that is no number."""
    if not all(math.isfinite(logit) for logit in logits):
        raise ScoringError(
            f"The model gives no number for {name}",
            found="a logit that is infinite or not a number",
            do="The model package may be damaged; try another one.",
        )
