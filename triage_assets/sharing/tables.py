"""The tables of a store: backlog, present scores, groups and worklists, which name each other and change together.

What lives here: seeing all of them in one state while a run may be writing them, and writing that state elsewhere
without putting it over anything that was made there. What does not: shards and parts, which never change.

What was made at the destination, or is newer there, is known by `copied`, and never replaced.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import orjson

from triage_assets.annotator.snapshot import StoredSnapshot, snapshot_path, stored_keys
from triage_assets.errors import NewerFormat, StoreError, TriageError
from triage_assets.groups.records import FOLDER as GROUPS
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.scoring.files.current import CURRENT, read_current
from triage_assets.scoring.files.model_record import MODEL_RECORD, read_record
from triage_assets.scoring.files.parts import PartsFolder, stored_models
from triage_assets.sharing.copied import Histories, Kept, find_kept, read_copied, remember
from triage_assets.sharing.records import Digests, SourceChanged, Tally
from triage_assets.store import Store, StoredObject, check_format_version
from triage_assets.worklists.export import FORMAT_VERSION as WORKLISTS_VERSION
from triage_assets.worklists.records import FOLDER as WORKLISTS

_LISTS_RECORD = f"{WORKLISTS}/model_config.json"
_RESULTS = f"{WORKLISTS}/results.parquet"
# A writer replaces the files of one state one after the other, which takes seconds at a million sequences.
_LOOKS = 4
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CapturedTables:
    """The digests of all tables in one state, in the order in which they are to be written."""

    digests: Digests
    faults: Mapping[str, TriageError]


def capture_tables(source: Store) -> CapturedTables:
    """See every table of the source in one state. Raises `SourceChanged` where it does not stand still.

    What is damaged is left out with its reason, and with it whatever is of one state with it.
    """
    seen = None
    for look in range(_LOOKS):
        if look:
            time.sleep(_PAUSE_SECONDS)
        seen = _look(source)
        if seen is not None and not seen.faults:
            return seen
    if seen is None:
        raise SourceChanged
    return seen


def require_known_formats(destination: Store) -> None:
    """Refuse a destination whose lists, or whose record of copies, a newer version has written: `NewerFormat`."""
    read_copied(destination)
    data = destination.read_or_none(_LISTS_RECORD)
    version = _lists_record(data).get("format_version") if data else None
    if isinstance(version, int):
        check_format_version(destination, _LISTS_RECORD, version, WORKLISTS_VERSION)


def write_model_records(source: Store, destination: Store, captured: CapturedTables, tally: Tally) -> None:
    """Put there what each model is, where nothing says it yet: a score without it would be nobody's.

    Raises as `write_tables` does.
    """
    records = [path for path in captured.digests if path.endswith(f"/{MODEL_RECORD}")]
    new = {path: captured.digests[path] for path in records if destination.size(path) is None}
    if new:
        remember(destination, new, read_copied(source))
    for path in new:
        with suppress(_DestinationChanged):  # by another copy: then it is a table like the others
            _write(source, destination, path, new[path], None, tally)


def write_tables(source: Store, destination: Store, captured: CapturedTables, tally: Tally) -> int:
    """Bring the destination's tables to the captured state, and return how many were in it already.

    What was made at the destination, is newer there, or is of organizations that the source does not have, is kept and
    noted. Raises `SourceChanged` where the source is in another state by now, and what the stores raise.
    """
    for _ in range(_LOOKS):
        present = {path: _digest_or_none(destination.read_or_none(path)) for path in captured.digests}
        held = [path for path, digest in captured.digests.items() if present[path] == digest]
        n_held = sum(path not in tally.tables for path in held)
        try:
            _write_changed(source, destination, captured.digests, present, tally)
        except _DestinationChanged:
            continue  # it is looked at again, and what a run has made there is kept
        return n_held
    raise StoreError(
        f"The tables of {destination.location} change again and again while they are written",
        do="Run again when no other copy and no run is under way there.",
    )


class _DestinationChanged(Exception):  # noqa: N818
    """A table at the destination is not any more what it was when it was looked at."""


def _write_changed(
    source: Store, destination: Store, digests: Digests, present: Mapping[str, str | None], tally: Tally
) -> None:
    ours, theirs = read_copied(source), read_copied(destination)
    changed = {path: digest for path, digest in digests.items() if present[path] != digest}
    strangers = sorted({*stored_keys(destination)} - {*stored_keys(source)})
    kept = _find_kept(changed, present, theirs, ours, strangers)
    if kept:
        tally.fail("tables", _describe_kept(source, destination, kept, strangers))
    writing = [path for path in changed if path not in kept]
    # What is equal counts as copied, however it came there: a clone or a restored backup is no work of its own.
    unknown = [path for path in digests if path not in changed and digests[path] not in theirs.get(path, ())]
    unknown += [path for path in writing if digests[path] != next(iter(theirs.get(path, ())), None)]
    if unknown:
        remember(destination, {path: digests[path] for path in unknown}, ours)
    for path in writing:
        _write(source, destination, path, digests[path], present[path], tally)


def _find_kept(
    changed: Digests, present: Mapping[str, str | None], theirs: Histories, ours: Histories, strangers: Sequence[str]
) -> dict[str, Kept]:
    """Which tables of the destination are not replaced, and why."""
    kept: dict[str, Kept] = {}
    for path in filter(_is_backlog, changed):
        if why := find_kept({path: present[path]}, changed, theirs, ours):
            kept[path] = why
    lists = {path: present[path] for path in changed if not _is_backlog(path)}
    why = find_kept(lists, changed, theirs, ours)
    if any(lists.values()) and (strangers or kept):
        why = why or Kept.OTHER_BACKLOG
    return kept | (dict.fromkeys(lists, why) if why else {})


def _write(source: Store, destination: Store, path: str, digest: str, present: str | None, tally: Tally) -> None:
    """Put one table in the place of what was looked at. Raises `SourceChanged`, `_DestinationChanged`."""
    data = source.read_or_none(path)
    if data is None or _digest(data) != digest:
        raise SourceChanged

    def change(found: bytes | None) -> bytes:
        if _digest_or_none(found) not in (present, digest):
            raise _DestinationChanged
        return data

    destination.update(path, change)
    tally.tables[path] = None
    tally.add_bytes(len(data))


def _look(source: Store) -> CapturedTables | None:
    """Every table as it is now, None where that was not the same from the first to the last."""
    before = _list_tables(source)
    try:
        digests = {found.path: _digest(source.read(found.path)) for found in before}
        faults = dict(_find_faults(source, digests))
    except StoreError:
        if _list_tables(source) == before:
            raise
        return None
    if _list_tables(source) != before:
        return None
    left_out = tuple(faults)
    return CapturedTables({path: digest for path, digest in digests.items() if not path.startswith(left_out)}, faults)


def _list_tables(store: Store) -> tuple[StoredObject, ...]:
    """Every table in the order of writing: what others name before what names it."""
    found = [
        each
        for folder in ("sequences", "predictions", GROUPS, WORKLISTS)
        for each in store.list(folder)
        if _is_table(each.path)
    ]
    last = {_RESULTS: 1, _LISTS_RECORD: 2}  # readers hold these two against each other
    return tuple(sorted(found, key=lambda each: last.get(each.path, 0)))


def _is_table(path: str) -> bool:
    folder, _, file = path.rpartition("/")
    if path.startswith("sequences/"):
        return file == "sequences.parquet"
    if path.startswith("predictions/"):
        return file in (MODEL_RECORD, CURRENT)
    return folder in (GROUPS, WORKLISTS) and file.endswith((".parquet", ".json"))


def _is_backlog(path: str) -> bool:
    return path.startswith("sequences/")


def _find_faults(source: Store, digests: Digests) -> Iterator[tuple[str, TriageError]]:
    """What is damaged, or not all of one state, by what the paths of it begin with."""
    models = sorted(stored_models(source))
    checks: list[tuple[str, Callable[[], object]]] = [
        *((snapshot_path(key), partial(StoredSnapshot.open, source, key)) for key in stored_keys(source)),
        *((f"{PartsFolder(source, name).location}/", partial(_check_model, source, name)) for name in models),
        (f"{GROUPS}/", partial(load_snapshot, source)),
        (f"{WORKLISTS}/", partial(_check_lists, source, digests)),
    ]
    for prefix, check in checks:
        try:
            check()
        except NewerFormat:
            raise
        except StoreError as error:
            yield prefix, error


def _check_model(source: Store, name: str) -> None:
    folder = PartsFolder(source, name)
    read_record(folder)
    current = read_current(folder)
    if current is None:
        return
    gone = {*current["part"].drop_null().unique().to_pylist()} - folder.part_sizes().keys()
    if gone:
        raise StoreError(
            f"{source.location}/{folder.path(CURRENT)} names scores that are not there",
            found=f"{len(gone)} missing parts, the first {min(gone)}",
            do="Materialize predictions: what they held is scored again.",
        )


def _check_lists(source: Store, digests: Digests) -> None:
    if _LISTS_RECORD not in digests:
        return
    record = _lists_record(source.read(_LISTS_RECORD))
    check_format_version(source, _LISTS_RECORD, record.get("format_version"), WORKLISTS_VERSION)
    files = record.get("files")
    promised = files if isinstance(files, dict) else {}
    wrong = [name for name, digest in promised.items() if digests.get(f"{WORKLISTS}/{name}") != digest]
    if wrong or not promised:
        raise StoreError(
            f"The files in {source.location}/{WORKLISTS} are not all of one run",
            found=f"{', '.join(wrong) or 'no digests'} other than model_config.json says",
            do="Wait while a run is under way; otherwise run `triage worklists`.",
        )


def _lists_record(data: bytes) -> dict[str, object]:
    try:
        content = orjson.loads(data)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}


def _describe_kept(source: Store, destination: Store, kept: Mapping[str, Kept], strangers: Sequence[str]) -> StoreError:
    whys = [
        f"it has organizations that {source.location} does not have ({', '.join(strangers)})"
        if why is Kept.OTHER_BACKLOG and strangers
        else why.value
        for why in dict.fromkeys(kept.values())
    ]
    named = sorted({path.partition("/")[0] for path in kept})
    is_older = {Kept.NEWER, Kept.UNTOLD} >= {*kept.values()} - {Kept.OTHER_BACKLOG}
    return StoreError(
        f"Frames and scores are copied, but the {', '.join(named)} of {destination.location} were kept: "
        + " and ".join(whys),
        found=f"{len(kept)} tables that differ, the first {next(iter(kept))}",
        do=(
            "Copy from where they are made"
            if is_older and not strangers
            else f"Run `triage run` with TRIAGE_STORE={destination.location}, which makes them of all that is there"
        )
        + f"; or, to take those of {source.location}, delete them first.",
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_or_none(data: bytes | None) -> str | None:
    return None if data is None else _digest(data)
