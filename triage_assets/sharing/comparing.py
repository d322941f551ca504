"""Whether the shards of two stores make one: which are missing, which hold nothing any more, and when nobody can tell.

What lives here: comparing two catalogs and, only where both stores have shards of their own, their indexes. What does
not: copying, or changing either catalog (`shards`).

Of a sequence that several shards hold, the newest is live, by the shards' numbers. Two stores count for themselves, so
a union is right only where every image that either store shows is shown by both together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from triage_assets.errors import ShardError
from triage_assets.shards.catalog import Catalog, ShardEntry, live_rows, load_index, tar_path
from triage_assets.store import Store

_COLUMNS = ("sequence_id", "detection_id", "sha256")
# So many are compared at once; a digest takes 64 bytes, several times over.
_SEQUENCES = 2048

_Ids = NDArray[np.int64]


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
    if not own:
        return CatalogDifference(missing)
    new, old = _Indexes.open(source, key, missing), _Indexes.open(destination, key, own)
    common = _Indexes.open(source, key, [shard for shard in ours.shards if shard.name in held])
    shared = np.intersect1d(new.sequences, old.sequences)
    for start in range(0, len(shared), _SEQUENCES):
        ids = shared[start : start + _SEQUENCES]
        _require_all_shown(source, destination, key, [each.rows_of(ids) for each in (common, new, old)])
    # Also what a copy that was killed has left live beside the shard that holds the same.
    live = _find_live({**common.ids, **new.ids, **old.ids})
    return CatalogDifference(
        missing=tuple(shard for shard in missing if shard.name in live),
        retired=tuple(shard.name for shard in own if shard.name not in live),
    )


def _content(shard: ShardEntry) -> tuple[int, int, int, int, str]:
    """What tells whether two archives are the same: meta.json has the digests of all images. Indexes may be rebuilt."""
    return shard.tar_bytes, shard.n_sequences, shard.n_frames, shard.n_unusable, shard.meta_sha256


def _describe(shard: ShardEntry) -> str:
    return f"{shard.n_sequences:,} sequences in {shard.tar_bytes:,} bytes with meta.json of {shard.meta_sha256:.8}"


@dataclass(frozen=True, slots=True)
class _Indexes:
    """The indexes of some shards of one store, of which only the ``ids`` of the sequences in each are in memory."""

    store: Store
    key: str
    shards: Mapping[str, ShardEntry]
    ids: Mapping[str, _Ids]

    @classmethod
    def open(cls, store: Store, key: str, shards: Sequence[ShardEntry]) -> "_Indexes":
        ids = {
            shard.name: np.unique(load_index(store, key, shard, ["sequence_id"])["sequence_id"].to_numpy())
            for shard in shards
        }
        return cls(store, key, {shard.name: shard for shard in shards}, ids)

    @property
    def sequences(self) -> _Ids:
        return np.concatenate([np.empty(0, np.int64), *self.ids.values()])

    def rows_of(self, wanted: _Ids) -> dict[str, pa.Table]:
        """The rows of these sequences, by the shard that holds them."""
        holding = [name for name, ids in self.ids.items() if _share(ids, wanted)]
        values = pa.array(wanted)
        indexes = {name: load_index(self.store, self.key, self.shards[name], _COLUMNS) for name in holding}
        return {name: index.filter(pc.is_in(index["sequence_id"], values)) for name, index in indexes.items()}


def _share(some: _Ids, others: _Ids) -> bool:
    """Whether any id is in both; both are in order."""
    near = some[np.searchsorted(some, others[0]) : np.searchsorted(some, others[-1], "right")]
    return bool(np.isin(near, others).any())


def _find_live(ids: Mapping[str, _Ids]) -> frozenset[str]:
    """The shards that hold a sequence which no newer one holds."""
    names = sorted(ids, reverse=True)
    _, newest = np.unique(np.concatenate([ids[name] for name in names]), return_index=True)
    ends = np.cumsum([len(ids[name]) for name in names])
    return frozenset(names[place] for place in np.unique(np.searchsorted(ends, newest, "right")))


def _require_all_shown(source: Store, destination: Store, key: str, indexes: Sequence[Mapping[str, pa.Table]]) -> None:
    """Refuse a union that hides an image; the rows are those of shards in both, in the source, in the destination."""
    common, new, old = indexes
    together = _images([common, new, old])
    for part in (new, old):
        lost = _images([common, part]).join(together, keys=list(_COLUMNS), join_type="left anti")
        if len(lost):
            first = lost.sort_by([("sequence_id", "ascending"), ("detection_id", "ascending")])
            raise ShardError(
                f"{source.location} and {destination.location} hold different images of the same sequences of {key}, "
                "and neither can be told to be the newer",
                found=f"{pc.count_distinct(lost['sequence_id'])} sequences or more, the first "
                f"{first['sequence_id'][0]}",
                expected="the same images, or more of them in the shard of the higher number",
                do="Copy into a store of its own, or let one `triage run` fill both.",
            )


def _images(indexes: Iterable[Mapping[str, pa.Table]]) -> pa.Table:
    """The images that are live in these shards."""
    rows = live_rows(dict(sorted((name, index) for each in indexes for name, index in each.items())))
    return rows.filter(pc.is_valid(rows["sha256"])).select(list(_COLUMNS))
