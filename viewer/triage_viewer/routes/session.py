"""Sessions: who one is here, logging in and logging out."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from triage_assets.review.account_records import LONGEST_NAME, Role
from triage_assets.review.passwords import LONGEST
from triage_viewer.access.doors import refuse
from triage_viewer.access.gate import Gate, Refusal
from triage_viewer.access.guard import SESSION
from triage_viewer.access.rules import Person
from triage_viewer.context import Context
from triage_viewer.copied_groups import CopiedGroups
from triage_viewer.problems import ANYWHERE, IN_BODIES, IN_DECISIONS, problems
from triage_viewer.requests import NO_PARAMETERS, Strictly

router = APIRouter(prefix=SESSION, tags=["session"], dependencies=NO_PARAMETERS, responses=ANYWHERE)


class Login(Strictly):
    """A name and its password."""

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = Field(max_length=LONGEST_NAME)
    password: SecretStr = Field(max_length=LONGEST)


class CopiedGroupsRead(BaseModel):
    """The store's groups, which are shown in place of a review database, as of their last change; null without any.

    ``trouble`` is why they may not be the store's latest.
    """

    changed_at: datetime | None
    trouble: str | None

    @classmethod
    def of(cls, copied: CopiedGroups) -> Self:
        """What is shown now, and whether the store has newer ones is looked at."""
        copied.look()
        return cls(changed_at=copied.shown.changed_at, trouble=copied.shown.trouble)


class SessionRead(BaseModel):
    """Who one is: a stranger, who has to log in, where ``name`` is null.

    The server's own user and people whom a proxy names have no session to log out of. Where ``copied_groups`` are
    shown, nobody decides.
    """

    name: str | None
    role: Role | None
    login_needed: bool
    has_session: bool
    copied_groups: CopiedGroupsRead | None

    @classmethod
    def of(cls, person: Person | None, copied: CopiedGroups | None) -> Self:
        """The person as they are shown."""
        if person is None:
            return cls(name=None, role=None, login_needed=True, has_session=False, copied_groups=None)
        return cls(
            name=person.name,
            role=person.role,
            login_needed=False,
            has_session=person.has_session,
            copied_groups=None if copied is None else CopiedGroupsRead.of(copied),
        )


def _copied_of(request: Request) -> CopiedGroups | None:
    context: Context = request.app.state.context
    return context.copied


@router.get("")
def get_session(request: Request) -> SessionRead:
    """Who one is here, also for strangers."""
    return SessionRead.of(request.state.person, _copied_of(request))


@router.post("", response_model=SessionRead, responses=problems(*IN_BODIES, 401, 409, 429))
def log_in(request: Request, response: Response, login: Login) -> SessionRead | Response:
    """Begin a session: the answer sets its cookie. 401 for a wrong name or password, 429 for too many of them."""
    gate: Gate = request.app.state.gate
    found = gate.log_in(login.name, login.password.get_secret_value(), request.state.visit)
    if isinstance(found, Refusal):
        return refuse(found)
    person, cookie = found
    response.headers["Set-Cookie"] = cookie
    return SessionRead.of(person, _copied_of(request))


@router.delete("", status_code=204, responses=problems(*IN_DECISIONS))
def log_out(request: Request, response: Response) -> None:
    """End the session, if there is one."""
    gate: Gate = request.app.state.gate
    response.headers["Set-Cookie"] = gate.log_out(request.state.claim, request.state.visit)
