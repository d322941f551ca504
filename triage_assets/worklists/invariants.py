"""The promises of the worklist files: read back, and held against the backlog and the decisions.

What lives here: what must be true of the files together. What does not: writing them (`export`).
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import orjson

from triage_assets.store import Store
from triage_assets.worklists.export import foreign_files
from triage_assets.worklists.records import FOLDER, INVARIANTS


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise of the worklists, whether the files keep it, and what was found."""

    name: str
    holds: bool
    found: str


def check_invariants(
    store: Store, backlog_ids: AbstractSet[int], decided_ids: AbstractSet[int], begun_ids: AbstractSet[int]
) -> tuple[Invariant, ...]:
    """Read the files back; ``decided_ids`` are all sequences that people have labelled, in the backlog or not.

    ``begun_ids`` are those that somebody is annotating.
    """
    review = _list_of(store, "review.json")
    unlabeled, payload = _unlabeled(store)
    labels, sent = _labels(store)
    dropped = [int(item["sequence_id"]) for item in _load(store, "dropped.json")]
    grouped, n_repeated = _grouped(store)
    together = [*review, *unlabeled, *labels, *dropped]
    listed = frozenset(together)
    foreign = foreign_files(store)
    both = len(frozenset(review) & frozenset(unlabeled))
    twice = len(together) - len(listed)
    decided = decided_ids & backlog_ids
    elsewhere = len(decided & {*review, *unlabeled, *dropped})
    begun = begun_ids & backlog_ids
    verdicts = (
        (both == 0, f"{both} sequences in both"),
        (
            twice == 0 and listed >= backlog_ids,
            f"{len(backlog_ids - listed)} missing, {twice} listed twice, of {len(backlog_ids)}",
        ),
        (listed <= backlog_ids, f"{len(listed - backlog_ids)} sequences that are not in the backlog"),
        (
            decided == frozenset(labels) and elsewhere == 0,
            f"{len(decided)} labelled in the backlog, {len(labels)} in labels, {elsewhere} of them in another list",
        ),
        (begun <= frozenset(review), f"{len(begun)} under annotation, {len(begun - frozenset(review))} not in review"),
        (
            sorted(grouped) == sorted(review) and n_repeated == 0,
            f"{len(grouped)} in entries, {len(review)} in review, {n_repeated} groups with several entries",
        ),
        (payload == unlabeled, f"{len(payload)} in the payload, {len(unlabeled)} in the list"),
        (sorted(sent) == sorted(labels), f"{len(sent)} in payloads or individual, {len(labels)} in the list"),
        (not foreign, f"{', '.join(foreign) or 'no file'} differs from what model_config.json lists"),
    )
    return tuple(Invariant(name, *verdict) for name, verdict in zip(INVARIANTS, verdicts, strict=True))


def _load(store: Store, name: str) -> Any:  # noqa: ANN401  # whatever JSON is there
    return orjson.loads(store.read(f"{FOLDER}/{name}"))


def _list_of(store: Store, name: str) -> list[int]:
    return list(map(int, _load(store, name)["sequence_ids"]))


def _unlabeled(store: Store) -> tuple[list[int], list[int]]:
    """The list and the payload."""
    content = _load(store, "unlabeled.json")
    return content["sequence_ids"], content["bulk_payload"]["sequence_ids"]


def _labels(store: Store) -> tuple[list[int], list[int]]:
    """The list, and what payloads and individual annotations say together."""
    content = _load(store, "labels.json")
    sent = [sequence_id for body in content["bulk_payloads"] for sequence_id in body["sequence_ids"]]
    return content["sequence_ids"], [*sent, *(item["sequence_id"] for item in content["individual"])]


def _grouped(store: Store) -> tuple[list[int], int]:
    """The sequences of all entries, and how many entries are of a group that had one before."""
    entries = _load(store, "review_groups.json")["entries"]
    group_ids = [entry["group_id"] for entry in entries if entry["group_id"] is not None]
    ids = [sequence_id for entry in entries for sequence_id in entry["sequence_ids"]]
    return ids, len(group_ids) - len(set(group_ids))
