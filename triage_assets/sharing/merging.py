"""Whether the shards of two stores make one: which are missing, which hold nothing any more, and when nobody can tell.

What lives here: comparing two catalogs and, only where both stores have shards of their own, their indexes. What does
not: copying, or changing either catalog (`shards`).

Of a sequence that several shards hold, the newest is live, by the shards' numbers. Two stores count for themselves, so
a union is right only where every image that either store shows is shown by both together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.errors import ShardError
from triage_assets.shards.catalog import Catalog, ShardEntry, live_rows, load_index, tar_path
from triage_assets.store import Store

_COLUMNS = ("sequence_id", "detection_id", "sha256")


@dataclass(frozen=True, slots=True)
class CatalogDifference:
    """What makes the destination's catalog the union of both: shards ``missing`` there, and shards that are ``retired``
    because nothing of them is live beside the others, however their sequences were packed anew.
    """

    missing: tuple[ShardEntry, ...]
    retired: tuple[str, ...] = ()


def compare_catalogs(source: Store, ours: Catalog, destination: Store, theirs: Catalog) -> CatalogDifference:
    """The difference between two catalogs of one organization.

    Raises `ShardError` where the stores hold different shards under one name, or different images of one sequence; and
    what reading an index raises.
    """
    key = ours.organization_key
    held = {shard.name: shard for shard in theirs.shards}
    for shard in ours.shards:
        if shard.name in held and _content(held[shard.name]) != _content(shard):
            raise ShardError(
                f"{source.location} and {destination.location} have different shards of one name",
                found=f"{_describe(shard)} and {_describe(held[shard.name])} under {tar_path(key, shard.name)}",
                expected="the same in both",
                do="Copy into a store of its own: two producers have begun from the same backlog.",
            )
    named = {shard.name for shard in ours.shards}
    missing = tuple(shard for shard in ours.shards if shard.name not in held)
    own = tuple(shard for shard in theirs.shards if shard.name not in named)
    if not missing or not own:
        return CatalogDifference(missing)
    new, old = _load(source, key, missing), _load(destination, key, own)
    if not pc.any(pc.is_in(_sequences(new), value_set=_sequences(old))).as_py():
        return CatalogDifference(missing)
    common = _load(source, key, [shard for shard in ours.shards if shard.name in held])
    together = live_rows(dict(sorted({**common, **new, **old}.items())))
    shown = [live_rows(dict(sorted({**common, **part}.items()))) for part in (new, old)]
    _require_all_shown(source, destination, key, shown, together)
    live = set(together["shard"].unique().to_pylist())
    return CatalogDifference(
        missing=tuple(shard for shard in missing if shard.name in live),
        retired=tuple(shard.name for shard in own if shard.name not in live),
    )


def _content(shard: ShardEntry) -> tuple[int, int, int, int, str]:
    """What tells whether two archives are the same: meta.json has the digests of all images. Indexes may be rebuilt."""
    return shard.tar_bytes, shard.n_sequences, shard.n_frames, shard.n_unusable, shard.meta_sha256


def _describe(shard: ShardEntry) -> str:
    return f"{shard.n_sequences:,} sequences in {shard.tar_bytes:,} bytes with meta.json of {shard.meta_sha256:.8}"


def _load(store: Store, key: str, shards: Sequence[ShardEntry]) -> dict[str, pa.Table]:
    return {shard.name: load_index(store, key, shard, _COLUMNS) for shard in shards}


def _sequences(indexes: Mapping[str, pa.Table]) -> pa.Array:
    return pa.concat_tables(list(indexes.values()))["sequence_id"].unique()


def _require_all_shown(
    source: Store, destination: Store, key: str, shown: Sequence[pa.Table], together: pa.Table
) -> None:
    images = [_images(table) for table in (*shown, together)]
    for table in images[:-1]:
        lost = table.join(images[-1], keys=list(_COLUMNS), join_type="left anti")
        if len(lost):
            first = lost.sort_by([("sequence_id", "ascending"), ("detection_id", "ascending")])
            raise ShardError(
                f"{source.location} and {destination.location} hold different images of the same sequences of {key}, "
                "and neither can be told to be the newer",
                found=f"{pc.count_distinct(lost['sequence_id'])} sequences, the first {first['sequence_id'][0]}",
                expected="the same images, or more of them in the shard of the higher number",
                do="Copy into a store of its own, or let one `triage run` fill both.",
            )


def _images(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.is_valid(rows["sha256"])).select(list(_COLUMNS))
