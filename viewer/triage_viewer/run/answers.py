"""What the run page answers: each asset as the store has it and as Dagster remembers it.

What lives here: the form. What does not: where it comes from (`stored`, `instance`).

Of each asset, ``stored`` is null where nothing was made yet, or where it cannot be read: then ``trouble`` says why.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from triage_viewer.backlog.answers import Counts, ModelFacet

Asset = Literal["raw_sequences", "frame_shards", "predictions", "sequence_groups", "worklists"]
RunState = Literal[
    "queued", "not_started", "managed", "starting", "started", "success", "failure", "canceling", "canceled"
]


class SnapshotRead(BaseModel):
    """One organization's backlog as it was pulled: ``changed_at`` is when it was last another one than before."""

    key: str
    name: str | None
    stage: str | None
    sequences: int | None
    detections: int | None
    changed_at: datetime | None
    trouble: str | None


class SequencesStored(BaseModel):
    """The backlog. A sequence that is listed under two organizations counts once; null where not all can be read."""

    sequences: int | None
    organizations: list[SnapshotRead]


class ShardsRead(BaseModel):
    """One organization's live shards. A sequence that grew is in several, and counts in each."""

    key: str
    shards: int | None
    bytes: int | None
    sequences: int | None
    frames: int | None
    frames_unusable: int | None
    changed_at: datetime | None
    trouble: str | None


class ShardsStored(BaseModel):
    """The frames of all organizations; sums are null where not all can be read."""

    shards: int | None
    bytes: int | None
    frames: int | None
    frames_unusable: int | None
    organizations: list[ShardsRead]


class CoverageRead(BaseModel):
    """Sequences of the backlog by what a model made of them: ``waiting`` are yet to be scored, or have grown since."""

    backlog: int
    scored: int
    dropped: int
    waiting: int


class OrganizationCoverage(CoverageRead):
    """One organization's part."""

    key: str


class PredictionsRead(BaseModel):
    """One model's predictions, in the folder ``name``; ``coverage`` is of the backlog as it is now.

    ``is_listed`` is whether the worklists are split by it. ``dropped_reasons`` counts sequences by why they cannot be
    scored. ``coverage`` is null where it cannot be told; ``trouble`` says why, and what is missing from it otherwise.
    """

    name: str
    version: str | None
    detector: str | None
    precision: str | None
    is_listed: bool
    parts: int
    bytes: int
    coverage: CoverageRead | None
    organizations: list[OrganizationCoverage]
    dropped_reasons: dict[str, int]
    changed_at: datetime | None
    trouble: str | None


class PredictionsStored(BaseModel):
    """The predictions of every model that has any."""

    models: list[PredictionsRead]


class GroupsStored(BaseModel):
    """The snapshot of groups and decisions, as of a ``revision`` of the review database.

    ``recurring`` groups have two members or more. ``skipped`` counts sequences by why they cannot be grouped.
    ``waiting`` are sequences of the backlog that nobody has tried to group yet; null where not all of it can be read.
    """

    revision: int
    groups: int
    recurring: int
    labeled: int
    unsure: int
    unlabeled: int
    validated: int
    clicks_saved: int
    members: int
    excluded: int
    skipped: dict[str, int]
    waiting: int | None
    changed_at: datetime | None


class WorklistsStored(BaseModel):
    """The split, at the ``threshold`` that it was made with.

    ``missing`` sequences of the backlog are not in it yet, ``gone`` ones have left the backlog since, ``scored_since``
    have a score now and had none: null where not all of the backlog can be read. ``decided_since`` and
    ``groups_changed_since`` are as in the facets of the triage page.
    """

    version: str
    threshold: float
    counts: Counts
    models: list[ModelFacet]
    caution: str | None
    split_without: list[str]
    dropped_reasons: dict[str, int]
    missing: int | None
    gone: int | None
    scored_since: int | None
    decided_since: int | None
    groups_changed_since: int | None
    review_trouble: str | None
    changed_at: datetime | None


class MaterializationRead(BaseModel):
    """A materialization that Dagster remembers: ``run_state`` is null where it has forgotten the run, or had none.

    ``data_version`` is a digest of what was made, ``code_version`` of what made it, where the asset says so.
    """

    at: datetime
    run_id: str | None
    run_state: RunState | None
    data_version: str | None
    code_version: str | None


class OrganizationMaterialization(MaterializationRead):
    """The last one of an organization."""

    key: str


class CheckRead(BaseModel):
    """A check's last result, of an organization where the asset has them.

    All but the names are null where it was never evaluated. A check of severity ``warn`` may fail without making the
    asset wrong.
    """

    name: str
    key: str | None
    is_passed: bool | None
    severity: Literal["warn", "error"] | None
    description: str | None
    at: datetime | None
    run_id: str | None


class EventsRead(BaseModel):
    """What Dagster remembers of one asset; ``last`` is null where it remembers no materialization.

    ``behind`` names the assets upstream that were materialized after it began; null where it keeps no count of that.
    """

    last: MaterializationRead | None
    organizations: list[OrganizationMaterialization]
    checks: list[CheckRead]
    behind: list[Asset] | None


class ActiveRun(BaseModel):
    """A run that is not over. ``key`` is the organization that it is of, ``assets`` are what it was asked for."""

    run_id: str
    state: RunState
    created_at: datetime
    started_at: datetime | None
    assets: list[str]
    key: str | None


class FailedRun(ActiveRun):
    """A run that failed, and the first line of what it failed with, where that is kept."""

    ended_at: datetime | None
    error: str | None


class DagsterRead(BaseModel):
    """Dagster's part. Links: ``url`` + ``/runs/`` + the id of a run, ``url`` + ``/assets/`` + the name of an asset.

    ``state`` is ``absent`` where this server finds no instance, ``asking`` while the first answer is under way, and
    ``unreachable`` where it cannot be read; ``note`` says so in a sentence. ``is_usual_url`` is whether the address is
    the one where `make dev` serves it, because none was set. ``daemon_seen_at`` is when the process that starts runs by
    itself last said that it is there; null for never. ``active_runs`` are the oldest of ``active_runs_total``, which is
    null where that is not known. ``asked_at`` is when this was read, null where it never was.
    """

    state: Literal["absent", "asking", "reachable", "unreachable"]
    note: str | None
    url: str
    is_usual_url: bool
    daemon_seen_at: datetime | None
    active_runs: list[ActiveRun]
    active_runs_total: int | None
    last_failed_run: FailedRun | None
    asked_at: datetime | None


class _StageRead(BaseModel):
    """``events`` is null where Dagster could not be asked."""

    trouble: str | None
    events: EventsRead | None


class RawSequencesRead(_StageRead):
    """The asset raw_sequences."""

    stored: SequencesStored | None


class FrameShardsRead(_StageRead):
    """The asset frame_shards."""

    stored: ShardsStored | None


class PredictionsAssetRead(_StageRead):
    """The asset predictions."""

    stored: PredictionsStored | None


class SequenceGroupsRead(_StageRead):
    """The asset sequence_groups."""

    stored: GroupsStored | None


class WorklistsRead(_StageRead):
    """The asset worklists; ``trouble`` beside ``stored`` says why that is not the latest."""

    stored: WorklistsStored | None


class RunRead(BaseModel):
    """Everything, as of ``looked_at``: a few seconds old at most, so that many may watch."""

    raw_sequences: RawSequencesRead
    frame_shards: FrameShardsRead
    predictions: PredictionsAssetRead
    sequence_groups: SequenceGroupsRead
    worklists: WorklistsRead
    dagster: DagsterRead
    looked_at: datetime
