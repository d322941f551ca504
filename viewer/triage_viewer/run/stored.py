"""Each asset as the store has it, from the files' own metadata and counts.

What lives here: one look at the store, and remembering what was counted until a file is another one. What does not: the
counting (`counted`), and what Dagster remembers (`instance`).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import numpy as np

from triage_assets.errors import NoWorklists, ShardError, StoreError, TriageError
from triage_assets.shards.catalog import catalog_path, load_catalog, tar_path
from triage_assets.store import Store, StoredObject
from triage_viewer.backlog.answers import Counts
from triage_viewer.backlog.counts import BucketCounts
from triage_viewer.backlog.live import LiveBacklog, LoadedBacklog
from triage_viewer.backlog.load import RECORD
from triage_viewer.backlog.review_news import ReviewNews
from triage_viewer.backlog.table import BUCKETS
from triage_viewer.problems import describe_trouble
from triage_viewer.run.answers import (
    GroupsStored,
    PredictionsStored,
    SequencesStored,
    ShardsRead,
    ShardsStored,
    WorklistsStored,
)
from triage_viewer.run.counted import Behind, Counted, Files, count_all
from triage_viewer.run.stage import Stage, describe_damage

_FOLDERS = ("sequences", "shards", "predictions", "groups", "worklists")
_SHARDS = "shards/organization="
_REST = 10
"""A run that is under way changes files all the time: counting takes one tenth of it at most."""


@dataclass(frozen=True, slots=True)
class StoredStages:
    """All assets."""

    sequences: Stage[SequencesStored] = field(default_factory=Stage)
    shards: Stage[ShardsStored] = field(default_factory=Stage)
    predictions: Stage[PredictionsStored] = field(default_factory=Stage)
    groups: Stage[GroupsStored] = field(default_factory=Stage)
    worklists: Stage[WorklistsStored] = field(default_factory=Stage)


class StoreReader:
    """Looks at the store; for one thread at a time. Nothing is read before the first look."""

    def __init__(
        self, store: Store, backlog: LiveBacklog, news: ReviewNews, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._backlog = backlog
        self._news = news
        self._clock = clock
        self._counted: tuple[object, Counted] | None = None
        self._count_again_at = float("-inf")
        self._shards: tuple[object, Stage[ShardsStored]] | None = None

    def look(self) -> StoredStages:
        """Every asset now. What cannot be read is said in its place."""
        try:
            files = {found.path: found for folder in _FOLDERS for found in self._store.list(folder)}
        except StoreError as error:
            lost: Stage[object] = Stage(trouble=describe_trouble(error))
            return StoredStages(*[lost] * 5)  # type: ignore[arg-type]
        loaded, trouble = self._load()
        counted = self._count(files, loaded)
        return StoredStages(
            sequences=counted.sequences,
            shards=self._look_at_shards(files),
            predictions=counted.predictions,
            groups=counted.groups,
            worklists=Stage(None if loaded is None else self._describe(loaded, files, counted.behind), trouble),
        )

    def _load(self) -> tuple[LoadedBacklog | None, str | None]:
        try:
            return self._backlog.current(), self._backlog.trouble
        except NoWorklists:
            return None, None
        except TriageError as error:
            return None, describe_trouble(error)

    def _count(self, files: Files, loaded: LoadedBacklog | None) -> Counted:
        folders = ("sequences/", "predictions/", "groups/")
        # What could not be read may be a minute later, though no file has changed. To count anew is seconds of work.
        minute = None if self._counted is None or self._counted[1].is_whole else self._minute()
        state = (minute, _of(files, folders), None if loaded is None else loaded.stored.version)
        started = self._clock()
        if self._counted is None or (self._counted[0] != state and started >= self._count_again_at):
            self._counted = state, count_all(self._store, files, None if loaded is None else loaded.stored)
            self._count_again_at = started + _REST * (self._clock() - started)
        return self._counted[1]

    def _look_at_shards(self, files: Files) -> Stage[ShardsStored]:
        state = (self._minute(), _of(files, (_SHARDS,)))
        if self._shards is None or self._shards[0] != state:
            keys = sorted({path.removeprefix(_SHARDS).partition("/")[0] for path in files if path.startswith(_SHARDS)})
            self._shards = state, Stage(_add_up([self._read_catalog(files, key) for key in keys]) if keys else None)
        return self._shards[1]

    def _minute(self) -> int:
        return int(self._clock() // 60)

    def _read_catalog(self, files: Files, key: str) -> ShardsRead:
        written = files.get(catalog_path(key))
        read = ShardsRead(
            key=key,
            shards=None,
            bytes=None,
            sequences=None,
            frames=None,
            frames_unusable=None,
            changed_at=None if written is None else written.changed_at,
            trouble=None,
        )
        try:
            catalog = load_catalog(self._store, key)
        except (ShardError, StoreError) as error:
            return read.model_copy(update={"trouble": describe_damage(f"The catalog of {key}", error)})
        shards = catalog.shards if catalog else ()
        gone = [shard.name for shard in shards if tar_path(key, shard.name) not in files]
        troubles = []
        if catalog and catalog.dropped:
            troubles.append("Damaged shards were left out: run `triage pull`.")
        if gone:
            named = f"{', '.join(gone[:3])}{f' and {len(gone) - 3:,} more' if len(gone) > 3 else ''}"
            troubles.append(f"Shards that are gone: {named}. Bring them back from a copy.")
        return read.model_copy(
            update={
                "shards": len(shards),
                "bytes": sum(shard.tar_bytes for shard in shards),
                "sequences": sum(shard.n_sequences for shard in shards),
                "frames": sum(shard.n_frames for shard in shards),
                "frames_unusable": sum(shard.n_unusable for shard in shards),
                "trouble": " ".join(troubles) or None,
            }
        )

    def _describe(self, loaded: LoadedBacklog, files: Files, behind: Behind) -> WorklistsStored:
        stored, facets = loaded.stored, loaded.facets
        counts = np.bincount(stored.table.buckets(stored.record.threshold), minlength=len(BUCKETS)).tolist()
        written = files.get(RECORD)
        return WorklistsStored(
            version=stored.version,
            threshold=stored.record.threshold,
            counts=Counts.of(BucketCounts(*counts)),
            models=facets.models,
            caution=facets.caution,
            split_without=facets.split_without,
            dropped_reasons=facets.dropped_reasons,
            **asdict(behind),
            **asdict(self._news.since(stored)),
            changed_at=None if written is None else written.changed_at,
        )


def _of(files: Files, folders: tuple[str, ...]) -> tuple[StoredObject, ...]:
    return tuple(found for path, found in files.items() if path.startswith(folders))


def _add_up(organizations: list[ShardsRead]) -> ShardsStored:
    return ShardsStored(
        shards=_sum(each.shards for each in organizations),
        bytes=_sum(each.bytes for each in organizations),
        frames=_sum(each.frames for each in organizations),
        frames_unusable=_sum(each.frames_unusable for each in organizations),
        organizations=organizations,
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
