"""Groups: listing, looking at, validating, correcting, and assigning anew."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from triage_assets.grouping import regroup
from triage_assets.groups.requirements import require_group
from triage_assets.review.audit import list_decisions
from triage_assets.review.decisions import DecisionReader
from triage_assets.review.facets import load_facets
from triage_assets.review.listing import count_groups, list_groups
from triage_assets.review.members import list_excluded, list_members
from triage_assets.review.records import GroupFilter
from triage_viewer.answers.decisions import AssignmentRead, DecisionRead
from triage_viewer.answers.groups import (
    FacetsRead,
    GroupListItemRead,
    GroupPageRead,
    GroupRead,
    GroupReadWithMembers,
    GroupStatsRead,
)
from triage_viewer.answers.members import MemberRead
from triage_viewer.answers.pages import Page
from triage_viewer.context import Context, Working
from triage_viewer.organizations import find_organization
from triage_viewer.preconditions import TAGGED, IfSeen, tag
from triage_viewer.problems import ANYWHERE, IN_BODIES, IN_DECISIONS, problems
from triage_viewer.requests import (
    NO_PARAMETERS,
    GroupListWanted,
    GroupsWanted,
    GroupUpdate,
    Identifier,
    MembersWanted,
    PageWanted,
)

router = APIRouter(prefix="/api/v1/sequence_groups", tags=["groups"], responses=ANYWHERE)


@router.get("/")
def get_groups(context: Working, wanted: Annotated[GroupListWanted, Query()]) -> GroupPageRead:
    """Groups of at least `min_members`: a thing that was seen once has nothing to repeat."""
    filtered = _filter_of(context, wanted)
    with context.review.read() as connection:
        found = list_groups(
            connection,
            filtered,
            order_by=wanted.order_by,
            descending=wanted.order_direction == "desc",
            page=wanted.page,
            size=wanted.size,
        )
    items = [GroupListItemRead.of_item(item) for item in found.items]
    stats = GroupStatsRead.of(found.stats, filtered)
    return GroupPageRead.of(items, total=found.total, page=wanted.page, size=wanted.size, stats=stats)


@router.get("/stats")
def get_stats(context: Working, wanted: Annotated[GroupsWanted, Query()]) -> GroupStatsRead:
    """How many groups a list has under the same filters, and under each other label state and validation."""
    filtered = _filter_of(context, wanted)
    with context.review.read() as connection:
        return GroupStatsRead.of(count_groups(connection, filtered), filtered)


@router.get("/facets", dependencies=NO_PARAMETERS)
def get_facets(context: Working) -> FacetsRead:
    """The organizations and cameras that have groups of two members or more, to filter lists by."""
    with context.review.read() as connection:
        return FacetsRead.of(load_facets(connection))


@router.post("/assign", dependencies=NO_PARAMETERS, responses=problems(*IN_DECISIONS))
def assign(context: Working) -> AssignmentRead:
    """Find a group for every sequence that has none."""
    report = regroup(context.store, context.review, context.joining, context.iou_threshold, by=context.actor)
    return AssignmentRead.of(report)


@router.get("/{group_id}", responses={**TAGGED, **problems(404)})
def get_group(
    context: Working, group_id: Identifier, wanted: Annotated[MembersWanted, Query()], response: Response
) -> GroupReadWithMembers:
    """One group with its members."""
    with context.review.read() as connection:
        group = require_group(DecisionReader(connection), group_id)
        found = list_members(connection, group_id, page=wanted.members_page, size=wanted.members_size)
    members = [MemberRead.of(member) for member in found.items]
    tag(response, group.revision)
    return GroupReadWithMembers.of(group, members=members, members_total=found.total, **wanted.model_dump())


@router.patch("/{group_id}", dependencies=NO_PARAMETERS, responses={**TAGGED, **problems(*IN_BODIES, 404, 412)})
def update_group(
    context: Working, group_id: Identifier, update: GroupUpdate, seen: IfSeen, response: Response
) -> GroupRead:
    """Validate a group, correct its label, say that it is unsure, or take any of that back."""
    group = context.decisions.update_group(group_id, update.as_change(), seen=seen, by=context.actor)
    tag(response, group.revision)
    return GroupRead.of(group)


@router.get("/{group_id}/excluded", responses=problems(404))
def get_excluded(context: Working, group_id: Identifier, wanted: Annotated[PageWanted, Query()]) -> Page[MemberRead]:
    """The sequences that were taken out of a group, and can be re-included."""
    with context.review.read() as connection:
        require_group(DecisionReader(connection), group_id)
        found = list_excluded(connection, group_id, page=wanted.page, size=wanted.size)
    members = [MemberRead.of(member) for member in found.items]
    return Page.of(members, total=found.total, page=wanted.page, size=wanted.size)


@router.delete(
    "/{group_id}/members/{sequence_id}",
    status_code=204,
    dependencies=NO_PARAMETERS,
    responses=problems(400, 404, *IN_DECISIONS),
)
def remove_member(context: Working, group_id: Identifier, sequence_id: Identifier) -> None:
    """Take a sequence out of its group until somebody re-includes it."""
    context.decisions.remove_member(group_id, sequence_id, by=context.actor)


@router.post(
    "/members/{sequence_id}/re-include",
    status_code=204,
    dependencies=NO_PARAMETERS,
    responses=problems(404, *IN_DECISIONS),
)
def re_include(context: Working, sequence_id: Identifier) -> None:
    """Undo the removal of a sequence."""
    context.decisions.re_include(sequence_id, by=context.actor)


@router.get("/{group_id}/decisions", responses=problems(404))
def get_decisions(context: Working, group_id: Identifier, wanted: Annotated[PageWanted, Query()]) -> Page[DecisionRead]:
    """Who did what to a group and when, the latest first."""
    with context.review.read() as connection:
        require_group(DecisionReader(connection), group_id)
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
