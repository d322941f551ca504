"""What a store holds, read back for assertions."""

import json

from triage_assets.annotator.snapshot import stored_keys
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import load_frames


def read_lists(store: FolderStore) -> dict[str, set[int]]:
    """The ids in each worklist; every count agrees with its list."""
    found = {}
    for name in ("review", "unlabeled"):
        content = json.loads(store.read(f"worklists/{name}.json"))
        assert content["count"] == len(content["sequence_ids"]) == len(content["items"])
        found[name] = set(content["sequence_ids"])
    found["dropped"] = {item["sequence_id"] for item in json.loads(store.read("worklists/dropped.json"))}
    return found


def read_results(store: FolderStore) -> dict[int, dict[str, object]]:
    """The rows of results.json by sequence id."""
    return {row["sequence_id"]: row for row in json.loads(store.read("worklists/results.json"))}


def read_frames(store: FolderStore) -> dict[int, dict[int, str | None]]:
    """For each held sequence its detection ids, with the reason where one is unusable, from the live indexes."""
    held: dict[int, dict[int, str | None]] = {}
    for key in stored_keys(store):
        for row in load_frames(store, key).to_pylist():
            held.setdefault(row["sequence_id"], {})[row["detection_id"]] = row["unusable_reason"]
    return held
