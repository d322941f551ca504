"""The application: every route, check and error of one server.

What lives here: putting them together. What does not: opening databases or sockets (`triage viewer` does).
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from triage_viewer.access.doors import PeopleOnly
from triage_viewer.access.gate import Gate
from triage_viewer.access.guard import OwnPagesOnly
from triage_viewer.access.headers import Application
from triage_viewer.access.rules import LOCAL, AccessRules
from triage_viewer.backlog.live import LiveBacklog
from triage_viewer.backlog.review_news import ReviewNews
from triage_viewer.context import Context
from triage_viewer.frames.service import open_frames
from triage_viewer.page_files import install_page
from triage_viewer.problems import install_handlers
from triage_viewer.routes import annotations, frames, groups, people, run, sequences, session, triage
from triage_viewer.run.live import LiveRun


@asynccontextmanager
async def _load_early(app: FastAPI) -> AsyncIterator[None]:
    """Have the backlog in memory by the time that somebody asks, and end what works on it with the server."""
    app.state.backlog.start()
    yield
    app.state.backlog.close()
    app.state.frames.close()
    if app.state.context.copied is not None:  # a signal to end leaves no time for more after the server
        app.state.context.copied.close()


def create_app(
    context: Context,
    rules: AccessRules = LOCAL,
    now: Callable[[], float] = time.time,
) -> FastAPI:
    """The application over an open store and review database; nothing is touched until it is served.

    Without other rules, whoever reaches it is its user. ``now`` tells when sessions are over, in seconds of Unix.
    """
    # The interactive documentation loads its scripts from elsewhere; the description itself is of this server.
    app = Application(
        title="Triage", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json", lifespan=_load_early
    )
    app.state.context = context
    app.state.gate = gate = Gate(context.accounts, rules, context.actor, now, decides=context.copied is None)
    app.state.backlog = LiveBacklog(context.store)
    app.state.review_news = ReviewNews(context.review, is_copy=context.copied is not None)
    app.state.run = LiveRun(context.store, app.state.backlog, app.state.review_news, context.dagster_url)
    app.state.frames = open_frames(context.store, context.review, app.state.backlog)
    app.add_middleware(PeopleOnly, gate=gate)
    app.add_middleware(OwnPagesOnly, rules=rules)  # the last one added is the first that is asked
    install_handlers(app)
    app.include_router(session.router)
    app.include_router(groups.router)
    app.include_router(annotations.router)
    app.include_router(frames.router)
    app.include_router(triage.router)
    app.include_router(sequences.router)
    app.include_router(people.router)
    app.include_router(run.router)
    install_page(app)
    return app
