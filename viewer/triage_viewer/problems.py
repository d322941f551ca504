"""Errors as answers: which status each has, and what it says.

What lives here: the handlers of one application, all answering a `Problem`, and how routes declare them. What does not:
raising.

A message never holds SQL, an address with its password, or a stack: those are in the log.
"""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from triage_assets.errors import (
    ChangedMeanwhile,
    ImageError,
    InvalidDecision,
    LabelConflict,
    NewerFormat,
    NotInBacklog,
    NotInReview,
    NotMembers,
    NotStored,
    NoWorklists,
    ReviewBusy,
    ReviewMismatch,
    ReviewReadOnly,
    ReviewUnavailable,
    ShardError,
    ShardGone,
    StoreError,
    TriageError,
    WorklistsChanged,
    WorklistsUnusable,
)

logger = logging.getLogger(__name__)

_MISTAKES: dict[type[TriageError], int] = {
    NotMembers: 400,
    NotInReview: 404,
    NoWorklists: 404,
    NotStored: 404,
    LabelConflict: 409,
    WorklistsChanged: 409,
    ShardGone: 410,
    ChangedMeanwhile: 412,
    ImageError: 422,
    InvalidDecision: 422,
    NotInBacklog: 422,
    WorklistsUnusable: 503,
}
"""What was asked for cannot be had; the error's own message says why."""

_TROUBLES: dict[type[TriageError], str] = {
    ReviewBusy: "Another write holds the review database. Try again in a few seconds.",
    ReviewReadOnly: "The review database cannot be written to. The server's log says why.",
    ReviewUnavailable: "The review database cannot be used at the moment. The server's log says why.",
    NewerFormat: "The store was written by a newer version of this project. Update triage-assets.",
    ShardError: "Stored frames cannot be read. Run `triage shards verify`; the server's log says why.",
    ReviewMismatch: "The review database is not that of this store. The server's log says why.",
    StoreError: "The store cannot be used at the moment. The server's log says why.",
}
"""What was asked for is right and cannot be had now; the error's own message may name addresses."""

_RETRY_SECONDS = 5
_FAULT = "This is a fault of the server. Its log says what happened."


class Problem(BaseModel):
    """What is wrong, in a sentence or a few."""

    detail: str


_MEANINGS = {
    400: "The body is no JSON, or sequences are not members of the group",
    401: "Nobody is logged in, or the name or password is wrong",
    403: "The request was sent under another name, or by another site's page",
    404: "There is none of that id",
    409: "It is not what was asked about: another label, or newer worklists",
    410: "The file that held it is gone",
    411: "The request does not say how long it is",
    412: "It was changed since it was read",
    413: "The request is too long",
    422: "A parameter or the body cannot be used",
    429: "Too many tries",
    500: "A fault of the server, whose log says more",
    503: "The review database or the store cannot be used at the moment",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides what it is for, as its ``responses``."""
    declared: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _MEANINGS[status]} for status in statuses
    }
    if 503 in declared:
        seconds = {"description": "Seconds to wait where another write was in the way", "schema": {"type": "integer"}}
        declared[503]["headers"] = {"Retry-After": seconds}
    return declared


ANYWHERE = problems(401, 403, 422, 500, 503)
"""What every route may answer: for its router."""

IN_DECISIONS = (411, 413)
"""What every route that changes something may answer as well."""

IN_BODIES = (400, *IN_DECISIONS)
"""What every route that takes a body may answer as well."""


def install_handlers(app: FastAPI) -> None:
    """Make an application answer every error in this project's way."""
    app.add_exception_handler(RequestValidationError, _refuse_request)
    app.add_exception_handler(TriageError, answer_error)
    app.add_exception_handler(Exception, _answer_fault)


def problem(status: int, detail: str, **headers: str) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"detail": detail}, status, headers)


def answer_error(request: Request, error: Exception) -> JSONResponse:
    """What an error of this project is answered with, and into the log where it is not the sender's."""
    for kind, status in _MISTAKES.items():
        if isinstance(error, kind):
            return problem(status, str(error))
    logger.error("%s %s: %s", request.method, request.url.path, error)
    for kind, message in _TROUBLES.items():
        if isinstance(error, kind):
            headers = {"Retry-After": str(_RETRY_SECONDS)} if kind is ReviewBusy else {}
            return problem(503, message, **headers)
    return _answer_fault(request, error)


def describe_trouble(error: TriageError) -> str:
    """The same in a sentence, for an answer that goes on without what could not be had."""
    if isinstance(error, tuple(_MISTAKES)):
        return str(error)
    logger.warning("%s", error)
    return next((message for kind, message in _TROUBLES.items() if isinstance(error, kind)), _FAULT)


def _answer_fault(_: Request, __: Exception) -> JSONResponse:
    return problem(500, _FAULT)


def _refuse_request(_: Request, error: Exception) -> JSONResponse:
    """Name each field that cannot be used. What was sent is not sent back: it may be large, or no JSON at all."""
    assert isinstance(error, RequestValidationError)
    faults = [_describe_fault(fault["loc"], fault["msg"]) for fault in error.errors()]
    more = f" And {len(faults) - _NAMED:,} more." if len(faults) > _NAMED else ""
    return problem(422, " ".join(faults[:_NAMED]) + more)


_NAMED = 5


def _describe_fault(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    where = ".".join(map(str, place[1:])) or place[0]
    return f"{where}: {message[:1].lower()}{message[1:]}."
