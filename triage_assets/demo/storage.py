"""The demo's object storage: signed addresses that need no token, and the pictures behind them.

What lives here: signatures, ranges and storage errors. What does not: rendering and caching (`pictures`).
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from concurrent.futures import Executor
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from triage_assets.demo.backlog import DemoBacklog, DemoDetection
from triage_assets.demo.faults import Faults
from triage_assets.demo.pictures import PictureCache, spoil

_BUCKET = "annotation-api"
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"


class PictureStorage:
    """Signs picture paths and answers requests for them."""

    def __init__(self, backlog: DemoBacklog, pictures: PictureCache, faults: Faults, url_seconds: int) -> None:
        self._backlog = backlog
        self._pictures = pictures
        self._faults = faults
        self._url_seconds = url_seconds
        self._secret = secrets.token_bytes(16)

    def sign(self, detection: DemoDetection) -> str:
        """Path and query of a detection's picture, valid for a while."""
        path = f"/{_BUCKET}/{detection.bucket_key}"
        signed = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": "demo/local/s3/aws4_request",
            "X-Amz-Date": datetime.now(UTC).strftime(_TIME_FORMAT),
            "X-Amz-Expires": str(self._url_seconds),
            "X-Amz-SignedHeaders": "host",
        }
        signed["X-Amz-Signature"] = self._signature(path, signed)
        return f"{path}?{urlencode(signed)}"

    async def answer(self, path: str, query: str, wanted_range: str | None, renderers: Executor) -> web.Response:
        """The picture, part of it, or the storage's error; rendering happens in ``renderers``."""
        signed = {name: values[-1] for name, values in parse_qs(query).items()}
        given = signed.pop("X-Amz-Signature", "")
        if not hmac.compare_digest(given.encode(), self._signature(path, signed).encode()):
            return storage_error(403, "SignatureDoesNotMatch", "The request signature does not match")
        signed_at = datetime.strptime(signed["X-Amz-Date"], _TIME_FORMAT).replace(tzinfo=UTC)
        if (datetime.now(UTC) - signed_at).total_seconds() >= int(signed["X-Amz-Expires"]):
            return storage_error(403, "AccessDenied", "Request has expired")
        detection = self._backlog.detection(int(path.rsplit("_det", 1)[1].split("_")[0]))
        if detection is None or detection.id in self._faults.image_missing:
            return storage_error(404, "NoSuchKey", "The specified key does not exist.")
        data = self._pictures.remembered(detection.picture)
        if data is None:
            loop = asyncio.get_running_loop()
            data = await loop.run_in_executor(renderers, self._pictures.fetch, detection.picture)
        how = self._faults.content.get(detection.id)
        return _serve_bytes(data if how is None else spoil(data, how), wanted_range)

    def _signature(self, path: str, signed: dict[str, str]) -> str:
        return hmac.new(self._secret, f"{path}?{urlencode(signed)}".encode(), hashlib.sha256).hexdigest()


def storage_error(status: int, code: str, message: str) -> web.Response:
    """An error in the form that object stores give."""
    body = f"{_XML_HEAD}<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


def _serve_bytes(data: bytes, wanted: str | None) -> web.Response:
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    headers = {"Content-Type": "binary/octet-stream", "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
    if asked is None:
        # Like object stores, give the whole to whoever asks for a range in a form that is not understood.
        return web.Response(body=data, headers=headers)
    start = int(asked[1])
    end = min(len(data) - 1, int(asked[2])) if asked[2] else len(data) - 1
    if start > end:
        return storage_error(416, "InvalidRange", "The requested range is not satisfiable")
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return web.Response(status=206, body=data[start : end + 1], headers=headers)
