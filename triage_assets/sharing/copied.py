"""`copied.json`: the digests of what copies have ever put into a store, which tell copies from what was made there.

What lives here: that record, and what it says of two states of the same tables: whether one was made there, is older,
or nobody can tell. What does not: the tables (`tables`).
"""

import json
from collections.abc import Iterable, Mapping
from enum import Enum

from pydantic import BaseModel, ValidationError

from triage_assets.errors import StoreError
from triage_assets.sharing.records import Digests
from triage_assets.store import Store, check_format_version

RECORD = "copied.json"
_VERSION = 1

Histories = Mapping[str, list[str]]
"""By path, the sha256 in hex of everything that copies have put there, or were about to, the last first."""


class CopiedRecord(BaseModel):
    """What `RECORD` says."""

    format_version: int = _VERSION
    tables: dict[str, list[str]] = {}


class Kept(Enum):
    """Why tables of a store are not replaced by those of another, as a reader is told it."""

    MADE_THERE = "they were made there, not copied"
    NEWER = "what is there has replaced these before"
    UNTOLD = "these are themselves only copied, and of another state than what is there"
    OTHER_BACKLOG = "they are of the backlog there"


def read_copied(store: Store) -> Histories:
    """The store's record, empty where nothing was copied into it. Raises `StoreError`, and `NewerFormat`."""
    return _decode(store, store.read_or_none(RECORD))


def find_kept(present: Mapping[str, str | None], incoming: Digests, theirs: Histories, ours: Histories) -> Kept | None:
    """Why the present tables are to be kept; None where the incoming ones are newer, or where there are none.

    They differ, and are of one state on either side. ``theirs`` is the record of the store that is copied into,
    ``ours`` that of the one that is copied. What a store has made itself is newer than what is there, unless it was
    there before: a producer that returns to an earlier state in every byte cannot be told from an old copy of it.
    """
    there = {path: digest for path, digest in present.items() if digest is not None}
    if not there:
        return None
    if any(digest not in theirs.get(path, ()) for path, digest in there.items()):
        return Kept.MADE_THERE
    if all(_is_older(incoming[path], digest, theirs.get(path, ())) for path, digest in there.items()):
        return Kept.NEWER
    is_copied = all(incoming[path] in ours.get(path, ()) for path in there)
    is_known = all(_is_older(digest, incoming[path], ours.get(path, ())) for path, digest in there.items())
    return Kept.UNTOLD if is_copied and not is_known else None


def remember(destination: Store, digests: Digests, ours: Histories) -> None:
    """Note what is about to be put there, before what was there, and before what the source had before.

    So a copy of a copy knows the states that only went by. Who is killed leaves what is there known too.
    """

    def change(data: bytes | None) -> bytes:
        tables = dict(_decode(destination, data))
        for path, digest in digests.items():
            tables[path] = list(dict.fromkeys([digest, *tables.get(path, ()), *ours.get(path, ())]))
        return CopiedRecord(tables=dict(sorted(tables.items()))).model_dump_json(indent=1).encode() + b"\n"

    destination.update(RECORD, change)


def _is_older(one: str, other: str, history: Iterable[str]) -> bool:
    places = {digest: place for place, digest in enumerate(history)}
    return one in places and other in places and places[one] > places[other]


def _decode(store: Store, data: bytes | None) -> Histories:
    if data is None:
        return {}
    try:
        content = json.loads(data)
        check_format_version(store, RECORD, content.get("format_version"), _VERSION)
        return CopiedRecord.model_validate(content).tables
    except (ValueError, AttributeError, ValidationError) as error:
        raise StoreError(
            f"{store.location}/{RECORD} cannot be read",
            found=" ".join(str(error).split())[:200],
            do="Delete it: then the tables beside it count as made there.",
        ) from None
