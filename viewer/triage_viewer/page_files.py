"""The built page: its files, and its one document wherever a person may be in it.

What lives here: serving what `viewer/build_page.py` made. What does not: data, all of which is under /api/.
"""

from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE = Path(__file__).parent / "page"
_FOREVER = "public, max-age=31536000, immutable"
_NOT_BUILT = (
    "The viewer's page has not been built here. Run `make setup` in the project's folder, or install a released wheel. "
    "The API is under /api/v1, described in /api/v1/openapi.json.\n"
)


class _Assets(StaticFiles):
    """Files whose names hold a hash of what is in them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _FOREVER
        return response


def install_page(app: FastAPI, folder: Path = PAGE) -> None:
    """Answer everything that is no data; to be called after all other routes are there."""
    is_built = (folder / "index.html").is_file()
    if is_built:
        app.mount("/assets", _Assets(directory=folder / "assets"))

        @app.get("/icon.svg", include_in_schema=False)
        def get_icon() -> FileResponse:
            return FileResponse(folder / "icon.svg")

    # HEAD is what proxies ask with whether the server is there.
    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    def get_page(path: str) -> Response:
        """The document; which page of it is shown is read from the address, in the browser."""
        if path.startswith("api/"):
            raise HTTPException(404, "There is nothing under this path; /api/v1/openapi.json tells what there is.")
        return FileResponse(folder / "index.html") if is_built else PlainTextResponse(_NOT_BUILT, 503)
