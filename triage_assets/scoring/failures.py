"""What becomes of an error that nobody foresaw while one sequence was scored: a reason to drop that sequence.

What lives here: the border at which any exception turns into a `ScoringError`. What does not: the faults that are
foreseen, which each module names itself, and what is done with a sequence that has no score.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from triage_assets.errors import ScoringError

logger = logging.getLogger(__name__)


@contextmanager
def failing_alone(name: str, *passing: type[Exception]) -> Iterator[None]:
    """Turn any error into a `ScoringError` about ``name``, with its traceback in the log.

    Errors of the ``passing`` kinds go on unchanged, and so does `MemoryError`: they say nothing of the sequence.
    """
    try:
        yield
    except (ScoringError, MemoryError):
        raise
    except passing:
        raise
    except Exception as error:
        logger.exception("%s cannot be scored", name)
        text = " ".join(str(error).split())[:200]
        raise ScoringError(
            f"{name} cannot be scored",
            found=f"{type(error).__name__}: {text}" if text else type(error).__name__,
            do="The log has the whole traceback; please report it. Other sequences are scored without it.",
        ) from error
