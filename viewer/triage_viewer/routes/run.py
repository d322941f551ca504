"""What is materialized and how fresh: the store's word and Dagster's, side by side."""

from fastapi import APIRouter, Request

from triage_viewer.problems import ANYWHERE
from triage_viewer.requests import NO_PARAMETERS
from triage_viewer.run.answers import RunRead
from triage_viewer.run.live import LiveRun

router = APIRouter(prefix="/api/v1/run", tags=["run"], dependencies=NO_PARAMETERS, responses=ANYWHERE)


@router.get("")
def get_run(request: Request) -> RunRead:
    """Every asset as the store has it and as Dagster remembers it; what cannot be had is said in its place."""
    live: LiveRun = request.app.state.run
    return live.read()
