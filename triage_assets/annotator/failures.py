"""What an answer or a failure of the network means: ask again, give up, or gone for good.

What lives here: the kinds of bad answers, and their words, which never repeat a url, a token or a password. What does
not: asking again (`connection`).
"""

import json
import os
from datetime import UTC, datetime

import aiohttp
import httpx

from triage_assets.annotator.retries import parse_retry_after
from triage_assets.annotator.transport import Answer
from triage_assets.errors import UnexpectedAnswer


class NotFound(UnexpectedAnswer):
    """What was asked for is gone for good (404 or 410)."""


class ImageTooLarge(UnexpectedAnswer):
    """The object behind a signed url is larger than any frame."""


class TokenRefused(Exception):  # noqa: N818 - a reason to log in again
    """The annotator does not take our token (any more)."""


class InvalidQuery(UnexpectedAnswer):
    """The annotator refused a parameter (422)."""


class Passing(Exception):  # noqa: N818 - not an error that anyone sees, but a reason to ask again
    """No usable answer this time."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after


def passing_status(answer: Answer) -> Passing:
    """An answer that another attempt may better, with what its Retry-After asks for."""
    retry_after = parse_retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
    return Passing(f"status {answer.status}", retry_after)


def json_of(answer: Answer) -> object:
    """The body; bare NaN and Infinity are read as such. Raises `Passing` for what is no JSON."""
    try:
        content: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Passing(f"{len(answer.body)} bytes that are no JSON") from None
    return content


def has_detail(answer: Answer) -> bool:
    """Whether an error is in the annotator's own form, rather than in that of something between it and us."""
    try:
        content = json_of(answer)
    except Passing:
        return False
    return isinstance(content, dict) and "detail" in content


def detail_of(answer: Answer) -> str:
    """What the server says is wrong; never the input that it may repeat, which can be a password."""
    try:
        detail = json.loads(answer.body)["detail"]
        if isinstance(detail, list):
            faults = [fault for fault in detail if isinstance(fault, dict)]
            text = "; ".join(dict.fromkeys(f"{fault.get('loc')} {fault.get('msg')}" for fault in faults))
        else:
            text = str(detail)
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{len(answer.body)} bytes without a detail"
    # Half a surrogate pair, which JSON can smuggle in, would fail wherever the message is written down.
    return text[:300].encode(errors="backslashreplace").decode()


def without_query(location: str) -> str:
    """A url that can be shown: what may be secret in it is cut off."""
    return location.partition("?")[0][:200]


def describe_failure(error: Exception) -> str:
    """A network failure in words. The libraries' own texts can hold the url, and with it a signature."""
    cause = error if isinstance(error, httpx.DecodingError) else error.__cause__ or error
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return f"the TLS certificate is not trusted: {cause.certificate_error}"
    if isinstance(cause, aiohttp.ClientConnectorSSLError):
        return "no TLS connection: is it http:// rather than https://?"
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return "the host name is not resolved"
    if isinstance(cause, aiohttp.ClientConnectorError):
        number = cause.os_error.errno
        return f"no connection: {os.strerror(number) if number else type(cause.os_error).__name__}"
    if isinstance(cause, httpx.DecodingError):
        return "the body cannot be decompressed"
    if isinstance(cause, aiohttp.ClientPayloadError):
        return "the body was cut short"
    if isinstance(cause, aiohttp.ServerTimeoutError):
        return "no connection within the time-out"
    if isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return "the connection was lost"
    return type(cause).__name__
