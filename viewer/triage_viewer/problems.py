"""Errors as answers: which status each has, and what it says.

What lives here: the handlers of one application, all answering ``{"detail": message}``. What does not: raising.

A message never holds SQL, an address with its password, or a stack: those are in the log.
"""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from triage_assets.errors import (
    InvalidDecision,
    LabelConflict,
    NotInReview,
    NotMembers,
    ReviewBusy,
    ReviewReadOnly,
    ReviewUnavailable,
    StoreError,
    TriageError,
)

logger = logging.getLogger(__name__)

_MISTAKES: dict[type[TriageError], int] = {NotMembers: 400, NotInReview: 404, LabelConflict: 409, InvalidDecision: 422}
"""What was asked for cannot be had; the error's own message says why."""

_TROUBLES: dict[type[TriageError], str] = {
    ReviewBusy: "Another write holds the review database. Try again in a few seconds.",
    ReviewReadOnly: "The review database cannot be written to. The server's log says why.",
    ReviewUnavailable: "The review database cannot be used at the moment. The server's log says why.",
    StoreError: "The store cannot be used at the moment. The server's log says why.",
}
"""What was asked for is right and cannot be had now; the error's own message may name addresses."""

_RETRY_SECONDS = 5


def install_handlers(app: FastAPI) -> None:
    """Make an application answer every error in this project's way."""
    app.add_exception_handler(RequestValidationError, _refuse_request)
    app.add_exception_handler(TriageError, _answer_error)
    app.add_exception_handler(Exception, _answer_fault)


def problem(status: int, detail: str, **headers: str) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"detail": detail}, status, headers)


def _answer_error(request: Request, error: Exception) -> JSONResponse:
    for kind, status in _MISTAKES.items():
        if isinstance(error, kind):
            return problem(status, str(error))
    logger.error("%s %s: %s", request.method, request.url.path, error)
    for kind, message in _TROUBLES.items():
        if isinstance(error, kind):
            headers = {"Retry-After": str(_RETRY_SECONDS)} if kind is ReviewBusy else {}
            return problem(503, message, **headers)
    return _answer_fault(request, error)


def _answer_fault(_: Request, __: Exception) -> JSONResponse:
    return problem(500, "This is a fault of the server. Its log says what happened.")


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
