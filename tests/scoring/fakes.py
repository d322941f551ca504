"""A backend that records what it is asked to score and answers without a network."""

from collections.abc import Iterable, Iterator

from triage_assets.scoring.backends import TaskOutcome
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


def made_up_score(task: SequenceTask) -> SequenceScore:
    entries = tuple(TubeEntry(slot, ScoringBox(0.5, 0.5, 0.1, 0.1, 0.5)) for slot in range(len(task.frames)))
    probability = (task.sequence_id % 10) / 10
    tube = ScoredTube(0, entries, 2 * probability - 1, probability, None, Window(0.5, 0.5, 0.1, 0.1))
    details = SequenceDetails(Preprocessing(len(task.frames), 0, ()), 1, 0, (tube,), "logistic", 0.42, None)
    return SequenceScore(probability >= 0.42, None, len(task.frames), 0, details)


class RecordingBackend:
    """Scores everything but the sequences in ``failing``, which fail for the given reason."""

    def __init__(self, failing: dict[int, str] | None = None) -> None:
        self.asked: list[int] = []
        self.failing = failing or {}

    def score(self, tasks: Iterable[SequenceTask]) -> Iterator[TaskOutcome]:
        for task in tasks:
            self.asked.append(task.sequence_id)
            reason = self.failing.get(task.sequence_id)
            if reason is None:
                yield TaskOutcome(task, made_up_score(task))
            else:
                yield TaskOutcome(task, None, reason, f"{reason} because of the test")
