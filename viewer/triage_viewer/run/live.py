"""The run page's answer: the store and Dagster, each asked at most every few seconds, however many people watch.

What lives here: when to ask, and going on with one where the other cannot be had. What does not: the questions
(`stored`, `instance`).
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from triage_assets.errors import TriageError
from triage_assets.settings import DAGSTER_URL
from triage_assets.store import Store
from triage_viewer.backlog.live import LiveBacklog
from triage_viewer.backlog.review_news import ReviewNews
from triage_viewer.run.answers import (
    Asset,
    DagsterRead,
    EventsRead,
    FrameShardsRead,
    PredictionsAssetRead,
    RawSequencesRead,
    RunRead,
    SequenceGroupsRead,
    WorklistsRead,
)
from triage_viewer.run.instance import NoInstanceError, Remembered, look_at_instance
from triage_viewer.run.stored import StoredStages, StoreReader

logger = logging.getLogger(__name__)

_STORE_SECONDS = 2.0
_DAGSTER_SECONDS = 5.0
# Loading Dagster takes two seconds, and a storage that does not answer takes for ever: the page comes without it.
_PATIENCE_SECONDS = 1.0
_UNREADABLE = (
    "Dagster's instance cannot be read. Correct dagster.yaml and the storage that it names; the server's log says why."
)

_Answer = tuple[Remembered | None, DagsterRead]


class LiveRun:
    """May be asked by many threads at once; nothing is read before the first question."""

    def __init__(
        self,
        store: Store,
        backlog: LiveBacklog,
        news: ReviewNews,
        url: str,
        look: Callable[[], Remembered] = look_at_instance,
    ) -> None:
        self._reader = StoreReader(store, backlog, news)
        self._url = url
        self._look = look
        self._store_lock, self._dagster_lock = threading.Lock(), threading.Lock()
        self._stages: tuple[float, datetime, StoredStages] | None = None
        self._asking: threading.Event | None = None
        self._asked_at = float("-inf")
        self._answer: _Answer = (None, self._describe("asking", "Dagster is being asked."))

    def read(self) -> RunRead:
        """Everything, as of a few seconds ago at most. Never raises what a store, a database or Dagster does."""
        remembered, dagster = self._ask()
        looked_at, stages = self._look_at_store()

        def events(asset: Asset) -> EventsRead | None:
            return None if remembered is None else remembered.events[asset]

        return RunRead(
            raw_sequences=RawSequencesRead(
                stored=stages.sequences.stored, trouble=stages.sequences.trouble, events=events("raw_sequences")
            ),
            frame_shards=FrameShardsRead(
                stored=stages.shards.stored, trouble=stages.shards.trouble, events=events("frame_shards")
            ),
            predictions=PredictionsAssetRead(
                stored=stages.predictions.stored, trouble=stages.predictions.trouble, events=events("predictions")
            ),
            sequence_groups=SequenceGroupsRead(
                stored=stages.groups.stored, trouble=stages.groups.trouble, events=events("sequence_groups")
            ),
            worklists=WorklistsRead(
                stored=stages.worklists.stored, trouble=stages.worklists.trouble, events=events("worklists")
            ),
            dagster=dagster,
            looked_at=looked_at,
        )

    def _look_at_store(self) -> tuple[datetime, StoredStages]:
        with self._store_lock:
            if self._stages is None or time.monotonic() - self._stages[0] >= _STORE_SECONDS:
                looked_at, stages = datetime.now(UTC), self._reader.look()
                self._stages = time.monotonic(), looked_at, stages  # a long look is as fresh as its end
            return self._stages[1:]

    def _ask(self) -> _Answer:
        with self._dagster_lock:
            is_due = time.monotonic() - self._asked_at >= _DAGSTER_SECONDS
            if is_due and (self._asking is None or self._asking.is_set()):
                self._asked_at = time.monotonic()
                self._asking = threading.Event()
                # A daemon: a storage that never answers does not keep the server from ending.
                threading.Thread(target=self._ask_now, args=(self._asking,), name="dagster", daemon=True).start()
            asking = self._asking
        if asking is not None:
            asking.wait(_PATIENCE_SECONDS)
        return self._answer

    def _ask_now(self, asked: threading.Event) -> None:
        try:
            remembered = self._look()
        except NoInstanceError as absent:
            self._answer = None, self._describe("absent", str(absent))
        except TriageError as error:
            self._answer = None, self._describe("unreachable", str(error))
        except ImportError as error:
            self._answer = None, self._describe("absent", f"Dagster is not installed here: no module {error.name}.")
        except Exception:  # whatever a damaged storage ends in: Dagster passes its drivers' errors on
            logger.exception("Dagster's instance cannot be read")
            self._answer = None, self._describe("unreachable", _UNREADABLE)
        else:
            self._answer = remembered, self._describe("reachable", None, remembered)
        finally:
            asked.set()

    def _describe(self, state: str, note: str | None, remembered: Remembered | None = None) -> DagsterRead:
        return DagsterRead.model_validate(
            {
                "state": state,
                "note": note,
                "url": self._url,
                "is_usual_url": self._url == DAGSTER_URL,
                "daemon_seen_at": remembered and remembered.daemon_seen_at,
                "active_runs": remembered.active_runs if remembered else [],
                "active_runs_total": remembered and remembered.n_active_runs,
                "last_failed_run": remembered and remembered.last_failed_run,
                "asked_at": None if state == "asking" else datetime.now(UTC),
            }
        )
