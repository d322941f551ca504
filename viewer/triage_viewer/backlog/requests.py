"""What the triage routes accept: filters, a threshold, an order, a page.

What lives here: shapes, ranges and closed sets of words. What does not: whether the backlog has what is named
(`selection`).
"""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from triage_viewer.backlog.selection import UNGROUPED, Filter, Sort, Wanted
from triage_viewer.backlog.table import DROPPED
from triage_viewer.requests import Strictly

_Name = Annotated[str, Field(max_length=500)]
_Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Bucket = Literal["review", "unlabeled", "labeled", "dropped"]
_GroupState = Literal["labeled", "unsure", "unlabeled", "none"]
_MOST = 1000


class RowsWanted(Strictly):
    """Which rows; a parameter that is not given wants all. Lists are given by repeating the parameter."""

    threshold: _Threshold | None = Field(None, description="Where it is not given: the one that the worklists have.")
    organization: list[_Name] = Field([], max_length=_MOST, description="By key.")
    camera: list[_Name] = Field([], max_length=_MOST, description="By name, of whichever organization is wanted.")
    bucket: list[_Bucket] = Field([], max_length=4, description=f"At the threshold; {DROPPED}: no model has a score.")
    model: _Name | None = Field(None, description="Only what this model alone would send To Review.")
    disagreements: bool = Field(False, description="Only what is To Review although a model says otherwise.")
    group_state: list[_GroupState] = Field([], max_length=4, description=f"{UNGROUPED}: in no group.")
    is_validated: bool | None = Field(None, description="Whether the group is; a sequence in none is not.")
    started_from: date | None = Field(None, description="First day, UTC.")
    started_to: date | None = Field(None, description="Last day, UTC, included.")
    text: Annotated[str, Field(max_length=200)] = Field(
        "", description="Every word is in the camera's or organization's name, or begins the sequence id."
    )
    version: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Of the data; another than the present one is answered with 409."
    )

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.started_from and self.started_to and self.started_from > self.started_to:
            raise ValueError(f"started_from {self.started_from} is after started_to {self.started_to}")
        return self

    def as_filter(self) -> Filter:
        """The record that it is."""
        return Filter(
            organizations=frozenset(self.organization),
            cameras=frozenset(self.camera),
            buckets=frozenset(self.bucket),
            model=self.model,
            disagreements=self.disagreements,
            group_states=frozenset(self.group_state),
            is_validated=self.is_validated,
            first_day=self.started_from,
            last_day=self.started_to,
            text=" ".join(self.text.split()),
        )

    def described(self) -> dict[str, object]:
        """What was given beyond threshold, bucket and version, as JSON has it."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        return {name: given[name] for name in RowsWanted.model_fields if name in given and name not in _NOT_OF_THE_PART}


_NOT_OF_THE_PART = frozenset({"threshold", "bucket", "version"})


class OrderedRowsWanted(RowsWanted):
    """Which rows, in which order. Ties are by sequence id, what is not known comes last."""

    sort: Sort = Field(
        "priority", description="priority: where models disagree To Review first, then the highest score."
    )
    direction: Literal["asc", "desc"] = "desc"
    sort_model: _Name | None = Field(None, description="Whose score, for sort=model_score.")

    @model_validator(mode="after")
    def _check_sort(self) -> Self:
        if (self.sort == "model_score") != (self.sort_model is not None):
            raise ValueError("sort=model_score and sort_model belong together")
        return self

    def at(self, threshold: float) -> Wanted:
        """The record that it is, at the threshold that is asked for or this one."""
        chosen = threshold if self.threshold is None else self.threshold
        return Wanted(self.as_filter(), chosen, self.sort, self.direction == "desc", self.sort_model)


class PageOfRowsWanted(OrderedRowsWanted):
    """One page of rows."""

    offset: Annotated[int, Field(ge=0, le=2**31)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    locate: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = Field(
        None, description="A sequence id: `located_at` says where in the selection it is."
    )


class DownloadWanted(OrderedRowsWanted):
    """The selection as a file."""

    format: Literal["csv", "parquet", "worklist"]

    @model_validator(mode="after")
    def _check_bucket(self) -> Self:
        if self.format == "worklist" and self.bucket not in (["review"], ["unlabeled"]):
            raise ValueError("a worklist is of one bucket: bucket=review or bucket=unlabeled")
        return self


class ThresholdWanted(Strictly):
    """A threshold to write worklists at."""

    threshold: _Threshold


class CamerasWanted(Strictly):
    """Whose cameras."""

    organization: _Name
