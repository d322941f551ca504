"""What the triage routes answer, under the worklists' own names.

What lives here: how rows and counts are shown. What does not: what is accepted (`requests`).
"""

from datetime import datetime
from typing import Literal, Self

import pyarrow as pa
from pydantic import BaseModel

from triage_assets.review.records import FalsePositiveType, Origin, SmokeType, Stage
from triage_viewer.backlog.counts import BucketCounts, Summary
from triage_viewer.backlog.load import ListedModel
from triage_viewer.backlog.table import Organization


class TriageRow(BaseModel):
    """One sequence. ``score`` is the logit behind ``triage_score``, which is what the threshold is held against."""

    key: str
    sequence_id: int
    triage_bucket: Literal["review", "unlabeled", "labeled", "dropped"]
    triage_score: float | None
    model_scores: dict[str, float | None]
    n_models_review: int
    models_disagree: bool
    model_version: str | None
    score: float | None
    num_tubes_kept: int | None
    trigger_frame_index: int | None
    n_frames_unusable: int | None
    organization_key: str
    organization_name: str
    camera_name: str
    azimuth: int | None
    started_at: datetime | None
    dropped_reason: str | None
    dropped_error: str | None
    group_id: int | None
    group_size: int | None
    group_label_state: Literal["labeled", "unsure", "unlabeled"] | None
    group_is_validated: bool
    annotation_stage: Stage | None
    annotation_origin: Origin | None
    smoke_types: list[SmokeType] | None
    false_positive_types: list[FalsePositiveType] | None
    is_unsure: bool | None


class RowsPage(BaseModel):
    """Some rows of a selection: ``total`` are in it, these are from ``offset`` on."""

    version: str
    threshold: float
    total: int
    offset: int
    located_at: int | None
    items: list[TriageRow]

    @classmethod
    def of(cls, rows: pa.Table, **more: object) -> Self:
        """The page with the rows as they are shown: what has no bucket is said to be dropped."""
        items = [
            {"model_scores": {}, **row, "triage_bucket": row["triage_bucket"] or "dropped"} for row in rows.to_pylist()
        ]
        return cls.model_validate({"items": items, **more})


class Counts(BaseModel):
    """How many sequences are in each bucket, and in all."""

    sequences: int
    review: int
    unlabeled: int
    labeled: int
    dropped: int

    @classmethod
    def of(cls, counts: BucketCounts) -> Self:
        """The counts with their sum."""
        return cls(
            sequences=counts.sequences,
            review=counts.review,
            unlabeled=counts.unlabeled,
            labeled=counts.labeled,
            dropped=counts.dropped,
        )


class OrganizationRow(Counts):
    """One organization's counts."""

    key: str
    name: str


class SweepRow(BaseModel):
    """What another threshold would make of the selection."""

    threshold: float
    review: int
    unlabeled: int


class TriageSummary(BaseModel):
    """What a selection comes to, whatever its filter says of buckets.

    The histogram counts what the threshold decides about, in bins of equal width from 0 to 1; 1 is in the last.
    """

    version: str
    threshold: float
    counts: Counts
    disagreements: int
    organizations: list[OrganizationRow]
    histogram: list[int]
    sweep: list[SweepRow]

    @classmethod
    def of(cls, summary: Summary, *, version: str, threshold: float) -> Self:
        """The summary as it is shown."""
        organizations = [
            OrganizationRow(
                key=each.organization.key, name=each.organization.name, **Counts.of(each.counts).model_dump()
            )
            for each in summary.organizations
        ]
        sweep = [SweepRow(threshold=s.threshold, review=s.review, unlabeled=s.unlabeled) for s in summary.sweep]
        return cls(
            version=version,
            threshold=threshold,
            counts=Counts.of(summary.counts),
            disagreements=summary.disagreements,
            organizations=organizations,
            histogram=list(summary.histogram),
            sweep=sweep,
        )


class OrganizationFacet(BaseModel):
    """An organization to choose, and how many sequences it has."""

    key: str
    name: str
    sequences: int

    @classmethod
    def of(cls, organization: Organization, sequences: int) -> Self:
        """The organization as it is shown."""
        return cls(key=organization.key, name=organization.name, sequences=sequences)


class CameraFacet(BaseModel):
    """A camera to choose, and how many sequences it has in the organization."""

    name: str
    sequences: int


class ModelFacet(BaseModel):
    """A model, under the name that its scores have here; ``predictions`` names its folder in the store."""

    name: str
    predictions: str
    version: str
    caution: str | None

    @classmethod
    def of(cls, name: str, model: ListedModel) -> Self:
        """The model as it is shown."""
        return cls(name=name, predictions=model.name, version=model.version, caution=model.caution)


class TriageFacets(BaseModel):
    """What there is to choose from, and what everybody must be told.

    ``threshold`` is the one that the stored worklists were made with; ``trouble`` says why this is not the latest
    state of the store, if so; ``has_groups`` is false until sequences were grouped.

    Labels and groups here are those of the worklists. ``decided_since`` counts the sequences whose annotation was
    written in the review database after that, ``groups_changed_since`` the groups that are new or other than here.
    Either is null where it cannot be told; ``review_trouble`` says why.
    """

    version: str
    threshold: float
    sequences: int
    organizations: list[OrganizationFacet]
    models: list[ModelFacet]
    caution: str | None
    split_without: list[str]
    dropped_reasons: dict[str, int]
    first_started_at: datetime | None
    last_started_at: datetime | None
    has_groups: bool
    trouble: str | None
    decided_since: int | None
    groups_changed_since: int | None
    review_trouble: str | None


class CommandRead(BaseModel):
    """How to write worklists at a threshold: a command, Dagster's configuration, and the setting that keeps it so.

    ``store`` is the TRIAGE_STORE that all of them are for.
    """

    threshold: float
    store: str
    command: str
    config_yaml: str
    setting: str
