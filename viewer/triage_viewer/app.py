"""The application: every route, check and error of one server.

What lives here: putting them together. What does not: opening databases or sockets (`triage viewer` does).
"""

from fastapi import FastAPI

from triage_viewer.context import Context
from triage_viewer.guard import LocalOnly
from triage_viewer.problems import install_handlers
from triage_viewer.requests import NO_PARAMETERS
from triage_viewer.routes import annotations, groups, people, sequences


def create_app(context: Context) -> FastAPI:
    """The application over an open store and review database; nothing is touched until a request comes."""
    # The interactive documentation loads its scripts from elsewhere; the description itself is of this server.
    app = FastAPI(title="Triage", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.state.context = context
    app.add_middleware(LocalOnly)
    install_handlers(app)
    app.include_router(groups.router)
    app.include_router(annotations.router)
    app.include_router(sequences.router)
    app.include_router(people.router)

    @app.get("/", dependencies=NO_PARAMETERS, include_in_schema=False)
    def describe() -> dict[str, list[str]]:
        return {"paths": sorted(app.openapi()["paths"])}

    return app
