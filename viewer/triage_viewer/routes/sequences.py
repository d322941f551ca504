"""Sequences: where one stands, and what was decided about it."""

from typing import Annotated

from fastapi import APIRouter, Query

from triage_assets.groups.requirements import require_sequence
from triage_assets.review.audit import list_sequence_decisions
from triage_assets.review.decisions import DecisionReader
from triage_assets.review.standing import load_standing
from triage_viewer.answers.decisions import DecisionRead
from triage_viewer.answers.pages import Page
from triage_viewer.answers.sequences import StandingRead
from triage_viewer.context import Working
from triage_viewer.problems import ANYWHERE, problems
from triage_viewer.requests import NO_PARAMETERS, Identifier, PageWanted

router = APIRouter(prefix="/api/v1/sequences", tags=["sequences"], responses=ANYWHERE)


@router.get("/{sequence_id}/standing", dependencies=NO_PARAMETERS, responses=problems(404))
def get_standing(context: Working, sequence_id: Identifier) -> StandingRead:
    """The group that a sequence is in or why it is in none, its annotation, and its score."""
    with context.review.read() as connection:
        require_sequence(DecisionReader(connection), sequence_id)
        return StandingRead.of(load_standing(connection, sequence_id))


@router.get("/{sequence_id}/decisions", responses=problems(404))
def get_decisions(
    context: Working, sequence_id: Identifier, wanted: Annotated[PageWanted, Query()]
) -> Page[DecisionRead]:
    """Who did what to a sequence and when, the latest first; labels that came with many others are in their group's."""
    with context.review.read() as connection:
        require_sequence(DecisionReader(connection), sequence_id)
        found = list_sequence_decisions(connection, sequence_id, page=wanted.page, size=wanted.size)
    items = [DecisionRead.of(decision) for decision in found.items]
    return Page.of(items, total=found.total, page=wanted.page, size=wanted.size)
