"""One connection to the annotator: login, requests, and what every kind of answer means.

What lives here: single requests, and which of their answers are for good. What does not: asking again (`patience`),
paging (`listing`), the meaning of rows (`parse`), frames (`frames`), and threads (`client`).
"""

import asyncio
import functools
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from triage_assets.annotator.address import ApiAddress, parse_url
from triage_assets.annotator.failures import (
    ImageTooLarge,
    InvalidQuery,
    NotFound,
    Passing,
    TokenRefused,
    detail_of,
    has_detail,
    json_of,
    passing_status,
    without_query,
)
from triage_assets.annotator.guard import ApiGuard, ImageGuard
from triage_assets.annotator.patience import Patience
from triage_assets.annotator.retries import Kind, RetryPolicy, Timeouts
from triage_assets.annotator.transport import MOST_BODY_BYTES, Answer, BodyTooLarge, ExactTransport, send
from triage_assets.errors import AuthenticationError, UnexpectedAnswer

Parameters = Mapping[str, str | int]

_AGENT = {"User-Agent": "triage-assets (read-only)"}
_API_HEADERS = _AGENT | {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
_IMAGE_HEADERS = _AGENT | {"Accept-Encoding": "identity"}
_WRONG_HOST = (
    "Check ANNOTATOR_API_URL: annotator.<domain> is the web page, its API is usually at annotationapi.<domain>."
)
_TOO_LARGE = f"more than {MOST_BODY_BYTES // 1_000_000} MB"


class Connection:
    """Requests to one annotator as one user. Everything runs in the event loop that opened it."""

    def __init__(
        self,
        address: ApiAddress,
        login: str,
        password: str,
        *,
        max_in_flight: int,
        timeouts: Timeouts,
        retry: RetryPolicy,
    ) -> None:
        self.max_in_flight = max_in_flight
        self._address = address
        self._login = login
        self._password = password
        self._connect_seconds = timeouts.connect
        self._patience = Patience(address.site, retry, timeouts, max_in_flight)
        self._token: str | None = None
        self._login_error: AuthenticationError | UnexpectedAnswer | None = None

    async def __aenter__(self) -> Self:
        tls = httpx.create_ssl_context()
        self._login_lock = asyncio.Lock()
        self.api = ApiGuard(self._transport(tls), self._address)
        self.images = ImageGuard(self._transport(tls))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.api.aclose()
        await self.images.aclose()

    def _transport(self, tls: ssl.SSLContext) -> ExactTransport:
        return ExactTransport(max_connections=self.max_in_flight, connect_seconds=self._connect_seconds, tls=tls)

    def hope_again(self) -> None:
        """Forget earlier failures: a new piece of work starts."""
        self._patience.hope_again()

    async def get_json(self, path: str, parameters: Parameters, kind: Kind) -> object:
        """The JSON answer to a GET below the API's root; bare NaN and Infinity are read as such.

        Raises `AuthenticationError`, `NotFound`, `InvalidQuery`, `UnexpectedAnswer`, or `AnnotatorUnavailable` after
        the last attempt.
        """
        token = await self._authorize(stale=None)
        for is_last in (False, True):
            try:
                return await self._patience.persist(
                    kind, f"GET {path}", functools.partial(self._get_json_once, path, parameters, token)
                )
            except TokenRefused:
                if is_last:
                    break
                token = await self._authorize(stale=token)
        raise AuthenticationError(
            "The annotator refuses a token that it has just given out",
            found=f"401 for GET {path}",
            do="Check the clock of the annotator's host, and whether several servers share the address.",
        )

    async def get_signed_url(self, detection_id: int) -> str:
        """A detection's image url. It is a secret: anyone who has it can read the image. Raises as `get_json`."""
        answer = await self.get_json(f"/detections/{detection_id}/url", {}, "url")
        url = answer.get("url") if isinstance(answer, dict) else None
        if not isinstance(url, str):
            raise UnexpectedAnswer(f"The answer for the url of detection {detection_id} holds no url")
        return url

    async def get_image(self, url: str, detection_id: int) -> bytes:
        """The bytes behind a signed url, as many as were announced, asked for without our token.

        Whether they are an image, and a whole one, is not looked at. Raises `NotFound`, `ImageTooLarge`, other
        `UnexpectedAnswer` (among them a signature that is not accepted), `AnnotatorUnavailable`.
        """
        what = f"the image of detection {detection_id}"
        target = _image_url(url, what)
        return await self._patience.persist("image", what, lambda: self._get_image_once(target, what))

    async def _authorize(self, stale: str | None) -> str:
        """A token other than ``stale``; however many requests ask together, there is one login."""
        async with self._login_lock:
            if self._login_error is not None:
                raise self._login_error
            if self._token is None or self._token == stale:
                try:
                    self._token = await self._patience.persist("login", "the login", self._log_in_once)
                except (AuthenticationError, UnexpectedAnswer) as error:
                    # Asking again with the same password could lock the account.
                    self._login_error = error
                    raise
            return self._token

    async def _log_in_once(self) -> str:
        credentials = {"username": self._login, "password": self._password}
        request = httpx.Request("POST", self._address.login, json=credentials, headers=_API_HEADERS)
        answer = await self._send(request, "the login")
        status = answer.status
        self._check_common(answer, "the login")
        if status in (400, 401, 403):
            do = "Check ANNOTATOR_API_LOGIN and ANNOTATOR_API_PASSWORD." if status == 401 else "Ask its administrator."
            raise AuthenticationError(
                f"The annotator at {self._address.site} refused the login of {self._login!r}",
                found=f"{status}: {detail_of(answer)}",
                do=do,
            )
        self._check_ok(answer, "the login")
        content = json_of(answer)
        token = content.get("access_token") if isinstance(content, dict) else None
        if not isinstance(token, str) or not token:
            raise UnexpectedAnswer("The answer to the login holds no token", expected="access_token", do=_WRONG_HOST)
        return token

    async def _get_json_once(self, path: str, parameters: Parameters, token: str) -> object:
        what = f"GET {path}"
        headers = {**_API_HEADERS, "Authorization": f"Bearer {token}"}
        url = self._address.endpoint(path)
        request = httpx.Request("GET", url, params=dict(parameters) or None, headers=headers)
        answer = await self._send(request, what)
        status = answer.status
        if status in (404, 410) and not has_detail(answer):
            # The annotator says so in JSON: this comes from something between it and us, and may pass.
            raise passing_status(answer)
        self._check_common(answer, what)
        if status == 401:
            raise TokenRefused
        if status == 403:
            raise AuthenticationError(
                f"The annotator does not let {self._login!r} read {path}",
                found=f"403: {detail_of(answer)}",
                do="Ask its administrator for permission to read.",
            )
        self._check_ok(answer, what)
        return json_of(answer)

    async def _send(self, request: httpx.Request, what: str) -> Answer:
        try:
            return await send(self.api, request)
        except BodyTooLarge as large:
            if large.status != 200:
                raise Passing(f"status {large.status}, {_TOO_LARGE}") from None
            raise UnexpectedAnswer(
                f"The answer to {what} is too large", found=_TOO_LARGE, expected="JSON of a few MB", do=_WRONG_HOST
            ) from None

    def _check_common(self, answer: Answer, what: str) -> None:
        """Raise for answers that mean the same whatever was asked."""
        status = answer.status
        if _is_passing(status):
            raise passing_status(answer)
        if 300 <= status < 400:
            place = without_query(answer.headers.get("location", ""))
            secure = place.startswith("https:") and self._address.site.startswith("http:")
            raise UnexpectedAnswer(
                f"{self._address.site} redirects {what}",
                found=f"{status} to {place}",
                do="Write https:// in ANNOTATOR_API_URL." if secure else _WRONG_HOST,
            )
        if "html" in answer.headers.get("content-type", ""):
            raise UnexpectedAnswer(
                f"{self._address.site} answers {what} with a web page",
                found=f"{status}, HTML",
                expected="JSON",
                do=_WRONG_HOST,
            )

    def _check_ok(self, answer: Answer, what: str) -> None:
        status = answer.status
        if status == 200:
            return
        found = f"{status}: {detail_of(answer)}"
        if status in (404, 410):
            raise NotFound(f"{self._address.site} has no answer to {what}", found=found, do=_WRONG_HOST)
        if status == 422:
            raise InvalidQuery(f"The annotator refuses a parameter of {what}", found=found)
        raise UnexpectedAnswer(f"The annotator refuses {what}", found=found, expected="200", do=_WRONG_HOST)

    async def _get_image_once(self, target: httpx.URL, what: str) -> bytes:
        try:
            answer = await send(self.images, httpx.Request("GET", target, headers=_IMAGE_HEADERS))
        except BodyTooLarge as large:
            if large.status != 200:
                raise Passing(f"status {large.status}, {_TOO_LARGE}") from None
            raise ImageTooLarge(f"The object for {what} is no frame", found=_TOO_LARGE) from None
        status = answer.status
        if _is_passing(status):
            raise passing_status(answer)
        if status in (404, 410):
            raise NotFound(f"There is no object any more for {what}", found=str(status))
        if status != 200:
            raise UnexpectedAnswer(f"The storage does not give out {what}", found=str(status), expected="200")
        return answer.body


def _is_passing(status: int) -> bool:
    return status in (408, 425, 429) or status >= 500


def _image_url(url: str, what: str) -> httpx.URL:
    target = parse_url(url)
    if target is None or target.scheme not in ("http", "https") or not target.host or target.userinfo:
        raise UnexpectedAnswer(f"The annotator gave no usable url for {what}", expected="http(s)://host/...")
    return target
