"""The scoring engine: sequences of frames with boxes in, scores out, one network pass per distinct patch.

What lives here: the order of the steps, and what sequences of one call share. What does not: each step's own work
(`sequence_plan`, `frame_cuts`, `embedding`, `decision`), stores, and batches of a backlog.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Self, TypeVar

from torch import Tensor

from triage_assets.errors import ImageError, ScoringError
from triage_assets.scoring.decision import DecisionRule
from triage_assets.scoring.embedding import Embedder, Judge, Slots
from triage_assets.scoring.failures import failing_alone
from triage_assets.scoring.frame_cuts import FrameCutter
from triage_assets.scoring.package import ModelPackage
from triage_assets.scoring.records import Roi, RuntimeChoice, SequenceInput, SequenceScore
from triage_assets.scoring.runtimes.choice import open_backbone, resolve_runtime
from triage_assets.scoring.runtimes.device import CPU, fitting
from triage_assets.scoring.sequence_plan import SequencePlan, SequencePlanner
from triage_assets.scoring.stages import StageClock
from triage_assets.scoring.views import ViewTable

T = TypeVar("T")

_AUTO = RuntimeChoice()
# Sequences that share frames, crops and passes: their images are in memory at once. Most have 8 frames of 100 kB; where
# they have many more, fewer go together.
_TOGETHER = 64
_TOGETHER_BYTES = 256_000_000
# Sequences among those that are judged together, and then given out.
_JUDGED_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one sequence: a score, or the reason why there is none."""

    name: str
    score: SequenceScore | None
    error: ScoringError | None


class _Item:
    """A sequence on its way: its plan as long as nothing is wrong with it."""

    def __init__(self, sequence: SequenceInput, planner: SequencePlanner) -> None:
        self.name = sequence.name
        self.score: SequenceScore | None = None
        self._error: ScoringError | None = None
        self.plan = self.attempt(partial(planner.plan, sequence))

    def attempt(self, step: Callable[[], T]) -> T | None:
        """What the step gives, or None where it fails, which is then what came of this sequence."""
        try:
            with failing_alone(self.name):
                return step()
        except ScoringError as error:
            self.plan, self._error = None, error
            return None

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(self.name, self.score, self._error)


