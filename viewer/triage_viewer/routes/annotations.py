"""Annotations of sequences: looking at one, saving one, and one label for many."""

from fastapi import APIRouter, Response

from triage_assets.errors import NotInReview
from triage_assets.review.decisions import DecisionReader
from triage_viewer.answers.annotations import BulkRead, SequenceAnnotationRead
from triage_viewer.context import Working
from triage_viewer.preconditions import TAGGED, IfSeenOrNothing, tag
from triage_viewer.problems import ANYWHERE, IN_BODIES, problems
from triage_viewer.requests import NO_PARAMETERS, Identifier, SequenceAnnotationBulkRequest, SequenceAnnotationPut

router = APIRouter(
    prefix="/api/v1/annotations/sequences", tags=["annotations"], dependencies=NO_PARAMETERS, responses=ANYWHERE
)


@router.get("/{sequence_id}", responses={**TAGGED, **problems(404)})
def get_annotation(context: Working, sequence_id: Identifier, response: Response) -> SequenceAnnotationRead:
    """A sequence's annotation, whoever or whatever wrote it."""
    with context.review.read() as connection:
        read = DecisionReader(connection)
        stored = read.annotation(sequence_id)
        if stored is None:
            raise NotInReview(f"Sequence {sequence_id} has no annotation")
        tag(response, stored.revision)
        group_id = read.sequences([sequence_id])[sequence_id].group_id
        return SequenceAnnotationRead.of(stored, None if group_id is None else read.group(group_id))


@router.put("/{sequence_id}", responses={**TAGGED, **problems(*IN_BODIES, 404, 412)})
def put_annotation(
    context: Working, sequence_id: Identifier, put: SequenceAnnotationPut, seen: IfSeenOrNothing, response: Response
) -> SequenceAnnotationRead:
    """Save a person's annotation, and spread its label where the sequence's group is validated."""
    saved = context.decisions.annotate(
        sequence_id, put.given(), is_unsure=put.is_unsure, stage=put.processing_stage, seen=seen, by=context.actor
    )
    tag(response, saved.stored.revision)
    return SequenceAnnotationRead.of(saved.stored, saved.group, saved.warning)


@router.post("/bulk", responses=problems(*IN_BODIES, 404, 409))
def annotate_many(context: Working, request: SequenceAnnotationBulkRequest) -> BulkRead:
    """One label for many sequences, and for the group that they are in where one is named."""
    return BulkRead.of(context.decisions.annotate_many(request.as_request(), by=context.actor))
