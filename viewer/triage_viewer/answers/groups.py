"""Groups as they are shown.

What lives here: one group, a list of them with its counts, and what lists can be filtered by. What does not: their
members (`members`).
"""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from triage_assets.review.facets import Facets
from triage_assets.review.records import (
    FalsePositiveType,
    Group,
    GroupFilter,
    GroupListItem,
    GroupStats,
    LabelState,
    SmokeType,
    Thumbnail,
)
from triage_viewer.answers.members import MemberRead
from triage_viewer.answers.pages import Page
from triage_viewer.answers.regions import RegionRead


class ThumbnailRead(BaseModel):
    """One member's first frame, and the boxes on it."""

    sequence_id: int
    detection_id: int
    boxes: list[RegionRead]

    @classmethod
    def of(cls, thumbnail: Thumbnail) -> Self:
        """The thumbnail as it is shown."""
        boxes = [RegionRead.of(box) for box in thumbnail.boxes]
        return cls(sequence_id=thumbnail.sequence_id, detection_id=thumbnail.detection_id, boxes=boxes)


class GroupRead(BaseModel):
    """A group."""

    id: int
    camera_id: int
    camera_name: str
    azimuth: int
    organization_key: str
    organisation_name: str
    representative_bbox: RegionRead
    smoke_type: SmokeType | None
    false_positive_type: FalsePositiveType | None
    is_unsure: bool
    label_state: LabelState
    is_validated: bool
    validated_at: datetime | None
    validated_by_username: str | None
    labeled_at: datetime | None
    labeled_by_username: str | None
    created_at: datetime
    updated_at: datetime
    member_count: int
    highest_score: float | None
    lowest_score: float | None
    revision: int

    @classmethod
    def of(cls, group: Group, **more: object) -> Self:
        """The group as it is shown, with what else a larger answer shows of it."""
        values = {name: getattr(group, name) for name in cls.model_fields if hasattr(group, name)}
        return cls.model_validate(
            {
                **values,
                "organisation_name": group.organization_name,
                "representative_bbox": RegionRead.of(group.region),
                "smoke_type": group.label and group.label.smoke_type,
                "false_positive_type": group.label and group.label.false_positive_type,
                "validated_by_username": group.validated_by,
                "labeled_by_username": group.labeled_by,
                **more,
            }
        )


class GroupListItemRead(GroupRead):
    """A group in a list."""

    annotators: list[str]
    thumbnails: list[ThumbnailRead]

    @classmethod
    def of_item(cls, item: GroupListItem) -> Self:
        """The item as it is shown."""
        thumbnails = [ThumbnailRead.of(thumbnail) for thumbnail in item.thumbnails]
        return cls.of(item.group, annotators=item.annotators, thumbnails=thumbnails)


class GroupReadWithMembers(GroupRead):
    """A group and one page of its members."""

    members: list[MemberRead]
    members_total: int
    members_page: int
    members_size: int


class GroupStatsRead(BaseModel):
    """How many groups a list has, and how many it would have.

    ``total`` is what the list has under all of its filters. ``labeled``, ``unsure`` and ``unlabeled`` are what it would
    have under that label state, ``validated`` and ``unvalidated`` what it would have under that validation, its other
    filters being what they are.
    """

    total: int
    validated: int
    unvalidated: int
    labeled: int
    unsure: int
    unlabeled: int

    @classmethod
    def of(cls, stats: GroupStats, wanted: GroupFilter) -> Self:
        """The counts as they are shown beside a list under this filter."""
        state, is_validated = wanted.label_state, wanted.is_validated
        return cls(
            total=stats.count(state, is_validated),
            validated=stats.count(state, True),
            unvalidated=stats.count(state, False),
            labeled=stats.count(LabelState.LABELED, is_validated),
            unsure=stats.count(LabelState.UNSURE, is_validated),
            unlabeled=stats.count(LabelState.UNLABELED, is_validated),
        )


class GroupPageRead(Page[GroupListItemRead]):
    """One page of a list of groups, and its counts, which are of the same moment."""

    stats: GroupStatsRead


class OrganizationFacetRead(BaseModel):
    """An organization that has groups to list, and how many."""

    key: str
    name: str
    group_count: int


class CameraFacetRead(BaseModel):
    """A camera that has groups to list, how many, and the angles that they are at."""

    id: int
    name: str
    organization_key: str
    azimuths: list[int]
    group_count: int


class FacetsRead(BaseModel):
    """What lists of groups can be filtered by; singletons are not counted."""

    organizations: list[OrganizationFacetRead]
    cameras: list[CameraFacetRead]

    @classmethod
    def of(cls, facets: Facets) -> Self:
        """The facets as they are shown."""
        return cls.model_validate(facets, from_attributes=True)
