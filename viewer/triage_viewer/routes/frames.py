"""Single sequences with all that is known of them, and their frames as pictures."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from triage_viewer.frames.answers import SequenceRead
from triage_viewer.frames.requests import FrameWanted
from triage_viewer.frames.service import Frames
from triage_viewer.problems import ANYWHERE, Problem, problems
from triage_viewer.requests import NO_PARAMETERS, Identifier

router = APIRouter(prefix="/api/v1", tags=["frames"], responses=ANYWHERE)

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "description": "The picture."},
    206: {"description": "The part of it that the header Range asks for."},
    304: {"description": "The picture is the one that If-None-Match names."},
    404: {"model": Problem, "description": "There is no such frame, or it has no image: `detail` says why."},
    410: {"model": Problem, "description": "The shard that held the frame is gone."},
    416: {"description": "The picture does not have such a part."},
}


@router.get("/sequences/{sequence_id}", dependencies=NO_PARAMETERS, responses=problems(404))
def get_sequence(frames: Frames, sequence_id: Identifier) -> SequenceRead:
    """One sequence: its frames in time order, what each model found in it, and where it is in the worklists."""
    return SequenceRead.of(frames.pages.load(sequence_id))


@router.head("/frames/{detection_id}", include_in_schema=False)
@router.get("/frames/{detection_id}", response_class=Response, responses=_PICTURE)
async def get_frame(
    request: Request, frames: Frames, detection_id: Identifier, wanted: Annotated[FrameWanted, Query()]
) -> Response:
    """One frame as it is, JPEG mostly; or with `width` or `crop`, a JPEG made of it."""
    order = wanted.order()
    if order is None:
        return await run_in_threadpool(frames.reply_as_it_is, detection_id, wanted.sequence_id, request.headers)
    return await frames.reply_with_picture(detection_id, wanted.sequence_id, order, request.headers)
