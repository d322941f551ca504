"""Making one large part of many small ones, so that a model's predictions are tens of files however often runs end.

What lives here: which parts are merged, in which order, and what a run that is killed meanwhile leaves behind. What
does not: the parts' own form (`parts`).

Small parts are what units are committed as. Merged parts are written first, then the index that names them, then, by
the caller, everything that readers find parts by; only then are the small ones deleted. A run killed in between leaves
rows that are in two parts; the next run finds them by their fingerprints and merges the same rows into the same files.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.scoring.files.parts import PART_ORDER, PartsFolder, PartsIndex, read_part, write_index, write_part
from triage_assets.scoring.files.tables import PART_SCHEMA
from triage_assets.scoring.identity import ENGINE_VERSION, ModelIdentity

# About 4 MB a file (docs/scale.md): a backlog of 21,000 sequences is eleven files, and a reader of one sequence's
# details fetches one of them.
MERGED_ROWS = 2000
# Small parts that stay in memory while rows are gathered in order: 64 units of neighbours are two merged parts.
_PARTS_IN_MEMORY = 64


@dataclass(frozen=True, slots=True)
class MergedParts:
    """The index after merging, and the parts that nothing names once all readers' tables are written."""

    index: PartsIndex
    replaced: tuple[str, ...]


def merge_parts(folder: PartsFolder, index: PartsIndex, identity: ModelIdentity, detector: str) -> MergedParts:
    """Merge all parts of fewer than `MERGED_ROWS` rows; nothing is written where that would change nothing.

    ``index`` is that of `load_index`: a row that another part holds better or again counts for its part no more. Which
    rows there are decides the files, whatever order they came in. Parts of another engine version are left alone, and
    so is every part that the index does not name: another run may have committed it since. Raises `StoreError`,
    perhaps because another run has merged the same parts: then it has stored another index.
    """
    rows = index.rows
    sizes = dict(index.sizes)
    of_this_engine = rows.filter(pc.equal(rows["engine_version"], ENGINE_VERSION))
    counts = dict(zip(*_count(rows["part"]), strict=True))
    mergeable = set(of_this_engine["part"].unique().to_pylist())
    empty = {name for name in sizes if name not in counts}
    small = {name for name in mergeable if counts[name] < MERGED_ROWS}
    if not empty and len(small) < 2:
        return MergedParts(index, ())
    if len(small) < 2:
        small = set()
    is_moved = pc.is_in(rows["part"], value_set=pa.array(sorted(small), pa.string()))
    moved = rows.filter(is_moved).sort_by(PART_ORDER)
    reader = _PartReader(folder)
    places = []
    for start in range(0, len(moved), MERGED_ROWS):
        chunk = moved.slice(start, MERGED_ROWS)
        part = write_part(folder, pa.concat_tables(reader.rows(chunk)), identity, detector)
        sizes[part.path] = part.size_bytes
        places += [part.path] * len(chunk)
    replaced = tuple(sorted((small | empty) - set(places)))
    merged = _with_places(rows, moved["frames_fingerprint"], places)
    kept = {name: size for name, size in sizes.items() if name not in replaced}
    return MergedParts(write_index(folder, PartsIndex(merged, kept, index.version)), replaced)


class _PartReader:
    """Reads rows out of small parts and remembers the last parts it read: neighbours in order are mostly in few."""

    def __init__(self, folder: PartsFolder) -> None:
        self._folder = folder
        self._parts: OrderedDict[str, pa.Table] = OrderedDict()

    def rows(self, wanted: pa.Table) -> Iterator[pa.Table]:
        """The whole rows of these rows of the index, part by part."""
        for name in wanted["part"].unique().to_pylist():
            mine = wanted.filter(pc.equal(wanted["part"], name))["frames_fingerprint"]
            part = self._part(name)
            yield part.take(pc.index_in(mine, value_set=part["frames_fingerprint"]))

    def _part(self, name: str) -> pa.Table:
        if name not in self._parts:
            while len(self._parts) >= _PARTS_IN_MEMORY:
                self._parts.popitem(last=False)
            rows = read_part(self._folder, name, PART_SCHEMA.names)
            self._parts[name] = rows.replace_schema_metadata(None).combine_chunks()
        self._parts.move_to_end(name)
        return self._parts[name]


def _count(names: pa.ChunkedArray) -> tuple[list[str], list[int]]:
    counted = pc.value_counts(names.combine_chunks())
    return counted.field("values").to_pylist(), counted.field("counts").to_pylist()


def _with_places(rows: pa.Table, fingerprints: pa.ChunkedArray, places: list[str]) -> pa.Table:
    """The index's rows with other parts for those of these fingerprints."""
    found = pc.index_in(rows["frames_fingerprint"], value_set=fingerprints)
    parts = pc.coalesce(pa.array(places, pa.string()).take(found), rows["part"])
    return rows.set_column(rows.schema.get_field_index("part"), "part", parts).combine_chunks()
