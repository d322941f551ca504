"""Settings from the environment and an optional ``.env`` file: one class, read when needed, never at import.

What lives here: names, defaults and checks of what a user configures. What does not: the use of any of it.
"""

import hashlib
import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from triage_assets.errors import SettingsError
from triage_assets.groups.records import IOU_THRESHOLD, Joining
from triage_assets.scoring.records import AUTO, RuntimeChoice
from triage_assets.store import check_location

# What a browser or a client's library sets by itself, or this project reads with another meaning.
_BROWSERS_HEADERS = frozenset(
    {
        *("accept", "authorization", "connection", "content-length", "content-type", "cookie", "forwarded", "host"),
        *("origin", "range", "referer", "sec-fetch-site", "user-agent", "via"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    }
)
DAGSTER_URL = "http://127.0.0.1:3000"  # where `make dev` serves it
_SECRETS = ("annotator_api_password", "triage_review_db")


class Settings(BaseSettings):
    """Everything a user can set from outside; see the README for a table of the variables."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    annotator_api_url: str | None = Field(
        None, description="Address of the annotator's API host, without the path /api/v1."
    )
    annotator_api_login: str | None = Field(None, description="User name at the annotator.")
    annotator_api_password: SecretStr | None = Field(None, description="Password at the annotator.")
    triage_store: str = Field("data", description="Folder or s3://bucket/prefix that holds everything produced.")
    triage_model: str | None = Field(
        None, description="One or several model.zip files, separated like the entries of PATH."
    )
    # 0.35 is the operating point that annotation works with. What another would send to people shows in the histogram
    # and the per-organization table of the asset `worklists`.
    triage_threshold: float = Field(
        0.35, ge=0, le=1, description="Scores at or above it go To Review, unless a run is told otherwise."
    )
    triage_max_in_flight: int = Field(
        32, ge=1, le=1024, description="Most requests under way at once; the real server copes with 32."
    )
    triage_runtime: Literal["auto", "torch", "openvino"] = Field(
        "auto",
        description="What runs the network; auto takes openvino where 500 sequences or more are to be scored and it "
        "measures 1.3 times as fast as torch, else torch.",
    )
    triage_device: str = Field(
        AUTO, description="Where the network runs, by torch's name: auto, cpu, cuda, cuda:1, mps."
    )
    triage_precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="bfloat16 is faster and moves scores: its predictions are kept apart."
    )
    triage_review_db: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL of the review database; if not set, review.sqlite in the store's folder, or in "
        "this user's data folder where the store is in a bucket.",
    )
    triage_joining: Joining = Field(
        Joining.INHERIT,
        description="inherit: a sequence that joins a labelled group gets its label; freeze: a validated group takes "
        "no new members, and assignment never labels.",
    )
    triage_iou_threshold: float = Field(
        IOU_THRESHOLD,
        ge=0,
        lt=1,
        description="A sequence joins the group whose region overlaps its box by more than this (IoU): docs/groups.md.",
    )
    triage_scoring_cluster: str | None = Field(
        None, description="Address of a Dask scheduler whose workers score; this process scores where it is not set."
    )

    triage_dagster_url: str = Field(
        DAGSTER_URL, description="Where people see Dagster's page, for links to it; it is never asked."
    )

    triage_trusted_proxy_header: str | None = Field(
        None, description="Header in which a proxy that knows people names the one who asks, like X-Forwarded-User."
    )
    triage_trusted_proxies: str = Field(
        "",
        description="Addresses and networks of proxies, separated by commas; only they are believed in that header, "
        "and in X-Forwarded-For and X-Forwarded-Proto.",
    )
    triage_trusted_proxy_role: Literal["viewer", "reviewer"] = Field(
        "viewer", description="What people whom a proxy names may do, if they have no account that says so."
    )

    @field_validator("triage_store")
    @classmethod
    def _expand_home(cls, value: str) -> str:
        try:
            check_location(value)
        except SettingsError as error:
            raise ValueError(f"expected {error.expected}") from None
        return value if "://" in value else str(Path(value).expanduser())

    @field_validator("triage_device")
    @classmethod
    def _check_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", value):
            raise ValueError("expected auto, cpu, cuda, cuda:1, mps or xpu")
        return value

    @field_validator("triage_dagster_url")
    @classmethod
    def _check_page(cls, value: str) -> str:
        parts = urlsplit(value)
        is_page = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        if not is_page or parts.username is not None or any(map(str.isspace, value)):
            raise ValueError("expected the address of a page, like https://dagster.example.org")
        return value.rstrip("/")

    @field_validator("triage_trusted_proxy_header")
    @classmethod
    def _check_header(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
            raise ValueError("expected the name of a header, like X-Forwarded-User")
        if value is not None and value.lower() in _BROWSERS_HEADERS:
            raise ValueError("every browser sends that header; expected one that the proxy alone sets")
        return value

    @field_validator("triage_trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        for each in _parse_networks(value):
            if each.prefixlen == 0:
                raise ValueError("that is everybody; expected the addresses of proxies, like 10.0.0.7,192.168.1.0/24")
        return value

    @field_validator("triage_scoring_cluster")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        wanted = "the address of a Dask scheduler, like tcp://scheduler:8786"
        address = value if "://" in value else f"tcp://{value}"
        parts = urlsplit(address)
        if parts.scheme in ("http", "https"):
            raise ValueError(f"that is a web page (the dashboard of Dask, perhaps); expected {wanted}")
        if parts.scheme not in ("tcp", "tls", "ws", "wss"):
            raise ValueError(f"expected {wanted}")
        if not parts.hostname or parts.port is None or parts.path or parts.query or " " in value:
            raise ValueError(f"expected a host and a port: {wanted}")
        return address

    @property
    def review_url(self) -> str:
        """The SQLAlchemy URL of the review database, which may hold a password. Raises `SettingsError`."""
        if self.triage_review_db is not None:
            return self.triage_review_db.get_secret_value()
        if "://" in self.triage_store:
            return f"sqlite:///{_local_folder(self.triage_store) / 'review.sqlite'}"
        return f"sqlite:///{Path(self.triage_store).absolute() / 'review.sqlite'}"

    @property
    def trusted_proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of TRIAGE_TRUSTED_PROXIES, in order; empty where it is not set."""
        return _parse_networks(self.triage_trusted_proxies)

    @property
    def runtime_choice(self) -> RuntimeChoice:
        """What the network is asked to run on."""
        return RuntimeChoice(self.triage_runtime, self.triage_device, self.triage_precision)

    @property
    def model_paths(self) -> tuple[Path, ...]:
        """The model packages named by TRIAGE_MODEL, in order; empty where it is not set."""
        names = (self.triage_model or "").split(os.pathsep)
        return tuple(Path(name).expanduser() for name in names if name.strip())


def load_settings(**given: object) -> Settings:
    """Read the settings; what a run was given for a field wins over them, unless it is None.

    Raises `SettingsError` naming each variable whose value cannot be used.
    """
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**known)
    except ValidationError as error:
        faults = [(str(fault["loc"][0]), fault["input"], fault["msg"]) for fault in error.errors()]
        places = {"the run's configuration" if name in known else "the environment or .env" for name, _, _ in faults}
        raise SettingsError(
            "A setting has a value that cannot be used",
            found="; ".join(_describe_fault(*fault) for fault in faults),
            do=f"Correct it in {' and in '.join(sorted(places))}.",
        ) from None


def _local_folder(store: str) -> Path:
    """Where this user keeps what belongs to a store in a bucket and cannot be there; by the rules of XDG."""
    data = os.environ.get("XDG_DATA_HOME")
    home = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
    place = store.rstrip("/")
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", place.partition("://")[2]).strip("-.")
    return home / "triage-assets" / f"{readable:.80}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _describe_fault(name: str, value: object, fault: str) -> str:
    fault = fault.removeprefix("Value error, ")
    shown = "" if name in _SECRETS else f" is {value!r}"
    return f"{name.upper()}{shown}: {fault[:1].lower()}{fault[1:]}"


def _parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def require_annotator(settings: Settings) -> Settings:
    """The same settings, proven to name an annotator and credentials. Raises `SettingsError` naming what is missing."""
    values = {
        "ANNOTATOR_API_URL": settings.annotator_api_url,
        "ANNOTATOR_API_LOGIN": settings.annotator_api_login,
        "ANNOTATOR_API_PASSWORD": settings.annotator_api_password,
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise SettingsError(
            "The annotator's address and credentials are needed",
            found=f"{', '.join(missing)} not set",
            expected="all three of " + ", ".join(values),
            do="Set them in the environment or in .env, or try everything with `make demo`.",
        )
    return settings
