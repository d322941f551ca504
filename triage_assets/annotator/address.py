"""Where the annotator's API is: the address a user configured, checked and taken apart.

What lives here: the forms of address that are accepted, and the endpoints below it; and which urls, whoever gave them,
can be asked at all. What does not: any request.
"""

from dataclasses import dataclass
from typing import Self

import httpx

from triage_assets.errors import SettingsError

API_PATH = "/api/v1"
_EXAMPLE = "an address such as https://annotationapi.example.org"
_DO = "Correct ANNOTATOR_API_URL."


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """The API's root, without a trailing slash: ``https://host[:port][/prefix]/api/v1``."""

    root: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Accept the host's address with or without a trailing slash or ``/api/v1``.

        Raises `SettingsError`; its message never repeats credentials that were written into the address.
        """
        text = text.strip()
        if not text:
            raise SettingsError("The annotator's address is empty", expected=_EXAMPLE, do=_DO)
        if "://" not in text:
            raise SettingsError(
                "The annotator's address has no scheme",
                found=repr(text.rpartition("@")[2]),
                expected=_EXAMPLE,
                do="Write http:// or https:// in front of ANNOTATOR_API_URL.",
            )
        url = parse_url(text)
        if url is None:
            raise SettingsError("The annotator's address is no URL", expected=_EXAMPLE, do=_DO)
        if url.userinfo:
            raise SettingsError(
                "The annotator's address holds credentials",
                expected=_EXAMPLE,
                do="Put them into ANNOTATOR_API_LOGIN and ANNOTATOR_API_PASSWORD.",
            )
        if url.scheme not in ("http", "https") or not url.host:
            raise SettingsError("The annotator's address cannot be used", found=repr(text), expected=_EXAMPLE, do=_DO)
        if url.query or url.fragment:
            raise SettingsError(
                "The annotator's address has a query or a fragment",
                found=repr(str(url.copy_with(query=None, fragment=None))) + " and more",
                expected=_EXAMPLE,
                do=_DO,
            )
        path = url.path.rstrip("/").removesuffix(API_PATH)
        return cls(f"{url.scheme}://{url.netloc.decode('ascii')}{path}{API_PATH}")

    def endpoint(self, path: str) -> httpx.URL:
        """The URL of ``path``, which starts with a slash and is relative to the API's root."""
        return httpx.URL(self.root + path)

    @property
    def login(self) -> httpx.URL:
        """The only endpoint that is ever posted to."""
        return self.endpoint("/auth/login")

    @property
    def site(self) -> str:
        """Scheme and host, for messages."""
        url = httpx.URL(self.root)
        return f"{url.scheme}://{url.netloc.decode('ascii')}"


def parse_url(text: str) -> httpx.URL | None:
    """The url that ``text`` is, of any scheme; None where it is none, or where nothing can be sent to its host or port.

    The url library itself lets through hosts and ports that fail only on the way to the network, with other errors.
    """
    try:
        url = httpx.URL(text)
        url.host.encode("idna")  # as the resolver will
    except (httpx.InvalidURL, ValueError):
        return None
    return url if url.port is None or 0 < url.port < 1 << 16 else None
