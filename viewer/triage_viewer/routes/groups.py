"""Groups: listing, looking at, validating, correcting, and assigning anew."""

from typing import Annotated

from fastapi import APIRouter, Query

from triage_assets.errors import NotInReview
from triage_assets.grouping import regroup
from triage_assets.review.listing import count_groups, list_decisions, list_groups, list_members, load_group
from triage_assets.review.records import GroupFilter
from triage_viewer.answers import (
    AssignmentRead,
    DecisionRead,
    GroupListItemRead,
    GroupRead,
    GroupReadWithMembers,
    GroupStatsRead,
    MemberRead,
    Page,
)
from triage_viewer.context import Context, Working
from triage_viewer.organizations import find_organization
from triage_viewer.requests import (
    NO_PARAMETERS,
    GroupListWanted,
    GroupsWanted,
    GroupUpdate,
    Identifier,
    MembersWanted,
    PageWanted,
)

router = APIRouter(prefix="/api/v1/sequence_groups", tags=["groups"])


@router.get("/")
def get_groups(context: Working, wanted: Annotated[GroupListWanted, Query()]) -> Page[GroupListItemRead]:
    """Groups of at least `min_members`: a thing that was seen once has nothing to repeat."""
    with context.review.read() as connection:
        found = list_groups(
            connection,
            _filter_of(context, wanted),
            order_by=wanted.order_by,
            descending=wanted.order_direction == "desc",
            page=wanted.page,
            size=wanted.size,
        )
    items = [GroupListItemRead.of_item(item) for item in found.items]
    return Page.of(items, total=found.total, page=wanted.page, size=wanted.size)


@router.get("/stats")
def get_stats(context: Working, wanted: Annotated[GroupsWanted, Query()]) -> GroupStatsRead:
    """How many groups there are under the same filter; by label state and validation, whatever it says of these."""
    with context.review.read() as connection:
        return GroupStatsRead.model_validate(count_groups(connection, _filter_of(context, wanted)))


@router.post("/assign", dependencies=NO_PARAMETERS)
def assign(context: Working) -> AssignmentRead:
    """Find a group for every sequence that has none."""
    return AssignmentRead.of(regroup(context.store, context.review, context.joining))


@router.get("/{group_id}")
def get_group(
    context: Working, group_id: Identifier, wanted: Annotated[MembersWanted, Query()]
) -> GroupReadWithMembers:
    """One group with its members."""
    with context.review.read() as connection:
        group = load_group(connection, group_id)
        if group is None:
            raise NotInReview(f"There is no group {group_id}")
        found = list_members(connection, group_id, page=wanted.members_page, size=wanted.members_size)
    members = [MemberRead.of(member) for member in found.items]
    return GroupReadWithMembers.of(group, members=members, members_total=found.total, **wanted.model_dump())


@router.patch("/{group_id}", dependencies=NO_PARAMETERS)
def update_group(context: Working, group_id: Identifier, update: GroupUpdate) -> GroupRead:
    """Validate a group, or take that back."""
    group = context.decisions.set_validated(group_id, update.is_validated, by=context.actor)
    return GroupRead.of(group)


@router.delete("/{group_id}/members/{sequence_id}", status_code=204, dependencies=NO_PARAMETERS)
def remove_member(context: Working, group_id: Identifier, sequence_id: Identifier) -> None:
    """Take a sequence out of its group until somebody re-includes it."""
    context.decisions.remove_member(group_id, sequence_id, by=context.actor)


@router.post("/members/{sequence_id}/re-include", status_code=204, dependencies=NO_PARAMETERS)
def re_include(context: Working, sequence_id: Identifier) -> None:
    """Undo the removal of a sequence."""
    context.decisions.re_include(sequence_id, by=context.actor)


@router.get("/{group_id}/decisions")
def get_decisions(context: Working, group_id: Identifier, wanted: Annotated[PageWanted, Query()]) -> Page[DecisionRead]:
    """Who did what to a group and when, the latest first."""
    with context.review.read() as connection:
        if load_group(connection, group_id) is None:
            raise NotInReview(f"There is no group {group_id}")
        found = list_decisions(connection, group_id, page=wanted.page, size=wanted.size)
    items = [DecisionRead.of(decision) for decision in found.items]
    return Page.of(items, total=found.total, page=wanted.page, size=wanted.size)


def _filter_of(context: Context, wanted: GroupsWanted) -> GroupFilter:
    return GroupFilter(
        min_members=wanted.min_members,
        label_state=None if wanted.label_state == "all" else wanted.label_state,
        is_validated=wanted.is_validated,
        camera_id=wanted.camera_id,
        azimuth=wanted.azimuth,
        organization_key=None if wanted.organization is None else find_organization(context.store, wanted.organization),
    )
