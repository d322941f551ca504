"""The demo annotator's API by path: login and tokens, routes, redirects, and a backlog that drifts while it is listed.

What lives here: which answer a request gets. What does not: the answers' content (`answers`), sockets (`server`).
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from triage_assets.demo.answers import Answers, Version
from triage_assets.demo.backlog import READY, DemoBacklog
from triage_assets.demo.faults import Faults
from triage_assets.demo.queries import Answer, JsonObject, Query, Rejection, detail_answer, json_answer, path_id
from triage_assets.demo.storage import PictureStorage

_WEB_PAGE = Answer(
    200,
    b"<!doctype html><html><head><title>Annotator</title></head><body><div id=root></div></body></html>",
    "text/html; charset=utf-8",
)
_SLASHED = ("sequences", "organizations", "cameras", "detections", "annotations/sequences")


@dataclass(frozen=True, slots=True)
class Account:
    """The one user, and how long a token of theirs lives."""

    login: str
    password: str
    token_seconds: float


class Api:
    """Answers requests for the API's paths."""

    def __init__(
        self, backlog: DemoBacklog, version: Version, faults: Faults, account: Account, storage: PictureStorage
    ) -> None:
        self._backlog = backlog
        self._faults = faults
        self._account = account
        self._storage = storage
        self._answers = Answers(backlog, version, faults)
        self._tokens: dict[str, float] = {}
        self._authorized = 0

    def log_in(self, body: bytes) -> Answer:
        """Answer the login with a token or an error."""
        if self._faults.html_instead:
            return _WEB_PAGE
        try:
            credentials = json.loads(body)
            given = (credentials["username"], credentials["password"])
        except (ValueError, TypeError, KeyError):
            missing: JsonObject = {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
            return detail_answer(422, [missing])
        if given != (self._account.login, self._account.password):
            return detail_answer(401, "Incorrect username or password")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = time.monotonic() + self._account.token_seconds
        return json_answer({"access_token": token, "token_type": "bearer"})

    def expire_tokens(self) -> None:
        """Let every token given out so far stop being valid."""
        self._tokens.clear()

    def redirect(self, path: str) -> str | None:
        """The path to go to instead: collections are served with a slash at the end only."""
        return f"{path}/" if path.removeprefix("/api/v1/") in _SLASHED and not self._faults.html_instead else None

    def get(self, path: str, query: str, authorization: str | None, storage_url: str) -> Answer:
        """Answer a GET; picture addresses given out start with ``storage_url``."""
        if self._faults.html_instead or not path.startswith("/api/"):
            return _WEB_PAGE
        route = self._route(path.removeprefix("/api/v1/"), storage_url)
        if route is None:
            return detail_answer(404, "Not Found")
        try:
            self._authorize(authorization)
            return route(parse_qs(query, keep_blank_values=True))
        except Rejection as rejection:
            return rejection.answer

    def _route(self, rest: str, storage_url: str) -> Callable[[Query], Answer] | None:
        match rest.split("/"):
            case ["sequences", ""]:
                return self._list_sequences
            case ["sequences", sequence_id]:
                return lambda _: self._answers.one_sequence(sequence_id)
            case ["detections", ""]:
                return self._answers.detections
            case ["detections", detection_id, "url"]:
                return lambda _: self._picture_url(detection_id, storage_url)
            case ["annotations", "sequences", ""]:
                return self._answers.annotations
            case ["organizations", ""]:
                return lambda _: self._answers.organizations()
            case ["cameras", ""]:
                return lambda _: self._answers.cameras()
            case ["users", "me"]:
                return lambda _: self._me()
        return None

    def _list_sequences(self, query: Query) -> Answer:
        if query.get("page", ["1"])[-1] != "1":
            self._drift()
        return self._answers.sequences(query)

    def _drift(self) -> None:
        """Change the backlog between two pages of a listing, as often as asked."""
        faults = self._faults
        if faults.drift_inserts > 0:
            faults.drift_inserts -= 1
            self._backlog.add_sequences(1)
        if faults.drift_leaves > 0:
            faults.drift_leaves -= 1
            self._backlog.remove_sequence(max(self._backlog.ready_ids()))
        if faults.reorder_ties > 0:
            faults.reorder_ties -= 1
            step = 3 + faults.reorder_ties % 5
            self._backlog.touch(row.id for row in self._backlog.sequences[::step] if row.stage == READY)

    def _authorize(self, header: str | None) -> None:
        if header is None:
            raise Rejection(403, "Not authenticated")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Rejection(403, "Invalid authentication credentials")
        if self._faults.unauthorized_after is not None and self._authorized >= self._faults.unauthorized_after:
            self._faults.unauthorized_after = None
            self.expire_tokens()
        if self._tokens.get(token, 0.0) <= time.monotonic():
            raise Rejection(401, "Could not validate credentials")
        self._authorized += 1

    def _picture_url(self, text: str, storage_url: str) -> Answer:
        detection_id = path_id(text, "detection_id")
        detection = self._backlog.detection(detection_id)
        if detection is None:
            raise Rejection(404, "Detection not found")
        if detection_id in self._faults.url_missing:
            raise Rejection(404, "File cannot be found on the bucket storage")
        return json_answer({"url": f"{storage_url}{self._storage.sign(detection)}"})

    def _me(self) -> Answer:
        return json_answer(
            {
                "username": self._account.login,
                "is_active": True,
                "is_superuser": False,
                "can_localize": False,
                "id": 1,
                "created_at": "2026-05-01T08:00:00Z",
                "updated_at": None,
                "is_system": False,
            }
        )
