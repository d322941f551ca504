"""An object on its way into a bucket: uploaded in parts while it is being written, and named at the end or never.

What lives here: parts, how many are in memory, and how the name is taken. What does not: the store's other promises.
"""

import logging
import secrets
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from triage_assets.bucket_client import Bucket, code_of
from triage_assets.bucket_conditions import is_taken
from triage_assets.errors import ObjectExists, StoreUnwritable
from triage_assets.store import NewObject

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

logger = logging.getLogger(__name__)

# Parts are at least 5 MiB, at most 10,000, and some servers want all but the last to be of one size: 80 GiB an object.
PART_BYTES = 8 * 2**20
# With the one that is being filled, 40 MiB an object. A part takes a tenth of a second at 80 MB/s.
_PARTS_IN_FLIGHT = 4
_WRITER = "writer"


class NewBucketObject(NewObject):
    """Nothing is sent before a part is full; what is smaller than one is put at once by `commit`.

    Its metadata say who wrote it: an answer that is lost, and a request that is sent again for that, would otherwise
    look like another writer's success.
    """

    def __init__(self, bucket: Bucket, path: str) -> None:
        self.path = path
        self._bucket = bucket
        self._key = bucket.key(path)
        self._token = secrets.token_hex(8)
        self._part = bytearray()
        self._upload: _Upload | None = None
        self._is_committed = False

    @override
    def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        for buffer in buffers:
            rest = memoryview(buffer)
            while len(rest):
                taken = rest[: PART_BYTES - len(self._part)]
                rest = rest[len(taken) :]
                self._part += taken
                if len(self._part) == PART_BYTES:
                    self._send_part()

    @override
    def commit(self) -> None:
        with self._bucket.asking(f"write {self.path}", StoreUnwritable) as client:
            try:
                if self._upload is not None:
                    if self._part:
                        self._send_part()
                    self._upload.complete()
                else:
                    client.put_object(
                        Bucket=self._bucket.name,
                        Key=self._key,
                        Body=bytes(self._part),
                        Metadata={_WRITER: self._token},
                        IfNoneMatch="*",
                    )
            except ClientError as error:
                if code_of(error) != "NoSuchUpload" and not is_taken(error):
                    raise
                self._require_ours(error)
        self._is_committed = True
        self._part = bytearray()

    @override
    def close(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.close(abort=not self._is_committed)

    def _send_part(self) -> None:
        with self._bucket.asking(f"write {self.path}", StoreUnwritable):
            if self._upload is None:
                self._upload = _Upload(self._bucket, self._key, {_WRITER: self._token})
            part, self._part = self._part, bytearray()
            self._upload.add(bytes(part))

    def _require_ours(self, refusal: ClientError) -> None:
        """Tell a commit that has happened from one that another writer has prevented. Raises `StoreError`."""
        with self._bucket.asking(f"write {self.path}", StoreUnwritable) as client:
            try:
                found = client.head_object(Bucket=self._bucket.name, Key=self._key)["Metadata"]
            except ClientError as error:
                if code_of(error) not in ("404", "NoSuchKey"):
                    raise
                found = None
        if found is not None and found.get(_WRITER) == self._token:
            return
        if found is None and code_of(refusal) == "NoSuchUpload":
            raise StoreUnwritable(
                f"The upload of {self.path} to the store {self._bucket.location} was removed",
                found="an upload that stood still for a day, or was ended by hand",
                do="Run again: what was finished is kept.",
            ) from refusal
        raise ObjectExists(
            f"{self._bucket.location}/{self.path} exists already: another run writes the same",
            do="Wait for it to end, then run again.",
        ) from refusal


class _Upload:
    """A multipart upload, and the threads that send its parts."""

    def __init__(self, bucket: Bucket, key: str, metadata: dict[str, str]) -> None:
        self._bucket = bucket
        self._key = key
        self._id = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key, Metadata=metadata)["UploadId"]
        self._senders = ThreadPoolExecutor(_PARTS_IN_FLIGHT, "upload")
        self._sending: deque[Future[CompletedPartTypeDef]] = deque()
        self._sent: list[CompletedPartTypeDef] = []

    def add(self, part: bytes) -> None:
        """Send a part, once the oldest has arrived where too many are under way. Raises what a part ended in."""
        if len(self._sending) == _PARTS_IN_FLIGHT:
            self._await_oldest()
        number = 1 + len(self._sent) + len(self._sending)
        self._sending.append(self._senders.submit(self._send, number, part))

    def complete(self) -> None:
        """Make the parts one object, if there is none of its name."""
        while self._sending:
            self._await_oldest()
        self._bucket.client.complete_multipart_upload(
            Bucket=self._bucket.name,
            Key=self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": self._sent},
            IfNoneMatch="*",
        )

    def close(self, *, abort: bool) -> None:
        """End the threads; with ``abort`` the parts go, at the latest with a sweep."""
        self._senders.shutdown(cancel_futures=True)
        if not abort:
            return
        try:
            self._bucket.client.abort_multipart_upload(Bucket=self._bucket.name, Key=self._key, UploadId=self._id)
        except (ClientError, BotoCoreError) as error:
            logger.warning("The parts of %s stay in the bucket until a sweep: %s", self._key, error)

    def _await_oldest(self) -> None:
        self._sent.append(self._sending[0].result())  # one that failed stays, so that nothing is made without it
        self._sending.popleft()

    def _send(self, number: int, part: bytes) -> "CompletedPartTypeDef":
        answer = self._bucket.client.upload_part(
            Bucket=self._bucket.name, Key=self._key, UploadId=self._id, PartNumber=number, Body=part
        )
        return {"ETag": answer["ETag"], "PartNumber": number}
