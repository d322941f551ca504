"""Sessions: who one is here, logging in and logging out."""

from typing import Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from triage_assets.review.account_records import LONGEST_NAME, Role
from triage_assets.review.passwords import LONGEST
from triage_viewer.access.doors import refuse
from triage_viewer.access.gate import Gate, Refusal
from triage_viewer.access.guard import SESSION
from triage_viewer.access.rules import Person
from triage_viewer.problems import ANYWHERE, IN_BODIES, IN_DECISIONS, problems
from triage_viewer.requests import NO_PARAMETERS, Strictly

router = APIRouter(prefix=SESSION, tags=["session"], dependencies=NO_PARAMETERS, responses=ANYWHERE)


class Login(Strictly):
    """A name and its password."""

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = Field(max_length=LONGEST_NAME)
    password: SecretStr = Field(max_length=LONGEST)


class SessionRead(BaseModel):
    """Who one is: a stranger, who has to log in, where ``name`` is null.

    The server's own user and people whom a proxy names have no session to log out of.
    """

    name: str | None
    role: Role | None
    login_needed: bool
    has_session: bool

    @classmethod
    def of(cls, person: Person | None) -> Self:
        """The person as they are shown."""
        if person is None:
            return cls(name=None, role=None, login_needed=True, has_session=False)
        return cls(name=person.name, role=person.role, login_needed=False, has_session=person.has_session)


@router.get("")
def get_session(request: Request) -> SessionRead:
    """Who one is here, also for strangers."""
    return SessionRead.of(request.state.person)


@router.post("", response_model=SessionRead, responses=problems(*IN_BODIES, 401, 409, 429))
def log_in(request: Request, response: Response, login: Login) -> SessionRead | Response:
    """Begin a session: the answer sets its cookie. 401 for a wrong name or password, 429 for too many of them."""
    gate: Gate = request.app.state.gate
    found = gate.log_in(login.name, login.password.get_secret_value(), request.state.visit)
    if isinstance(found, Refusal):
        return refuse(found)
    person, cookie = found
    response.headers["Set-Cookie"] = cookie
    return SessionRead.of(person)


@router.delete("", status_code=204, responses=problems(*IN_DECISIONS))
def log_out(request: Request, response: Response) -> None:
    """End the session, if there is one."""
    gate: Gate = request.app.state.gate
    response.headers["Set-Cookie"] = gate.log_out(request.state.claim, request.state.visit)
