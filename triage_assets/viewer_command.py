"""The command `triage viewer`: the page over the store, on this machine alone unless people log in.

What lives here: its options, opening what it serves, and its errors in sentences. What does not: the page and its API
(`triage_viewer`), and who may ask it (`triage_viewer.access`).
"""

import getpass
import os
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from triage_assets.console import console, count_of, errors, errors_as_sentences, warn
from triage_assets.errors import SettingsError

if TYPE_CHECKING:
    from triage_viewer.access.rules import AccessRules
    from triage_viewer.context import Context

    from triage_assets.settings import Settings

_BACKLOG = 2048  # uvicorn's own
_LAST_ANSWERS_SECONDS = 5
_TO_DECIDE = "To decide, set TRIAGE_REVIEW_DB to the review database of whoever makes the store."


def viewer(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Beyond this machine, people log in: see `triage users`.")
    ] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="A name that people type to get here, like triage.example.org; may be given several times."),
    ] = None,
    login: Annotated[
        bool, typer.Option("--login", help="Ask for a login on this machine too, as --allowed-host does.")
    ] = False,
) -> None:
    """Show the split, the frames and the groups, and take decisions, until stopped.

    On loopback, decisions are yours by your user name. Elsewhere, or behind a proxy, people log in or the proxy names
    them, and the viewer refuses to start where neither is possible.
    """
    with errors_as_sentences():
        try:
            import uvicorn
            from triage_viewer.access.rules import make_rules
            from triage_viewer.app import create_app
        except ModuleNotFoundError as error:
            raise SettingsError(
                "The viewer is not installed", found=f"no module {error.name}", do="Install triage-assets[viewer]."
            ) from None
        from triage_assets.settings import load_settings

        settings = load_settings()
        family, address = _resolve(host)
        rules = make_rules(settings, address, allowed_hosts=allowed_host or (), asks_for_login=login)
        context = open_context(settings)
        try:
            people = _describe_people(rules, context, host)
            with _listen(family, address, port) as listening:
                shown = f"http://{f'[{address}]' if ':' in address else address}:{listening.getsockname()[1]}"
                console.print(f"Viewer    {shown} shows {settings.triage_store} {people}; Ctrl-C ends it", markup=False)
                _warn_of_plain_http(rules, address)
                # What happens is logged, each request is not. What proxies say is believed by the rules alone.
                config = uvicorn.Config(
                    create_app(context, rules),
                    log_level="warning",
                    access_log=False,
                    proxy_headers=False,
                    timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
                )
                uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            console.print("Stopped.")
        finally:
            context.close()


def open_context(settings: "Settings") -> "Context":
    """What a server with these settings works with; who has no review database gets a copy of the store's groups."""
    from triage_viewer.context import Context
    from triage_viewer.copied_groups import CopiedGroups

    from triage_assets.groups_copy import is_for_looking
    from triage_assets.review.database import open_review
    from triage_assets.review.watch import is_there
    from triage_assets.store import open_known_store

    store = open_known_store(settings.triage_store)  # what is wrong with it is said before anybody looks
    copied = own = None
    url = settings.review_url
    if settings.triage_review_db is None and is_for_looking(store, url):
        # Of a million sequences this takes a minute.
        errors.print(f"Groups    are copied from the store, to be looked at. {_TO_DECIDE}", markup=False)
        copied = CopiedGroups.make(store)
        if copied.shown.trouble is not None:
            warn([copied.shown.trouble])
        own = open_review(url) if is_there(url) else None
    return Context(
        store,
        open_review(url if copied is None else copied.url),
        _user_name(),
        settings.triage_joining,
        settings.triage_iou_threshold,
        settings.triage_dagster_url,
        copied,
        own,
    )


def _describe_people(rules: "AccessRules", context: "Context", host: str) -> str:
    """Who decides here, in words. Raises `SettingsError` where nobody could, or anybody."""
    if rules.is_local:
        return f"as {context.actor}"
    n_accounts = context.accounts.count()
    if rules.proxy_header is None and not n_accounts:
        raise SettingsError(
            "Nobody could log in",
            found=f"a viewer on {host} for others than you, no account and no TRIAGE_TRUSTED_PROXY_HEADER",
            do="Add people with `triage users add NAME --role reviewer`, or set TRIAGE_TRUSTED_PROXY_HEADER and "
            "TRIAGE_TRUSTED_PROXIES; without any option it is for you alone.",
        )
    proxied = f" and whom {rules.proxy_header} names" if rules.proxy_header else ""
    return f"for {count_of(n_accounts, 'account')}{proxied}"


def _warn_of_plain_http(rules: "AccessRules", address: str) -> None:
    from ipaddress import ip_address

    if not rules.proxies and not ip_address(address).is_loopback:
        warn(["Passwords and pictures travel unencrypted: put a proxy with https before it (TRIAGE_TRUSTED_PROXIES)."])


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user number has no name
        return f"user-{os.getuid()}"


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    """The address that a host is. Raises `SettingsError`; nothing at all would be every address of this machine."""
    try:
        if not host:
            raise OSError("it is empty")
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise SettingsError(
            f"The viewer cannot listen on the host {host[:80]!r}",
            found=getattr(error, "strerror", None) or str(error),
            do="Give an address of this machine as --host.",
        ) from None
    return family, str(address[0])


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(_BACKLOG)  # whoever reads the address below may use it at once
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"The viewer cannot listen on port {port}",
            found=error.strerror or str(error),
            do="Give another --port (make demo PORT=8766), or an address of this machine as --host.",
        ) from None
    return listening
