"""Several models in turn over the same backlog: one that fails does not take the others' scores with it.

What lives here: which failures concern one model alone, and what is said of them at the end. What does not: how one
model scores the backlog (`predictions`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triage_assets.errors import ClusterError, PackageError, StoreUnwritable, TriageError
from triage_assets.scoring.predictions import ScoringReport

logger = logging.getLogger(__name__)

# The next model would meet them too: a full disk, a cluster that does not answer.
_CONCERN_EVERY_MODEL = (StoreUnwritable, ClusterError)


@dataclass(frozen=True, slots=True)
class Round:
    """What became of each package: a report, or the error that it failed with."""

    reports: tuple[ScoringReport, ...]
    failures: Mapping[Path, TriageError]

    def raise_failures(self) -> None:
        """Raise what failed: the error itself where it is all there is, else a `PackageError` that names them all."""
        if not self.failures:
            return
        if not self.reports and len(set(map(str, self.failures.values()))) == 1:
            raise next(iter(self.failures.values()))
        kept = ", ".join(f"{report.name} ({report.n_scored:,} scored now)" for report in self.reports) or "none"
        raise PackageError(
            f"{len(self.failures)} of {len(self.failures) + len(self.reports)} models could not score the backlog",
            found="; ".join(_describe_failure(path, error) for path, error in self.failures.items()),
            do=f"What the others scored is kept: {kept}. Repair the model, or take it out of TRIAGE_MODEL.",
        )


def _describe_failure(path: Path, error: TriageError) -> str:
    """The error as a part of a sentence, with the package's path once."""
    text = str(error).rstrip(".")
    return text if str(path) in text else f"{path}: {text}"


def score_by_each(packages: Sequence[Path], score: Callable[[Path], ScoringReport]) -> Round:
    """Let every package score the backlog.

    Raises at once what would stop the next one too: `StoreUnwritable`, `ClusterError`.
    """
    reports: list[ScoringReport] = []
    failures: dict[Path, TriageError] = {}
    for package in packages:
        try:
            reports.append(score(package))
        except _CONCERN_EVERY_MODEL:
            raise
        except TriageError as error:
            logger.error("A model could not score the backlog: %s", _describe_failure(package, error))
            failures[package] = error
    return Round(tuple(reports), failures)