class ScoringEngine:
    """Scores sequences with one model on one runtime. A context manager; closing it ends its threads.

    ``runtime`` is the label of what it runs on, ``lanes`` how many passes of the network run side by side on a CPU
    (`claim_lanes`); scores do not depend on it. ``clock`` counts the stages decode, crop, embed and judge.
    """

    def __init__(
        self,
        package: ModelPackage,
        choice: RuntimeChoice = _AUTO,
        *,
        decode_threads: int = 2,
        lanes: int = 1,
        clock: StageClock | None = None,
    ) -> None:
        self.package = package
        settings, classifier = package.settings, package.classifier
        resolved = resolve_runtime(package, choice)
        lanes = lanes if resolved.device == CPU else 1
        backbone = open_backbone(package, resolved, lanes)
        self.runtime = backbone.label
        self._clock = clock or StageClock()
        self._embedder = Embedder(backbone, settings.model_input.normalization, lanes)
        with fitting(backbone.device):
            self._judge = Judge(classifier.head, backbone.device)
        self._rule = DecisionRule(settings, package.calibrator, classifier.max_frames)
        self._cutter = FrameCutter(settings.model_input, decode_threads, self._clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        self._cutter.close()
        self._embedder.close()

    def score(
        self, sequences: Iterable[SequenceInput], *, compute_trigger: bool = True, roi: Roi | None = None
    ) -> Iterator[Outcome]:
        """Score sequences in order, some 64 at a time: memory is that of so many, however many there are.

        What each of them gets depends on them alone. Whatever is wrong with one sequence is its own outcome; a
        device that cannot run the model at all ends the iteration with `SettingsError`.
        """
        planner = SequencePlanner(self.package.settings, self.package.classifier.max_frames, roi)
        for together in _gather(sequences):
            yield from self._score_together(together, planner, compute_trigger=compute_trigger)

    def score_one(
        self, sequence: SequenceInput, *, compute_trigger: bool = True, roi: Roi | None = None
    ) -> SequenceScore:
        """Score one sequence. Raises `ScoringError`, and `SettingsError` for a device that cannot run the model."""
        (outcome,) = self.score([sequence], compute_trigger=compute_trigger, roi=roi)
        if outcome.score is None:
            assert outcome.error is not None
            raise outcome.error
        return outcome.score

    def _score_together(
        self, sequences: Sequence[SequenceInput], planner: SequencePlanner, *, compute_trigger: bool
    ) -> Iterator[Outcome]:
        items = [_Item(sequence, planner) for sequence in sequences]
        views = ViewTable(self._cutter, self._embedder, self._clock)
        views.want([item.plan for item in items if item.plan])
        for start in range(0, len(items), _JUDGED_TOGETHER):
            group = items[start : start + _JUDGED_TOGETHER]
            _look(group, views, planner)
            with self._clock.time("judge"):
                self._decide(group, views, compute_trigger=compute_trigger)
            yield from (item.outcome() for item in group)

    def _decide(self, items: Sequence[_Item], views: ViewTable, *, compute_trigger: bool) -> None:
        """Judge all tubes of all items in one go, and in a second one the prefixes of those that are positive."""
        embeddings = views.embeddings()
        planned = [(item, item.plan, views.slots(item.plan)) for item in items if item.plan]
        judged = []
        logits = self._logits(embeddings, [slots for _, _, slots in planned])
        for (item, plan, slots), own in zip(planned, logits, strict=True):
            verdict = item.attempt(partial(self._rule.judge, plan, own))
            if verdict is not None:
                prefixes = self._rule.prefixes(plan, verdict) if compute_trigger else ()
                judged.append((item, plan, slots, verdict, prefixes))
        asked = [[slots[prefix.tube][: prefix.length] for prefix in prefixes] for _, _, slots, _, prefixes in judged]
        for (item, plan, _, verdict, prefixes), own in zip(judged, self._logits(embeddings, asked), strict=True):
            known = dict(zip(prefixes, own, strict=True)) if compute_trigger else None
            item.score = item.attempt(partial(self._rule.score, plan, verdict, known))

    def _logits(self, embeddings: Tensor, tubes: Sequence[Sequence[Slots]]) -> list[list[float]]:
        """Logits in the same nesting, from passes that take no notice of it."""
        found = iter(self._judge.logits(embeddings, [slots for own in tubes for slots in own]))
        return [list(islice(found, len(own))) for own in tubes]


def _gather(sequences: Iterable[SequenceInput]) -> Iterator[list[SequenceInput]]:
    """The sequences in groups that are bounded in number and, save for a last one that goes beyond, in bytes."""
    together: list[SequenceInput] = []
    n_bytes = 0
    for sequence in sequences:
        together.append(sequence)
        n_bytes += sum(len(frame.image) for frame in sequence.frames)
        if len(together) == _TOGETHER or n_bytes >= _TOGETHER_BYTES:
            yield together
            together, n_bytes = [], 0
    if together:
        yield together


def _look(items: Sequence[_Item], views: ViewTable, planner: SequencePlanner) -> None:
    """See everything that the items need, planning anew without the frames that turn out to be no images."""
    unseen = [item for item in items if item.plan]
    while unseen:
        views.look([item.plan for item in unseen if item.plan])
        unseen = [item for item in unseen if _plan_again(item, views, planner)]


def _plan_again(item: _Item, views: ViewTable, planner: SequencePlanner) -> bool:
    """Whether there is now another plan, which has to be looked at."""
    plan = item.plan
    assert plan is not None
    faults = views.faults(plan)
    if not faults:
        return False

    def without() -> SequencePlan:
        unusable: dict[int, ImageError] = {}
        for index, error in faults.items():
            if not isinstance(error, ImageError):
                raise error
            unusable[index] = error
        return planner.without(plan, unusable)

    item.plan = item.attempt(without)
    return item.plan is not None
