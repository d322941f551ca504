"""What the API accepts: query parameters and bodies, under the annotator's own names where it has them.

What lives here: shapes, ranges and closed sets of words; whatever is not known is refused, so that a misspelt filter
never filters nothing. What does not: rules that need more than the request itself (`triage_assets.groups`).
"""

from typing import Annotated, Literal, Self

from fastapi import Depends, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, FailFast, Field, Strict, model_validator
from pydantic.json_schema import SkipJsonSchema

from triage_assets.groups.bulk import MOST_SEQUENCES, BulkRequest
from triage_assets.groups.relabelling import GroupChange
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
# A list is read until it is too long or an item of it cannot be used: a request of 8 MB that names every item's fault
# costs 30 s and 2.6 GB. What can be generated from a sequence's own boxes has room: each may be a cluster of its own.
_MOST_CLUSTERS = 10_000
_MOST_BOXES = 100_000
_MOST_FIELDS = 100
# Detected boxes reach over the border at times: only `check_clusters` knows which of them are the sequence's own.
_Corner = Annotated[float, Strict(), Field(allow_inf_nan=False)]


def _refuse_parameters(request: Request) -> None:
    if request.query_params:
        raise HTTPException(422, f"Unknown query parameters: {', '.join(sorted(set(request.query_params)))}.")


NO_PARAMETERS = [Depends(_refuse_parameters)]


class Strictly(BaseModel):
    """Whatever is not known is refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_crowd_of_fields(cls, values: object) -> object:
        # Each field that is not known is an error of its own, and a body has room for a million of them.
        if isinstance(values, dict) and len(values) > _MOST_FIELDS:
            raise ValueError(f"at most {_MOST_FIELDS} fields, found {len(values):,}")
        return values


class GroupsWanted(Strictly):
    """Which groups a list or its counts are about."""

    label_state: LabelState | Literal["all"] = LabelState.UNLABELED
    is_validated: bool | None = None
    camera_id: AnyInteger | None = None
    azimuth: AnyInteger | None = None
    organization: str | None = Field(None, description="Its key, or its name.")
    # No index has the singletons, which are no work: with 1, a page takes half a second at a million sequences.
    min_members: Annotated[int, Field(ge=1, le=2**31 - 1)] = 2


class GroupListWanted(GroupsWanted):
    """One page of a list of groups."""

    order_by: GroupOrder = "member_count"
    order_direction: Literal["asc", "desc"] = "desc"
    page: _Page = 1
    size: _Size = 50


class PageWanted(Strictly):
    """One page of anything else."""

    page: _Page = 1
    size: _Size = 50


class MembersWanted(Strictly):
    """One page of a group's members."""

    members_page: _Page = 1
    members_size: _Size = 50


_LABEL = {"smoke_type", "false_positive_type"}


class GroupUpdate(Strictly):
    """What a person sets on a group; what is left out stays as it is.

    One of ``smoke_type`` and ``false_positive_type`` gives it another label, both as null take its label away; either
    is sure unless ``is_unsure`` says otherwise. With ``relabel_copies`` the annotations follow that came through the
    group: to its label, or back to being ready to annotate. Nobody's own annotation does.
    """

    is_validated: _Flag | SkipJsonSchema[None] = None
    smoke_type: SmokeType | None = None
    false_positive_type: FalsePositiveType | None = None
    is_unsure: _Flag | SkipJsonSchema[None] = None
    relabel_copies: _Flag = False

    @model_validator(mode="after")
    def _check_what_is_given(self) -> Self:
        given = self.model_fields_set
        if nulls := sorted(name for name in given & {"is_validated", "is_unsure"} if getattr(self, name) is None):
            raise ValueError(f"{nulls[0]}: input should be a valid boolean")
        if not given - {"relabel_copies"} and not self.relabel_copies:
            raise ValueError("nothing is given to be set")
        if self.smoke_type and self.false_positive_type:
            raise ValueError("a label is one of smoke_type and false_positive_type, found both")
        if len(given & _LABEL) == 1 and not self.smoke_type and not self.false_positive_type:
            raise ValueError("a label is taken away with both smoke_type and false_positive_type as null")
        return self

    def as_change(self) -> GroupChange:
        """The record that it is."""
        label = (
            Label(self.smoke_type, self.false_positive_type) if self.smoke_type or self.false_positive_type else None
        )
        clears_label = label is None and self.model_fields_set >= _LABEL
        return GroupChange(self.is_validated, label, clears_label, self.is_unsure, self.relabel_copies)


class BoundingBox(Strictly):
    """One box on one frame."""

    detection_id: _Id
    xyxyn: tuple[_Corner, _Corner, _Corner, _Corner]

    @model_validator(mode="after")
    def _check_corners(self) -> Self:
        x1, y1, x2, y2 = self.xyxyn
        if x1 > x2 or y1 > y2:
            raise ValueError(f"a reversed box: expected x1 <= x2 and y1 <= y2, found {list(self.xyxyn)}")
        if not any(self.xyxyn):
            raise ValueError("a box of zeros is none")
        return self


class SequenceBBox(Strictly):
    """One thing in a sequence."""

    is_smoke: _Flag
    smoke_type: SmokeType | None = None
    false_positive_types: Annotated[list[FalsePositiveType], FailFast(), Field(max_length=len(FalsePositiveType))] = []
    bboxes: Annotated[list[BoundingBox], FailFast(), Field(max_length=_MOST_BOXES)]

    def as_cluster(self) -> Cluster:
        """The record that it is."""
        boxes = tuple(BoxOnFrame(box.detection_id, box.xyxyn) for box in self.bboxes)
        return Cluster(self.is_smoke, self.smoke_type, tuple(dict.fromkeys(self.false_positive_types)), boxes)


class SequenceAnnotationData(Strictly):
    """An annotation's clusters."""

    sequences_bbox: Annotated[list[SequenceBBox], FailFast(), Field(max_length=_MOST_CLUSTERS)]


class SequenceAnnotationPut(Strictly):
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


class SequenceAnnotationBulkRequest(Strictly):
    """One label for many sequences, and for the group that they are in where one is named."""

    sequence_ids: Annotated[
        list[Annotated[int, Strict(), Field(ge=-_HIGHEST - 1, le=_HIGHEST)]],
        FailFast(),
        Field(min_length=1, max_length=MOST_SEQUENCES),
    ]
    group_id: _Id | None = None
    smoke_type: SmokeType | None = None
    false_positive_type: FalsePositiveType | None = None
    is_unsure: _Flag = False
    force: _Flag = False

    def as_request(self) -> BulkRequest:
        """The record that it is. Raises `InvalidDecision`."""
        label = make_label(self.smoke_type, self.false_positive_type)
        return BulkRequest(tuple(self.sequence_ids), label, self.is_unsure, self.group_id, self.force)
