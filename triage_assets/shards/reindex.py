"""Rebuilding indexes and catalogs from the archives alone.

What lives here: the only way back from a lost or damaged index or catalog; archives are read and never changed. What
does not: finding out whether it is needed (`verify`).
"""

import hashlib
import logging
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from triage_assets.errors import ImageError, ShardError
from triage_assets.images import inspect_image
from triage_assets.progress import Progress, report_progress
from triage_assets.shards.catalog import (
    Catalog,
    ShardEntry,
    catalog_path,
    decode_catalog,
    encode_catalog,
    index_path,
    shard_of,
    shards_folder,
    stored_organizations,
    tar_path,
)
from triage_assets.shards.index import IndexBuilder, encode_index
from triage_assets.shards.new_shard import make_entry
from triage_assets.shards.scan import DAMAGED, changed_images, scan_shard, scanned_rows
from triage_assets.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What was rebuilt. ``rewritten`` are the paths whose bytes changed, ``dropped`` why each shard was left out."""

    n_organizations: int
    n_shards: int
    n_frames: int
    rewritten: tuple[str, ...]
    dropped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """A shard as its archive has it: what the catalog and the index are to say, and the sequences that it holds."""

    entry: ShardEntry
    index: bytes
    sequence_ids: frozenset[int]


def reindex_shards(
    store: Store,
    organization_keys: Iterable[str] | None = None,
    *,
    drop_damaged: bool = False,
    progress: Progress | None = None,
) -> ReindexReport:
    """Rebuild every index and catalog of the named organizations, or of all, from the archives.

    Shards are those that the catalog names, or every archive in the folder where it cannot be read. A damaged archive
    leaves its organization as it is and, once the others are rebuilt, raises `ShardError`; with ``drop_damaged`` its
    shard is left out of the catalog instead, and the file is kept. Retired shards that are still there and hold what is
    live nowhere without it take its place again; one that was dropped before and is whole again comes back. Raises
    `NewerFormat` where a newer version of this project wrote a catalog.
    """
    progress = progress or report_progress(_log.info)
    keys = stored_organizations(store) if organization_keys is None else tuple(organization_keys)
    n_shards = n_frames = 0
    rewritten: list[str] = []
    dropped: dict[str, str] = {}
    damaged: list[ShardError] = []
    for key in keys:
        catalog = _readable_catalog(store, key)
        whole: dict[str, _Rebuilt] = {}
        faults: dict[str, ShardError] = {}
        for name in _shard_names(store, key, catalog):
            try:
                whole[name] = _rebuild(store, key, name)
            except ShardError as error:
                faults[name] = error
                continue
            n_frames += whole[name].entry.n_frames
            progress("frames", n_frames, None)
        if faults and not drop_damaged:
            damaged += faults.values()
            continue
        returned = _find_returned(store, key, catalog, whole) if faults and catalog else {}
        n_frames += sum(each.entry.n_frames for each in returned.values())
        whole |= returned
        n_shards += len(whole)
        dropped.update({f"{key}/{name}": str(error) for name, error in faults.items()})
        rewritten += _replace_changed(store, {index_path(key, name): each.index for name, each in whole.items()})
        rewritten += _replace_catalog(store, key, [each.entry for each in whole.values()], returned, tuple(faults))
    if damaged:
        others = f" (and {len(damaged) - 1} more damaged shards)" if len(damaged) > 1 else ""
        first = damaged[0]
        raise ShardError(f"{first.what}{others}", found=first.found, expected=first.expected, do=first.do)
    return ReindexReport(len(keys), n_shards, n_frames, tuple(rewritten), dropped)


def _readable_catalog(store: Store, organization_key: str) -> Catalog | None:
    data = store.read_or_none(catalog_path(organization_key))
    try:
        return None if data is None else decode_catalog(store, organization_key, data)
    except ShardError:
        return None


def _shard_names(store: Store, organization_key: str, catalog: Catalog | None) -> list[str]:
    """The shards to rebuild, oldest first: without a catalog every archive, so that nothing is lost with it."""
    if catalog is not None:
        returned = [name for name in catalog.dropped if store.size(tar_path(organization_key, name)) is not None]
        return sorted([*(shard.name for shard in catalog.shards), *returned])
    paths = [stored.path for stored in store.list(shards_folder(organization_key)) if stored.path.endswith(".tar")]
    return sorted(name for name in map(shard_of, paths) if name is not None)


def _find_returned(
    store: Store, organization_key: str, catalog: Catalog, whole: Mapping[str, _Rebuilt]
) -> dict[str, _Rebuilt]:
    """The retired shards that are whole, and hold a sequence that no newer shard holds of those that are left.

    Which shard had taken their place is not asked: a copy has it from elsewhere, and it may have been several.
    """
    newest: dict[int, str] = {}
    for name in sorted(whole):
        newest.update(dict.fromkeys(whole[name].sequence_ids, name))
    returned: dict[str, _Rebuilt] = {}
    for name in sorted({retired.name for retired in catalog.retired} - whole.keys(), reverse=True):
        try:
            found = _rebuild(store, organization_key, name)
        except ShardError as error:
            _log.warning("%s/%s was retired, and cannot take its place again: %s", organization_key, name, error)
            continue
        if any(newest.get(each, "") < name for each in found.sequence_ids):
            returned[name] = found
            newest.update({each: max(name, newest.get(each, "")) for each in found.sequence_ids})
    return returned


def _rebuild(store: Store, organization_key: str, shard: str) -> _Rebuilt:
    """What a shard's archive says of it. Raises `ShardError`."""
    path = tar_path(organization_key, shard)
    builder = IndexBuilder()
    meta_digest = hashlib.sha256()
    sequence_ids: list[int] = []
    for sequence in scan_shard(store, organization_key, shard):
        changed = changed_images(path, sequence)
        if changed:
            raise changed[0]
        try:
            sizes = [inspect_image(bytes(image.content)) for image in sequence.images]
        except ImageError as error:
            where = f"shard {path}, sequence {sequence.meta.sequence_id}: {error.what}"
            raise ShardError(where, found=error.found, expected=error.expected, do=DAMAGED) from None
        builder.append(scanned_rows(sequence, sizes))
        meta_digest.update(sequence.meta_bytes)
        sequence_ids.append(sequence.meta.sequence_id)
    rows = builder.table()
    index = encode_index(rows, organization_key, shard)
    tar_bytes = store.size(path)
    assert tar_bytes is not None
    entry = make_entry(shard, tar_bytes, len(sequence_ids), rows, meta_digest.hexdigest(), index)
    return _Rebuilt(entry, index, frozenset(sequence_ids))


