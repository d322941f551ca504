"""Speaking to one prefix of a bucket: its client, its keys, and its errors in this project's sentences.

What lives here: what boto3 is asked for, and what each refusal means to whoever reads it. What does not: what a store
promises (`bucket_store`).
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)
from botocore.exceptions import ConnectionError as ConnectionFailed

from triage_assets.errors import SettingsError, StoreError
from triage_assets.store import path_parts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEPT = "what was finished is kept"
_CREDENTIALS = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or give this machine a role."
_RENEW = f"Renew the credentials (as with `aws sso login`), then run again: {_KEPT}."
_REACH = f"Check the network and AWS_ENDPOINT_URL, then run again: {_KEPT}."
_ALLOW = (
    "Ask for s3:ListBucket and s3:GetObject; to write also for s3:PutObject, s3:DeleteObject and "
    "s3:AbortMultipartUpload."
)
_LATER = f"Run again later: {_KEPT}."

NOT_ALLOWED = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden", "403"})
# What the answer says, what that means, and what to do about it.
_REFUSALS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"NoSuchBucket"}), "no such bucket", "Correct the address (TRIAGE_STORE), or AWS_ENDPOINT_URL."),
    (NOT_ALLOWED, "these credentials are not allowed to", _ALLOW),
    (
        frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "Unauthorized", "401"}),
        "the credentials are not accepted",
        _CREDENTIALS,
    ),
    (
        frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}),
        "the credentials have expired",
        _RENEW,
    ),
    (frozenset({"RequestTimeTooSkewed"}), "this machine's clock is wrong", "Set the clock."),
    (
        frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301"}),
        "the bucket is in another region",
        "Set AWS_DEFAULT_REGION to the bucket's.",
    ),
    (
        frozenset({"SlowDown", "ServiceUnavailable", "RequestTimeout", "InternalError", "500", "502", "503", "504"}),
        "the bucket does not keep up, after every retry",
        _LATER,
    ),
)
_FAILURES: tuple[tuple[type[BotoCoreError], str, str], ...] = (
    (NoCredentialsError, "no credentials", _CREDENTIALS),
    (PartialCredentialsError, "half of the credentials", _CREDENTIALS),
    (ProfileNotFound, "an AWS_PROFILE that the configuration does not have", "Correct AWS_PROFILE."),
    (CredentialRetrievalError, "credentials that cannot be fetched", _RENEW),
    (SSOError, "a login that is over", _RENEW),
    (HTTPClientError, "no connection", _REACH),
    (ConnectionFailed, "no connection", _REACH),
    (ParamValidationError, "a name that no bucket can have", "Correct the address (TRIAGE_STORE)."),
)


class Bucket:
    """One prefix of a bucket. Credentials, endpoint and region are found as every program on boto3 finds them."""

    def __init__(self, location: str) -> None:
        name, _, prefix = location.removeprefix("s3://").partition("/")
        folders = prefix.strip("/").split("/") if prefix.strip("/") else []
        if not name or any(folder in ("", ".", "..") for folder in folders):
            raise SettingsError(
                "The address of a store names no place in a bucket",
                found=location,
                expected="s3://bucket or s3://bucket/prefix",
                do="Correct the address (TRIAGE_STORE).",
            )
        self.name = name
        self.location = "/".join(["s3:/", name, *folders])
        self._folders = folders
        self._lock = threading.Lock()
        self._client: S3Client | None = None

    @property
    def client(self) -> "S3Client":
        """The client, which threads may share. Raises `SettingsError` for an address that is none."""
        with self._lock:
            if self._client is None:
                session = botocore.session.get_session()
                session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
                # Retries are left to AWS_MAX_ATTEMPTS and AWS_RETRY_MODE; botocore's own are five. Its 60 s to connect
                # would make that five minutes for an address where nothing answers.
                config = Config(connect_timeout=10, max_pool_connections=32)
                # boto3 alone does not know the name that other programs and many a container have for it.
                region = session.get_config_variable("region") or os.environ.get("AWS_REGION")
                try:
                    self._client = boto3.Session(botocore_session=session).client("s3", region, config=config)
                except ValueError as error:
                    raise SettingsError(
                        "The address of the bucket's server cannot be used",
                        found=str(error),
                        do="Correct AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_S3.",
                    ) from None
            return self._client

    def key(self, path: str) -> str:
        """The key of a path of the store. Raises `StoreError` for one that leaves it."""
        return "/".join([*self._folders, *path_parts(path)])

    def prefix(self, folder: str) -> str:
        """What the keys of everything below a folder begin with; all that is in the store for the empty one."""
        return "/".join([*self._folders, *(path_parts(folder) if folder else ()), ""])

    def path(self, key: str) -> str:
        """The path of a key."""
        return key[len(self.prefix("")) :]

    @contextmanager
    def asking(self, act: str, kind: type[StoreError] = StoreError) -> Iterator["S3Client"]:
        """The client; what it raises becomes a ``kind`` of error that begins with "Cannot" and the act."""
        try:
            yield self.client
        except (ClientError, BotoCoreError) as error:
            found, do = _explain(error)
            raise kind(f"Cannot {act} in the store {self.location}", found=found, do=do) from error


@cache
def _loader(data_path: str | None) -> botocore.loaders.Loader:
    """What reads botocore's description of S3: 80 ms of work, and a run opens its store for every organization."""
    return botocore.loaders.create_loader(data_path)


def code_of(error: ClientError) -> str:
    """The word for what went wrong, or the status where the answer has no other."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _explain(error: ClientError | BotoCoreError) -> tuple[str, str | None]:
    if isinstance(error, ClientError):
        said = f"{code_of(error)}: {error.response.get('Error', {}).get('Message', '')}"
        for codes, found, do in _REFUSALS:
            if code_of(error) in codes:
                return f"{found} ({said:.200})", do
        return f"{said:.200}", None
    for kind, found, do in _FAILURES:
        if isinstance(error, kind):
            return f"{found} ({' '.join(str(error).split()):.200})", do
    return f"{' '.join(str(error).split()):.200}", None
