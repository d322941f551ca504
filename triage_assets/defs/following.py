"""Whether an asset is behind what it is made of: its last materialization says what it knew of, and that is compared.

What lives here: what an asset notes of its upstream when it begins, and the comparison. What does not: who asks for a
run (`automation`).

Dagster's automation conditions look at what changed between two of their looks, and count a change as handled when a
run is asked for: one that fails is not asked for again, and what arrives in the moment in which an older run ends is
easily missed. What an asset knew of is a fact that no look can miss.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

FOLLOWED = "followed"
DECISIONS = "decisions"
UPSTREAM: Mapping[str, Sequence[str]] = {
    "predictions": ("raw_sequences", "frame_shards"),
    "sequence_groups": ("raw_sequences",),
    "worklists": ("raw_sequences", "sequence_groups", "predictions"),
}


def look_upstream(instance: dg.DagsterInstance, asset: str, *, decisions: str | None = None) -> Mapping[str, object]:
    """The newest event of each asset that this one is made of, and how far people's decisions have come.

    An asset looks before it reads anything: what happens later may or may not be in what it makes.
    """
    newest: dict[str, object] = {name: _newest(instance, name) for name in UPSTREAM[asset]}
    return newest if decisions is None else {**newest, DECISIONS: decisions}


def is_behind(instance: dg.DagsterInstance, asset: str, present: Mapping[str, object]) -> bool:
    """Whether anything is upstream, and the asset's last materialization was made from something else."""
    if not any(present.values()):
        return False
    record = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    last = record[0].asset_materialization if record else None
    noted = last.metadata.get(FOLLOWED) if last else None
    return noted is None or noted.value != present


def _newest(instance: dg.DagsterInstance, asset: str) -> int:
    """The number of the asset's newest materialization, of whatever partition; 0 where there is none."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    return records[0].storage_id if records else 0