def _replace_changed(store: Store, files: Mapping[str, bytes]) -> list[str]:
    changed = [path for path, data in files.items() if store.read_or_none(path) != data]
    for path in changed:
        store.write(path, files[path])
    return changed


def _replace_catalog(
    store: Store, organization_key: str, entries: list[ShardEntry], returned: Container[str], dropped: tuple[str, ...]
) -> list[str]:
    """Write the catalog with these shards, as other runs have added to them and merged some since they were listed."""
    path = catalog_path(organization_key)
    handled = {entry.name for entry in entries} | set(dropped)

    def change(present: bytes | None) -> bytes:
        try:
            catalog = None if present is None else decode_catalog(store, organization_key, present)
        except ShardError:
            catalog = None
        now = catalog or Catalog(organization_key=organization_key)
        newer = [shard for shard in now.shards if shard.name not in handled]
        still_dropped = {name for name in now.dropped if name not in handled}
        live = {shard.name for shard in now.shards}
        merged_away = {each.name for each in now.retired if each.name not in returned} - live
        ours = [entry for entry in entries if entry.name not in merged_away]
        return encode_catalog(now.with_shards([*ours, *newer], tuple(still_dropped | set(dropped))))

    if store.read_or_none(path) == change(store.read_or_none(path)):
        return []
    store.update(path, change)
    return [path]
