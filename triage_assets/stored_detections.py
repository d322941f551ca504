"""Detected boxes from the stored backlog, for whoever needs those of some of its sequences.

What lives here: looking sequences up in the snapshots of their organizations. What does not: the snapshots' form
(`annotator.snapshot`), and what boxes are needed for.
"""

from collections import defaultdict
from collections.abc import Mapping

from triage_assets.annotator.records import TrackedBoxes
from triage_assets.annotator.snapshot import StoredSnapshot
from triage_assets.store import Store


class StoredDetections:
    """The detections of the present backlog."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self, organization_keys: Mapping[int, str]) -> dict[int, TrackedBoxes]:
        """The tracked boxes of sequences, given by id with their organization's key; those that left are absent.

        Raises `StoreError`, `NewerFormat`.
        """
        wanted: dict[str, list[int]] = defaultdict(list)
        for sequence_id, key in organization_keys.items():
            wanted[key].append(sequence_id)
        found: dict[int, TrackedBoxes] = {}
        for key, ids in wanted.items():
            stored = StoredSnapshot.open(self._store, key)
            if stored is not None:
                found |= stored.boxes_of(ids)
        return found
