"""What the API accepts: query parameters and bodies, under the annotator's own names where it has them.

What lives here: shapes, ranges and closed sets of words; whatever is not known is refused, so that a misspelt filter
never filters nothing. What does not: rules that need more than the request itself (`triage_assets.groups`).
"""

from typing import Annotated, Literal, Self

from fastapi import Depends, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

from triage_assets.groups.bulk import BulkRequest
from triage_assets.groups.requirements import make_label
from triage_assets.review.records import (
    BoxOnFrame,
    Cluster,
    FalsePositiveType,
    GroupOrder,
    Label,
    LabelState,
    SmokeType,
    Stage,
)

_HIGHEST = 2**63 - 1  # what either database keeps

AnyInteger = Annotated[int, Field(ge=-_HIGHEST - 1, le=_HIGHEST)]
Identifier = Annotated[int, Path(ge=1, le=_HIGHEST)]
_Id = Annotated[int, Strict(), Field(ge=1, le=_HIGHEST)]
_Page = Annotated[int, Field(ge=1, le=2**31)]
_Size = Annotated[int, Field(ge=1, le=100)]
_Flag = Annotated[bool, Strict()]
_Share = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False)]


def _refuse_parameters(request: Request) -> None:
    if request.query_params:
        raise HTTPException(422, f"Unknown query parameters: {', '.join(sorted(set(request.query_params)))}.")


NO_PARAMETERS = [Depends(_refuse_parameters)]


class _Strictly(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GroupsWanted(_Strictly):
    """Which groups a list or its counts are about."""

    label_state: LabelState | Literal["all"] = LabelState.UNLABELED
    is_validated: bool | None = None
    camera_id: AnyInteger | None = None
    azimuth: AnyInteger | None = None
    organization: str | None = Field(None, description="Its key, or its name.")
    min_members: Annotated[int, Field(ge=1, le=2**31 - 1)] = 2


class GroupListWanted(GroupsWanted):
    """One page of a list of groups."""

    order_by: GroupOrder = "member_count"
    order_direction: Literal["asc", "desc"] = "desc"
    page: _Page = 1
    size: _Size = 50


class PageWanted(_Strictly):
    """One page of anything else."""

    page: _Page = 1
    size: _Size = 50


class MembersWanted(_Strictly):
    """One page of a group's members."""

    members_page: _Page = 1
    members_size: _Size = 50


class GroupUpdate(_Strictly):
    """What a person may set on a group directly; labels come from annotating its members."""

    is_validated: _Flag


class BoundingBox(_Strictly):
    """One box on one frame."""

    detection_id: _Id
    xyxyn: tuple[_Share, _Share, _Share, _Share]

    @model_validator(mode="after")
    def _check_corners(self) -> Self:
        x1, y1, x2, y2 = self.xyxyn
        if x1 > x2 or y1 > y2:
            raise ValueError(f"a reversed box: expected x1 <= x2 and y1 <= y2, found {list(self.xyxyn)}")
        if not any(self.xyxyn):
            raise ValueError("a box of zeros is none")
        return self


class SequenceBBox(_Strictly):
    """One thing in a sequence."""

    is_smoke: _Flag
    smoke_type: SmokeType | None = None
    false_positive_types: list[FalsePositiveType] = Field(default=[], max_length=len(FalsePositiveType))
    bboxes: list[BoundingBox]

    def as_cluster(self) -> Cluster:
        """The record that it is."""
        boxes = tuple(BoxOnFrame(box.detection_id, box.xyxyn) for box in self.bboxes)
        return Cluster(self.is_smoke, self.smoke_type, tuple(dict.fromkeys(self.false_positive_types)), boxes)


class SequenceAnnotationData(_Strictly):
    """An annotation's clusters."""

    sequences_bbox: list[SequenceBBox]


class SequenceAnnotationPut(_Strictly):
    """The annotation of one sequence: a label to stamp on its own boxes, or its clusters."""

    smoke_type: SmokeType | None = None
    false_positive_type: FalsePositiveType | None = None
    annotation: SequenceAnnotationData | None = None
    is_unsure: _Flag = False
    processing_stage: Stage = Stage.SEQ_ANNOTATION_DONE

    @model_validator(mode="after")
    def _check_that_one_is_given(self) -> Self:
        given = [self.smoke_type, self.false_positive_type, self.annotation]
        if sum(each is not None for each in given) != 1:
            raise ValueError("exactly one of smoke_type, false_positive_type and annotation must be set")
        return self

    def given(self) -> Label | tuple[Cluster, ...]:
        """What is to be saved."""
        if self.annotation is None:
            return make_label(self.smoke_type, self.false_positive_type)
        return tuple(cluster.as_cluster() for cluster in self.annotation.sequences_bbox)


class SequenceAnnotationBulkRequest(_Strictly):
    """One label for many sequences, and for the group that they are in where one is named."""

    sequence_ids: list[Annotated[int, Strict(), Field(ge=-_HIGHEST - 1, le=_HIGHEST)]] = Field(min_length=1)
    group_id: _Id | None = None
    smoke_type: SmokeType | None = None
    false_positive_type: FalsePositiveType | None = None
    is_unsure: _Flag = False
    force: _Flag = False

    def as_request(self) -> BulkRequest:
        """The record that it is. Raises `InvalidDecision`."""
        label = make_label(self.smoke_type, self.false_positive_type)
        return BulkRequest(tuple(self.sequence_ids), label, self.is_unsure, self.group_id, self.force)
