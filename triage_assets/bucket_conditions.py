"""Conditional puts: how a bucket says that another writer was faster, and the proof that it can say so.

What lives here: what both kinds of writing (`bucket_store`, `bucket_upload`) build on to never overwrite what another
process wrote. What does not: writing itself.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from triage_assets.bucket_client import Bucket, code_of
from triage_assets.errors import StoreUnwritable

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef

PROBE = ".conditional-put-probe"

_NO_ETAG = f'"{"0" * 32}"'
# 409 is the answer while another conditional put of the same key is under way.
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_NOT_IMPLEMENTED = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "501"})


def is_taken(error: ClientError) -> bool:
    """Whether a conditional put was refused because the object is not, or no longer, as it was expected."""
    return code_of(error) in _TAKEN


def prove_conditional_puts(bucket: Bucket) -> None:
    """Put an object whose name is free for that under two conditions that do not hold. Raises `StoreUnwritable`.

    Some servers do not know these conditions, and most of those ignore them.
    """
    key = bucket.key(PROBE)
    with bucket.asking("write", StoreUnwritable) as client:
        client.put_object(Bucket=bucket.name, Key=key, Body=b"")
        _prove(bucket, lambda: client.put_object(Bucket=bucket.name, Key=key, Body=b"", IfNoneMatch="*"))
        _prove(bucket, lambda: client.put_object(Bucket=bucket.name, Key=key, Body=b"", IfMatch=_NO_ETAG))


def prove_conditional_completion(bucket: Bucket) -> None:
    """The same for what was uploaded in parts. Raises `StoreUnwritable`."""
    name, key = bucket.name, bucket.key(PROBE)
    with bucket.asking("write", StoreUnwritable) as client:
        upload = client.create_multipart_upload(Bucket=name, Key=key)["UploadId"]
        etag = client.upload_part(Bucket=name, Key=key, UploadId=upload, PartNumber=1, Body=b"0")["ETag"]
        parts: CompletedMultipartUploadTypeDef = {"Parts": [{"ETag": etag, "PartNumber": 1}]}
        _prove(
            bucket,
            lambda: client.complete_multipart_upload(
                Bucket=name, Key=key, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
            ),
        )
        client.abort_multipart_upload(Bucket=name, Key=key, UploadId=upload)


def _prove(bucket: Bucket, put: Callable[[], object]) -> None:
    try:
        put()
    except ClientError as error:
        if is_taken(error):
            return
        if code_of(error) not in _NOT_IMPLEMENTED:
            raise
    raise StoreUnwritable(
        f"The bucket of {bucket.location} has no conditional puts (If-None-Match and If-Match)",
        found="an object that was overwritten or refused although the condition did not hold",
        expected="the answer 412, as of Amazon S3",
        do="Two runs at once could overwrite each other's catalog and lose shards, so nothing but the probe was "
        "written. Name a bucket that has them, or a folder, in TRIAGE_STORE; reading this store works.",
    )
