"""The scores in a folder: what `results.json` lists and `details/` explains, as scores of models of their own.

What lives here: what of it is believed: nothing that is not explained, and nothing that contradicts itself, is of other
frames, or is not what the store says already. What does not: which files say what (`reporting_layout`), and how such
scores are kept (`scoring.imported`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from triage_assets.errors import ExchangeError, NewerFormat, ShardError, StoreError, StoreUnwritable
from triage_assets.exchange.reporting_layout import (
    Details,
    Entry,
    ResultRow,
    Tube,
    find_reports,
    read_details,
    read_results,
)
from triage_assets.progress import Progress
from triage_assets.scoring.imported import ImportedModel, add_imported_scores, imported_models, lay_out_imported
from triage_assets.scoring.planning import SequenceTask
from triage_assets.scoring.predictions import load_current
from triage_assets.scoring.records import (
    Preprocessing,
    ScoredTube,
    ScoringBox,
    SequenceDetails,
    SequenceScore,
    TubeEntry,
    Window,
)
from triage_assets.scoring.units import LoadBacklog
from triage_assets.store import Store
from triage_assets.stored_backlogs import load_backlogs

# The calibrator's arithmetic is the same wherever a number was made, to the last digits.
_SAME_SCORE = 1e-6


@dataclass(frozen=True, slots=True)
class ScoresImport:
    """The scores of one model that a folder has of sequences that were imported, and how many of them are new.

    ``is_repaired`` is whether scores were there that could not be read without what the folder says of the model.
    """

    name: str
    version: str
    n_scores: int
    n_added: int
    is_repaired: bool


def import_scores(
    store: Store, folder: Path, sequence_ids: frozenset[int], progress: Progress
) -> tuple[tuple[ScoresImport, ...], dict[str, str]]:
    """Import the scores that a folder has of these sequences, whose frames the store has just as the folder.

    Returns what was imported, and by place in the folder, or by organization, why something was not. Raises
    `StoreError`.
    """
    left_out: dict[str, str] = {}
    backlogs, damaged = _readable_backlogs(store)
    for key, error in damaged.items():
        left_out[f"organization {key}"] = f"its imported scores stay as they were: {error}"
    unreadable = imported_models(store).unreadable
    offers: list[_Offer] = []
    for report in find_reports(folder):
        for model, rows in read_results(report, left_out):
            wanted = {which: row for which, row in rows.items() if which in sequence_ids}
            offers.append(_Offer(report, model, wanted, left_out, progress))
            offers[-1].add_to(store, backlogs)
    not_laid_out = lay_out_imported(store, backlogs, staying=damaged)
    left_out |= {name: str(error) for name, error in not_laid_out.items()}
    for offer in offers:
        if offer.model.name not in not_laid_out:
            offer.compare_with(_stored_scores(store, offer.model))
    imported = (offer.report_import(is_repaired=offer.model.name in unreadable) for offer in offers)
    return tuple(each for each in imported if each.n_scores), left_out


def _readable_backlogs(store: Store) -> tuple[dict[str, LoadBacklog], dict[str, ShardError | StoreError]]:
    """The backlogs that can be read with their frames, and by key what is wrong with the others."""
    readable: dict[str, LoadBacklog] = {}
    damaged: dict[str, ShardError | StoreError] = {}
    for key, load in load_backlogs(store).items():
        try:
            load()
        except (NewerFormat, StoreUnwritable):
            raise
        except (ShardError, StoreError) as error:
            damaged[key] = error
        else:
            readable[key] = load
    return readable, damaged


def _stored_scores(store: Store, model: ImportedModel) -> dict[int, float]:
    """The score of each sequence of the backlog by an imported model."""
    current = load_current(store, model.name)
    if current is None:
        return {}
    return dict(zip(current["sequence_id"].to_pylist(), current["triage_score"].to_pylist(), strict=True))


class _Offer:
    """The scores that a folder has of one model; notes of each why it is not taken."""

    def __init__(
        self,
        report: Path,
        model: ImportedModel,
        rows: Mapping[int, ResultRow],
        left_out: dict[str, str],
        progress: Progress,
    ) -> None:
        self.model = model
        self._n_added = 0
        self._report = report
        self._rows = rows
        self._left_out = left_out
        self._progress = progress
        self._n_read = 0
        self._n_refused = 0

    def add_to(self, store: Store, backlogs: Mapping[str, LoadBacklog]) -> None:
        """Add those that the store has none of, and that `details/` explains."""
        self._n_added = add_imported_scores(store, self.model, backlogs, self._find)

    def compare_with(self, stored: Mapping[int, float]) -> None:
        """Refuse each score of which the store has another: which of them is the model's cannot be told."""
        for sequence_id, row in self._rows.items():
            has = stored.get(sequence_id)
            if has is not None and row.score is not None and not _is_same(has, row.score):
                why = f"the store has another score of it by this version: {has:.6f}, not {row.score:.6f}"
                self._refuse(f"results.json: {row.key}", why)

    def report_import(self, *, is_repaired: bool) -> ScoresImport:
        """What became of them."""
        n_scores = len(self._rows) - self._n_refused
        return ScoresImport(self.model.name, self.model.version, n_scores, self._n_added, is_repaired)

    def _find(self, task: SequenceTask) -> SequenceScore | None:
        row = self._rows.get(task.sequence_id)
        if row is None:
            return None
        self._n_read += 1
        self._progress("scores", self._n_read, None)
        path = self._report / "details" / f"{row.key}.json"
        try:
            return _score_of(row, read_details(path), task)
        except ExchangeError as error:
            self._refuse(f"details/{path.name}", error.what)
            return None

    def _refuse(self, where: str, why: str) -> None:
        self._n_refused += 1
        self._left_out[f"{self._report.name}/{where}"] = why


