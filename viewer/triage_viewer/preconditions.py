"""Entity tags: what a browser has seen of what it is about to change.

What lives here: the headers ETag, If-Match and If-None-Match (RFC 9110) as revisions. What does not: comparing them,
which happens inside the write transaction (`triage_assets.groups.seen`).
"""

import re
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Response

from triage_assets.groups.seen import Seen

# A proxy that compresses an answer makes its tag a weak one; the revision is the same.
_TAG = re.compile(r'(?:W/)?"(\d{1,19})"')


TAGGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "ETag": {
                "description": "The revision that this is of, for If-Match.",
                "required": True,
                "schema": {"type": "string"},
            }
        }
    }
}
"""What a route whose answer has a tag declares, among its ``responses``."""


def tag(response: Response, revision: int) -> None:
    """Name the revision that an answer is of."""
    response.headers["ETag"] = f'"{revision}"'


def _seen(
    if_match: Annotated[
        str | None,
        Header(description="The ETag of what is to be changed: where it is another by now, nothing is done."),
    ] = None,
) -> Seen | None:
    if if_match is None:
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        raise HTTPException(422, 'If-Match: expected the ETag of an answer, like "17".')
    return Seen(int(found[1]))


def _seen_or_nothing(
    seen: Annotated[Seen | None, Depends(_seen)],
    if_none_match: Annotated[str | None, Header(description="`*`: where there is one by now, nothing is done.")] = None,
) -> Seen | None:
    if if_none_match is None:
        return seen
    if if_none_match.strip() != "*" or seen is not None:
        raise HTTPException(422, "If-None-Match: expected * alone, and no If-Match.")
    return Seen(None)


IfSeen = Annotated[Seen | None, Depends(_seen)]
IfSeenOrNothing = Annotated[Seen | None, Depends(_seen_or_nothing)]
