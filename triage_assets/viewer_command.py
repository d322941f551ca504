"""The command `triage viewer`: people's decisions over HTTP, on this machine alone.

What lives here: its options, opening what it serves, and its errors in sentences. What does not: the API
(`triage_viewer`).
"""

import getpass
import os
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from triage_assets.console import console, errors_as_sentences
from triage_assets.errors import SettingsError

if TYPE_CHECKING:
    from triage_viewer.context import Context

_HOST = "127.0.0.1"


def viewer(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
) -> None:
    """Serve the groups and annotations on loopback, until stopped; decisions are yours by your user name."""
    with errors_as_sentences():
        try:
            import uvicorn
            from triage_viewer.app import create_app
        except ModuleNotFoundError as error:
            raise SettingsError(
                "The viewer is not installed", found=f"no module {error.name}", do="Install triage-assets[viewer]."
            ) from None
        context = _open_context()
        try:
            with _listen(port) as listening:
                address = f"http://{_HOST}:{listening.getsockname()[1]}"
                console.print(f"Serving {context.store.location} at {address} as {context.actor}; Ctrl-C ends it.")
                # What happens is logged, each request is not.
                config = uvicorn.Config(create_app(context), log_level="warning", access_log=False)
                uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            console.print("Stopped.")
        finally:
            context.review.close()


def _open_context() -> "Context":
    from triage_viewer.context import Context

    from triage_assets.review.database import open_review
    from triage_assets.settings import load_settings
    from triage_assets.store import open_store

    settings = load_settings()
    store = open_store(settings.triage_store)
    review = open_review(settings.review_url)
    return Context(store, review, _user_name(), settings.triage_joining, settings.triage_iou_threshold)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user number has no name
        return f"user-{os.getuid()}"


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
        listening.listen()  # before the address is told: whoever reads it may ask at once
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"The viewer cannot listen on port {port}", found=error.strerror or str(error), do="Give another --port."
        ) from None
    return listening
