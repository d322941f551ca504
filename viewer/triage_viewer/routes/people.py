"""People: who decides here."""

from fastapi import APIRouter

from triage_viewer.answers.annotations import ContributorRead
from triage_viewer.context import Working
from triage_viewer.problems import ANYWHERE
from triage_viewer.requests import NO_PARAMETERS

router = APIRouter(prefix="/api/v1", tags=["people"], dependencies=NO_PARAMETERS, responses=ANYWHERE)


@router.get("/me")
def get_me(context: Working) -> ContributorRead:
    """The name that decisions are recorded under."""
    return ContributorRead(username=context.actor)
