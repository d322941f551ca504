"""One connection to the annotator: login, bounded retries, and what every kind of answer means.

What lives here: single requests, each asked again until it is answered for good or given up. What does not: paging
(`listing`), the meaning of rows (`parse`), frames (`frames`), and threads (`client`).
"""

import asyncio
import functools
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import httpx

from triage_assets.annotator.address import ApiAddress
from triage_assets.annotator.failures import (
    InvalidQuery,
    NotFound,
    Passing,
    describe_failure,
    detail_of,
    json_of,
    passing_status,
    without_query,
)
from triage_assets.annotator.guard import ApiGuard, ImageGuard
from triage_assets.annotator.retries import Kind, RetryPolicy, Timeouts
from triage_assets.annotator.transport import ExactTransport, send
from triage_assets.errors import AnnotatorUnavailable, AuthenticationError, UnexpectedAnswer

logger = logging.getLogger(__name__)

T = TypeVar("T")
Parameters = Mapping[str, str | int]

_AGENT = {"User-Agent": "triage-assets (read-only)"}
_API_HEADERS = _AGENT | {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
_IMAGE_HEADERS = _AGENT | {"Accept-Encoding": "identity"}
_WRONG_HOST = (
    "Check ANNOTATOR_API_URL: annotator.<domain> is the web page, its API is usually at annotationapi.<domain>."
)
_UNREACHABLE = "Check ANNOTATOR_API_URL and the network, then run again: what was fetched is kept."
_BUSY = "Run again later: what was fetched is kept."


class _TokenRefused(Exception):  # noqa: N818 - a reason to log in again
    pass


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
        self._timeouts = timeouts
        self._retry = retry
        self._token: str | None = None
        self._login_error: AuthenticationError | UnexpectedAnswer | None = None
        self._has_answered = False
        self._given_up_in_a_row: Counter[Kind] = Counter()

    async def __aenter__(self) -> Self:
        tls = httpx.create_ssl_context()
        self._slots = asyncio.Semaphore(self.max_in_flight)
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
        return ExactTransport(max_connections=self.max_in_flight, connect_seconds=self._timeouts.connect, tls=tls)

    def hope_again(self) -> None:
        """Forget earlier failures: a new piece of work starts."""
        self._given_up_in_a_row.clear()

    async def get_json(self, path: str, parameters: Parameters, kind: Kind) -> object:
        """The JSON answer to a GET below the API's root; bare NaN and Infinity are read as such.

        Raises `AuthenticationError`, `NotFound`, `InvalidQuery`, `UnexpectedAnswer`, or `AnnotatorUnavailable` after
        the last attempt.
        """
        token = await self._authorize(stale=None)
        for is_last in (False, True):
            try:
                return await self._persist(
                    kind, f"GET {path}", functools.partial(self._get_json_once, path, parameters, token)
                )
            except _TokenRefused:
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
        """The bytes behind a signed url, whole as far as length and checksum tell, without our token.

        Raises `NotFound`, `UnexpectedAnswer` (among them a signature that is not accepted), `AnnotatorUnavailable`.
        """
        what = f"the image of detection {detection_id}"
        target = _image_url(url, what)
        return await self._persist("image", what, lambda: self._get_image_once(target, what))

    async def _authorize(self, stale: str | None) -> str:
        """A token other than ``stale``; however many requests ask together, there is one login."""
        async with self._login_lock:
            if self._login_error is not None:
                raise self._login_error
            if self._token is None or self._token == stale:
                try:
                    self._token = await self._persist("login", "the login", self._log_in_once)
                except (AuthenticationError, UnexpectedAnswer) as error:
                    # Asking again with the same password could lock the account.
                    self._login_error = error
                    raise
            return self._token

    async def _log_in_once(self) -> str:
        credentials = {"username": self._login, "password": self._password}
        response = await send(
            self.api, httpx.Request("POST", self._address.login, json=credentials, headers=_API_HEADERS)
        )
        status = response.status_code
        self._check_common(response, "the login")
        if status in (400, 401, 403):
            do = "Check ANNOTATOR_API_LOGIN and ANNOTATOR_API_PASSWORD." if status == 401 else "Ask its administrator."
            raise AuthenticationError(
                f"The annotator at {self._address.site} refused the login of {self._login!r}",
                found=f"{status}: {detail_of(response)}",
                do=do,
            )
        self._check_ok(response, "the login")
        answer = json_of(response)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise UnexpectedAnswer("The answer to the login holds no token", expected="access_token", do=_WRONG_HOST)
        return token

    async def _get_json_once(self, path: str, parameters: Parameters, token: str) -> object:
        what = f"GET {path}"
        headers = {**_API_HEADERS, "Authorization": f"Bearer {token}"}
        url = self._address.endpoint(path)
        response = await send(self.api, httpx.Request("GET", url, params=dict(parameters) or None, headers=headers))
        self._check_common(response, what)
        status = response.status_code
        if status == 401:
            raise _TokenRefused
        if status == 403:
            raise AuthenticationError(
                f"The annotator does not let {self._login!r} read {path}",
                found=f"403: {detail_of(response)}",
                do="Ask its administrator for permission to read.",
            )
        self._check_ok(response, what)
        return json_of(response)

    def _check_common(self, response: httpx.Response, what: str) -> None:
        """Raise for answers that mean the same whatever was asked."""
        status = response.status_code
        if status in (408, 425, 429) or status >= 500:
            raise passing_status(response)
        self._has_answered = True
        if response.is_redirect:
            place = without_query(response.headers.get("location", ""))
            secure = place.startswith("https:") and self._address.site.startswith("http:")
            raise UnexpectedAnswer(
                f"{self._address.site} redirects {what}",
                found=f"{status} to {place}",
                do="Write https:// in ANNOTATOR_API_URL." if secure else _WRONG_HOST,
            )
        if "html" in response.headers.get("content-type", ""):
            raise UnexpectedAnswer(
                f"{self._address.site} answers {what} with a web page",
                found=f"{status}, HTML",
                expected="JSON",
                do=_WRONG_HOST,
            )

    def _check_ok(self, response: httpx.Response, what: str) -> None:
        status = response.status_code
        if status == 200:
            return
        found = f"{status}: {detail_of(response)}"
        if status in (404, 410):
            raise NotFound(f"{self._address.site} has no answer to {what}", found=found, do=_WRONG_HOST)
        if status == 422:
            raise InvalidQuery(f"The annotator refuses a parameter of {what}", found=found)
        raise UnexpectedAnswer(f"The annotator refuses {what}", found=found, expected="200", do=_WRONG_HOST)

    async def _get_image_once(self, target: httpx.URL, what: str) -> bytes:
        response = await send(self.images, httpx.Request("GET", target, headers=_IMAGE_HEADERS))
        status = response.status_code
        if status in (408, 425, 429) or status >= 500:
            raise passing_status(response)
        if status in (404, 410):
            raise NotFound(f"There is no object any more for {what}", found=str(status))
        if status != 200:
            raise UnexpectedAnswer(f"The storage does not give out {what}", found=str(status), expected="200")
        return response.content

    async def _persist(self, kind: Kind, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """The first usable answer of ``attempt``. Raises `AnnotatorUnavailable` after the last one."""
        n_failures = 0
        while True:
            try:
                async with self._slots, asyncio.timeout(self._timeouts.of(kind)):
                    self._check_hope(kind, what)
                    result = await attempt()
            except Passing as passing:
                self._has_answered = True
                reason, retry_after, most = passing.reason, passing.retry_after, self._retry.attempts
            except TimeoutError:
                reason, retry_after, most = (
                    f"no answer within {self._timeouts.of(kind):g} s",
                    None,
                    self._retry.attempts,
                )
            # Failures that the transport knows no httpx name for come through as they are.
            except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
                reason, retry_after = describe_failure(error), None
                most = self._attempts_after(error)
            except (UnexpectedAnswer, AuthenticationError, _TokenRefused):
                self._given_up_in_a_row[kind] = 0
                raise
            else:
                self._given_up_in_a_row[kind] = 0
                return result
            n_failures += 1
            if n_failures >= most:
                self._given_up_in_a_row[kind] += 1
                do = _BUSY if self._has_answered else _UNREACHABLE
                raise AnnotatorUnavailable(
                    f"No answer to {what} from {self._address.site}"
                    if kind != "image"
                    else f"No answer to {what} from the storage",
                    found=f"{reason} ({n_failures} attempts)",
                    do=do,
                ) from None
            logger.debug("%s: %s, attempt %d of %d", what, reason, n_failures, most)
            await asyncio.sleep(self._retry.delay(n_failures, retry_after))

    def _check_hope(self, kind: Kind, what: str) -> None:
        n_given_up = self._given_up_in_a_row[kind]
        # One login serves every request: where it has failed, those that waited for it fail with it.
        if n_given_up >= (1 if kind == "login" else self._retry.give_up_calls):
            raise AnnotatorUnavailable(
                f"No answer to {what}", found=f"{n_given_up} such calls in a row without any answer", do=_BUSY
            )

    def _attempts_after(self, error: Exception) -> int:
        if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return 1
        if not self._has_answered and isinstance(error.__cause__, aiohttp.ClientConnectorError):
            return self._retry.first_contact_attempts
        return self._retry.attempts


def _image_url(url: str, what: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        target = httpx.URL()
    if target.scheme not in ("http", "https") or not target.host or target.userinfo:
        raise UnexpectedAnswer(f"The annotator gave no usable url for {what}", expected="http(s)://host/...")
    return target
