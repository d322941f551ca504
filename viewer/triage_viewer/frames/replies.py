"""Bytes as HTTP answers: tags, parts, and how long a browser may keep them.

What lives here: the headers of frames and pictures. What does not: where their bytes come from.
"""

import re

from fastapi import Response
from starlette.datastructures import Headers

# Kept, and asked about each time, which is answered with the tag alone: an id is one annotator's, and another store may
# be served under this address tomorrow. `private`: no proxy keeps what one must log in to see.
_IF_THE_SAME = "private, no-cache"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def media_type_of(data: bytes) -> str:
    """What the first bytes say, whatever any name says."""
    for magic, media_type in _MAGIC.items():
        if data.startswith(magic):
            return media_type
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else "application/octet-stream"


def is_known(headers: Headers, etag: str) -> bool:
    """Whether the browser has these bytes already."""
    given = headers.get("if-none-match", "")
    return given.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in given.split(","))


def not_modified(etag: str) -> Response:
    """The answer to a browser that has the bytes."""
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": _IF_THE_SAME})


def reply_with(data: bytes, media_type: str, etag: str | None, headers: Headers) -> Response:
    """The bytes, or the part of them that is asked for. Without a tag they are not to be kept."""
    sent = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store" if etag is None else _IF_THE_SAME,
        "X-Content-Type-Options": "nosniff",
    }
    if etag is not None:
        sent["ETag"] = etag
    asked = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    # Several parts at once, and what is no range at all, are answered with the whole, as the standard allows.
    if asked is None or asked.groups() == ("", "") or headers.get("if-range", etag) != etag:
        return Response(data, media_type=media_type, headers=sent)
    part = _part(len(data), *asked.groups())
    if part is None:
        return Response(status_code=416, headers={**sent, "Content-Range": f"bytes */{len(data)}"})
    sent["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    return Response(data[part.start : part.stop], 206, media_type=media_type, headers=sent)


def _part(size: int, first: str, last: str) -> range | None:
    """The bytes from first to last, or the last ones where there is no first; None where there is no such byte."""
    if not first:
        part = range(max(0, size - int(last)), size)
    else:
        part = range(int(first), min(size, int(last) + 1) if last else size)
    return part if part.start < part.stop else None
