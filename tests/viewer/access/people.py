"""What people's browsers do at a server that they log in to, and a clock that can be put forward.

What lives here: requests and their names. What does not: the server (`conftest`).
"""

import httpx
from triage_viewer.access.rules import AccessRules

SESSION, GROUPS = "/api/v1/session", "/api/v1/sequence_groups"
PASSWORD = "correct horse battery staple"
WRONG = "incorrect horse battery staple"
LOGIN = AccessRules(is_local=False)
PAGE_OR_NOT_BUILT = (200, 503)  # the page's document is there where somebody has built it
STRANGER = {"name": None, "role": None, "login_needed": True, "has_session": False, "copied_groups": None}

browsers: list[httpx.Client] = []
"""Every other browser of this test; they are closed with it."""


class Clock:
    """Seconds of Unix that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


def log_in(client: httpx.Client, name: str = "rita", password: str = PASSWORD) -> httpx.Response:
    return client.post(SESSION, json={"name": name, "password": password})


def validate(client: httpx.Client, **headers: str) -> httpx.Response:
    """A decision, which takes a reviewer."""
    return client.patch(f"{GROUPS}/1", json={"is_validated": True}, headers=headers)


def other_browser(client: httpx.Client, **cookies: str) -> httpx.Client:
    """Another one at the same server."""
    browsers.append(httpx.Client(base_url=client.base_url, cookies=cookies, verify=False))
    return browsers[-1]


def detail(answer: httpx.Response) -> str:
    """What the answer says is wrong, and nothing else."""
    (message,) = answer.json().values()
    return message
