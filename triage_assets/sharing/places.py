"""Whether one store may be copied into another, before anything is written.

What lives here: refusing places that are the same, inside each other, no store, or another annotator's; and which
organizations are meant. What does not: opening stores, and copying.
"""

from collections.abc import Sequence
from pathlib import Path

from triage_assets.annotator.snapshot import stored_keys
from triage_assets.errors import SettingsError, StoreError, StoreMismatch
from triage_assets.shards.catalog import stored_organizations
from triage_assets.sharing.copied import RECORD
from triage_assets.store import Store
from triage_assets.stored_backlogs import select_organizations

# What a viewer that was opened first has left in an empty folder.
_REVIEW_DATABASE = "review.sqlite"
_FOLDERS = ("sequences", "shards", "predictions")


def require_apart(source: Store, destination: Store) -> None:
    """Refuse a copy of a store onto itself, or into a folder inside it. Raises `SettingsError`."""
    ours, theirs = _parts(source.location), _parts(destination.location)
    shorter = min(len(ours), len(theirs))
    if ours[:shorter] != theirs[:shorter]:
        return
    same = len(ours) == len(theirs)
    raise SettingsError(
        "A store cannot be copied onto itself" if same else "One of the two stores is inside the other",
        found=source.location if same else f"{source.location} and {destination.location}",
        expected="two places beside each other",
        do="Name another place, or correct TRIAGE_STORE.",
    )


def require_store(source: Store) -> str | None:
    """The annotator that the source is of, None where all of it was imported.

    Raises `StoreError` for what is no store, and `NewerFormat`.
    """
    annotator = source.annotator()
    if annotator is None and not _is_store(source):
        raise StoreError(
            f"{source.location} is no store",
            found="no store.json, no backlog and no frames",
            expected="a folder or prefix that `triage run`, `triage import` or `triage publish` has filled",
            do="Check the address, down to the prefix.",
        )
    return annotator


def claim_destination(destination: Store, annotator: str | None) -> None:
    """Make the destination a store of this annotator where it is of none yet.

    Raises `StoreMismatch` where it is another annotator's, `StoreError` where it holds something else, `NewerFormat`
    and `StoreUnwritable`.
    """
    if destination.annotator() is None and not _is_store(destination):
        foreign = next((found.path for found in destination.list("") if not _is_ignored(found.path)), None)
        # Another copy or a run may have begun to fill it between these looks.
        if foreign is not None and destination.annotator() is None and not _is_store(destination):
            raise StoreError(
                f"{destination.location} is no store, and not empty",
                found=foreign,
                expected="a store, or an empty folder or prefix",
                do="Name another place.",
            )
    stored = destination.annotator()
    if stored is not None and annotator is not None and stored != annotator:
        raise StoreMismatch(
            f"The store {destination.location} holds the backlog of another annotator",
            found=stored,
            expected=annotator,
            do="Name another place.",
        )
    if annotator is not None:
        destination.stamp_host(annotator)


def _is_store(store: Store) -> bool:
    """Whether it has what only a store has; what was imported needs no annotator, and no stamp."""
    return any(any(True for _ in store.list(folder)) for folder in _FOLDERS) or store.size(RECORD) is not None


def choose_organizations(source: Store, names: Sequence[str]) -> tuple[str, ...]:
    """The keys of the named organizations, or of all that the source has anything of. Raises `StoreError`."""
    return select_organizations(source, names, {*stored_organizations(source), *stored_keys(source)})


def _parts(location: str) -> tuple[str, ...]:
    return tuple(location.split("/")) if "://" in location else Path(location).resolve().parts


def _is_ignored(path: str) -> bool:
    return path.startswith(_REVIEW_DATABASE)