def _is_same(score: float, other: float) -> bool:
    return math.isclose(score, other, abs_tol=_SAME_SCORE)


def _score_of(row: ResultRow, details: Details, task: SequenceTask) -> SequenceScore:
    """What row and details say together. Raises `ExchangeError` where they contradict each other, or the frames."""
    kept = tuple(map(_tube_of, details.tubes.kept))
    found = max((tube.probability for tube in kept), default=0.0)
    if row.score is None or not _is_same(found, row.score):
        raise ExchangeError(f"its tubes say {found:.6f} and results.json says {row.score}: neither is taken")
    n_all = len(task.frames) + task.n_frames_unusable
    n_unusable = task.n_frames_unusable if row.n_frames_unusable is None else row.n_frames_unusable
    n_scored = details.preprocessing.num_frames_input
    if n_scored != n_all - n_unusable:
        raise ExchangeError(f"its score is of {n_scored} frames, and there are {n_all - n_unusable}: it is not taken")
    if (last := _last_slot(row, details)) >= details.preprocessing.n_slots:
        n_slots = details.preprocessing.n_slots
        raise ExchangeError(f"it names frame {last} of {n_slots} that the model looked at: it is not taken")
    return SequenceScore(
        is_positive=found >= details.decision.threshold and bool(kept),
        trigger_frame_index=row.trigger_frame_index,
        n_frames=n_scored,
        n_frames_unusable=n_unusable - task.n_frames_unusable,
        details=SequenceDetails(
            preprocessing=Preprocessing(
                n_scored, details.preprocessing.num_truncated, details.preprocessing.padded_frame_indices
            ),
            num_candidates=details.tubes.num_candidates,
            num_outside_roi=details.tubes.num_outside_roi,
            kept=kept,
            aggregation=details.decision.aggregation,
            threshold=details.decision.threshold,
            trigger_tube_id=details.decision.trigger_tube_id,
        ),
    )


def _last_slot(row: ResultRow, details: Details) -> int:
    """The last frame that is named, padding counted; the first where none is."""
    named = [0, *details.preprocessing.padded_frame_indices]
    for tube in details.tubes.kept:
        named += [entry.frame_idx for entry in tube.entries]
        named += [] if tube.first_crossing_frame is None else [tube.first_crossing_frame]
    return max(named if row.trigger_frame_index is None else [*named, row.trigger_frame_index])


def _tube_of(tube: Tube) -> ScoredTube:
    return ScoredTube(
        tube_id=tube.tube_id,
        entries=tuple(_entry_of(entry) for entry in tube.entries),
        logit=tube.logit,
        probability=tube.probability,
        first_crossing_frame=tube.first_crossing_frame,
        stabilized_window=None if tube.stabilized_window is None else Window(*tube.stabilized_window),
    )


def _entry_of(entry: Entry) -> TubeEntry:
    box = None if entry.bbox is None else ScoringBox(*entry.bbox, 0.0 if entry.confidence is None else entry.confidence)
    return TubeEntry(entry.frame_idx, box, entry.is_gap)
