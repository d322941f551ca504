"""The store in a bucket (S3): conditional puts in place of locks, and age in place of knowing who is alive.

What lives here: how a bucket keeps the promises of `store.Store` against kills, lost answers and other processes. What
does not: connecting and its errors (`bucket_client`), uploads in parts (`bucket_upload`), and what any object means.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from triage_assets.bucket_client import NOT_ALLOWED, Bucket, code_of
from triage_assets.bucket_conditions import PROBE, is_taken, prove_conditional_completion, prove_conditional_puts
from triage_assets.bucket_upload import NewBucketObject
from triage_assets.errors import StoreError, StoreUnwritable
from triage_assets.store import NewObject, Store, StoredObject, ends_early

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef, ResponseMetadataTypeDef

logger = logging.getLogger(__name__)

# What nobody has named or touched for so long is a dead writer's (docs/decisions/0012): a living one names its object
# within seconds of its commit, and sends a part at least once in the time that 8 MiB take it to fetch.
LEFTOVER_AGE = timedelta(days=1)

_READS = 4
_UPDATES = 50
_LONGEST_PAUSE_SECONDS = 2.0
_WRITES = "writes"
# How many writers may get in between a put and the next look at the object without our put being forgotten.
_REMEMBERED_WRITES = 32
_MISSING = frozenset({"NoSuchKey", "404"})
# What each request for the removal of unfinished uploads takes.
_TO_REMOVE_UPLOADS = {
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}


@dataclass(frozen=True, slots=True)
class _Version:
    """An object as it was found: its bytes, the name of this version, and the tokens of its last updates."""

    data: bytes
    etag: str
    writes: tuple[str, ...]


class BucketStore(Store):
    """A store at ``s3://bucket/prefix``. Threads may share it; another process opens its own."""

    # A request takes about 30 ms, in which 1 MiB comes at 35 MB/s.
    read_ahead_bytes = 2**20

    def __init__(self, location: str) -> None:
        self._bucket = Bucket(location)
        self.location = self._bucket.location
        self._proofs: set[Callable[[Bucket], None]] = set()
        self._proving = threading.Lock()

    def __reduce__(self) -> tuple[type["BucketStore"], tuple[str]]:
        """Mean the same place, with the credentials of whoever unpickles it."""
        return BucketStore, (self.location,)

    @override
    def read(self, path: str) -> bytes:
        found = self._fetch(path)
        if found is None:
            raise self._missing(path)
        return found.data

    @override
    def read_or_none(self, path: str) -> bytes | None:
        found = self._fetch(path)
        return None if found is None else found.data

    @override
    def read_range(self, path: str, offset: int, size: int) -> bytes:
        # No range is empty; its neighbour tells as well whether it is inside.
        found = self._fetch(path, f"bytes={offset}-{offset + max(size, 1) - 1}")
        if found is None:
            raise self._missing(path)
        data = found.data[:size]
        if len(data) != size:
            raise ends_early(self, path, offset, len(data), size)
        return data

    @override
    def find(self, path: str) -> StoredObject | None:
        key = self._bucket.key(path)
        with self._bucket.asking(f"look up {path}"):
            try:
                answer = self._look_up(key)
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise
        total = answer.get("ContentRange", "").rpartition("/")[2]
        size_bytes = int(total) if total.isdecimal() else answer["ContentLength"]
        return StoredObject(path, size_bytes, answer["LastModified"], answer["ETag"])

    @override
    def list(self, prefix: str) -> Iterator[StoredObject]:
        for _, objects in self._pages(prefix, delimiter=""):
            yield from objects

    @override
    def write(self, path: str, data: bytes) -> None:
        key = self._bucket.key(path)
        with self._bucket.asking(f"write {path}", StoreUnwritable) as client:
            client.put_object(Bucket=self._bucket.name, Key=key, Body=data)

    @override
    def update(self, path: str, change: Callable[[bytes | None], bytes]) -> bytes:
        key, token, written = self._bucket.key(path), secrets.token_hex(8), b""
        self._require(prove_conditional_puts)
        for attempt in range(_UPDATES):
            present = self._fetch(path)
            if present is not None and token in present.writes:
                return written  # it was the answer that was lost
            written = change(None if present is None else present.data)
            if self._put_over(path, key, present, written, token):
                return written
            pause_seconds = min(0.02 * 2**attempt, _LONGEST_PAUSE_SECONDS)
            time.sleep(random.uniform(0, pause_seconds))  # noqa: S311
        raise StoreUnwritable(
            f"Cannot update {path} in the store {self.location}",
            found=f"another writer that was faster, {_UPDATES} times in a row",
            do="Run again when fewer others write.",
        )

    @override
    def new_object(self, path: str) -> NewObject:
        new = NewBucketObject(self._bucket, path)
        self._require(prove_conditional_puts)
        self._require(prove_conditional_completion)
        return new

    @override
    def delete(self, path: str) -> None:
        key = self._bucket.key(path)
        with self._bucket.asking(f"delete {path}", StoreUnwritable) as client:
            client.delete_object(Bucket=self._bucket.name, Key=key)

    @override
    def sweep(self, prefix: str, read_live: Callable[[], Container[str]]) -> tuple[str, ...]:
        self._bucket.key(prefix)  # the store as a whole is no folder to sweep
        removed = []
        known: Container[str] | None = None
        for now, objects in self._pages(prefix, delimiter="/"):
            for found in objects:
                if found.changed_at is None or found.changed_at > now - LEFTOVER_AGE:
                    continue
                known = read_live() if known is None else known
                # Another sweep may have removed it by now, and a writer put another one in its place.
                if found.path not in known and found.path not in read_live() and self.find(found.path) == found:
                    self.delete(found.path)
                    removed.append(found.path)
        return (*removed, *self.sweep_unfinished(prefix))

    @override
    def sweep_unfinished(self, prefix: str) -> tuple[str, ...]:
        self._bucket.key(prefix)
        removed = []
        try:
            pages = self._bucket.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket.name, Prefix=self._bucket.prefix(prefix), Delimiter="/"
            )
            for page in pages:
                oldest = _answered_at(page["ResponseMetadata"]) - LEFTOVER_AGE
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] <= oldest and self._stands_still(upload["Key"], upload["UploadId"], oldest):
                        self._bucket.client.abort_multipart_upload(
                            Bucket=self._bucket.name, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        removed.append(self._bucket.path(upload["Key"]))
        except (ClientError, BotoCoreError) as error:
            # They cost space and nothing else. Not every server lists them, and not everybody who writes may.
            _warn_once(f"Unfinished uploads in {self.location} cannot be removed: {error}. {_remedy(error)}")
        return tuple(removed)

    def _look_up(self, key: str) -> "GetObjectOutputTypeDef | HeadObjectOutputTypeDef":
        """What there is to know of an object. Unlike a HEAD, a GET says what is wrong: also that there is no bucket."""
        try:
            answer = self._get(key, "bytes=0-0")
            answer["Body"].read()  # what is left unread would cost the connection
        except ClientError as error:
            if code_of(error) != "InvalidRange":  # of an empty object alone
                raise
            return self._bucket.client.head_object(Bucket=self._bucket.name, Key=key)
        return answer

    def _stands_still(self, key: str, upload_id: str, since: datetime) -> bool:
        """Whether no part of an upload has come since then."""
        pages = self._bucket.client.get_paginator("list_parts").paginate(
            Bucket=self._bucket.name, Key=key, UploadId=upload_id
        )
        return all(part["LastModified"] <= since for page in pages for part in page.get("Parts", ()))

    def _require(self, proof: Callable[[Bucket], None]) -> None:
        """Hold the bucket to what it must be able to do, once."""
        with self._proving:
            if proof not in self._proofs:
                proof(self._bucket)
                self._proofs.add(proof)

    def _put_over(self, path: str, key: str, present: _Version | None, data: bytes, token: str) -> bool:
        """Put the object in the place of one version, or of none; False where that is not there any more."""
        writes = [*(present.writes if present else ()), token][-_REMEMBERED_WRITES:]
        metadata = {_WRITES: " ".join(writes)}
        with self._bucket.asking(f"write {path}", StoreUnwritable) as client:
            try:
                if present is None:
                    client.put_object(Bucket=self._bucket.name, Key=key, Body=data, Metadata=metadata, IfNoneMatch="*")
                else:
                    client.put_object(
                        Bucket=self._bucket.name, Key=key, Body=data, Metadata=metadata, IfMatch=present.etag
                    )
            except ClientError as error:
                if is_taken(error) or (present is not None and code_of(error) in _MISSING):
                    return False
                raise
        return True

    def _fetch(self, path: str, byte_range: str | None = None) -> _Version | None:
        """The object, or a range of it that ends with the object at the latest; None where there is none."""
        key = self._bucket.key(path)
        with self._bucket.asking(f"read {path}"):
            for attempt in range(1, _READS + 1):
                try:
                    answer = self._get(key, byte_range)
                except ClientError as error:
                    if code_of(error) in _MISSING:
                        return None
                    if code_of(error) == "InvalidRange":  # it begins after the last byte
                        return _Version(b"", "", ())
                    raise
                try:
                    data = answer["Body"].read()
                except BotoCoreError as error:
                    # Cut in the middle, or damaged: botocore repeats requests, and not the reading of answers.
                    if attempt == _READS:
                        raise
                    logger.info("Reading %s/%s again: %s", self.location, path, error)
                else:
                    return _Version(data, answer["ETag"], tuple(answer["Metadata"].get(_WRITES, "").split()))
        raise AssertionError

    def _get(self, key: str, byte_range: str | None) -> "GetObjectOutputTypeDef":
        if byte_range is None:
            return self._bucket.client.get_object(Bucket=self._bucket.name, Key=key)
        return self._bucket.client.get_object(Bucket=self._bucket.name, Key=key, Range=byte_range)

    def _pages(self, folder: str, delimiter: str) -> Iterator[tuple[datetime, Sequence[StoredObject]]]:
        """The objects below a folder, or with a delimiter directly in it, and the server's time of each page."""
        prefix = self._bucket.prefix(folder)
        with self._bucket.asking(f"list {folder or 'everything'}") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=prefix, Delimiter=delimiter
            )
            for page in pages:
                objects = [
                    # Some servers list milliseconds, which no other answer has.
                    StoredObject(
                        self._bucket.path(found["Key"]),
                        found["Size"],
                        found["LastModified"].replace(microsecond=0),
                        found["ETag"],
                    )
                    for found in page.get("Contents", ())
                    if not found["Key"].endswith("/")  # what some browsers put for an empty folder
                ]
                yield _answered_at(page["ResponseMetadata"]), [found for found in objects if found.path != PROBE]

    def _missing(self, path: str) -> StoreError:
        return StoreError(f"{self.location} has no {path}", do="Run `triage run` to produce it, or check TRIAGE_STORE.")


@cache
def _warn_once(text: str) -> None:
    """Log it the first time that this process has to: each folder of a store is swept, for many a store is opened."""
    logger.warning("%s", text)


def _remedy(error: ClientError | BotoCoreError) -> str:
    """What to do where unfinished uploads cannot be removed."""
    rule = "a rule of the bucket that aborts incomplete multipart uploads"
    needed = _TO_REMOVE_UPLOADS.get(error.operation_name) if isinstance(error, ClientError) else None
    if isinstance(error, ClientError) and code_of(error) in NOT_ALLOWED and needed:
        return f"Ask for {needed}, or for {rule}."
    return f"{rule.capitalize()} does it as well."


def _answered_at(answer: "ResponseMetadataTypeDef") -> datetime:
    """The server's clock, by which it dates its objects."""
    date = answer["HTTPHeaders"].get("date")
    return datetime.now(UTC) if date is None else parsedate_to_datetime(date)
