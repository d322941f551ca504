"""The tables of a store: backlog, present scores, groups and worklists, which name each other and change together.

What lives here: seeing all of them in one state while a run may be writing them, and writing that state elsewhere
without putting it over anything that was made there. What does not: shards and parts, which never change.

`copied.json` at the destination has the digests of what copies have put there. A table of another digest was made at
the destination, and is never replaced.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import orjson
from pydantic import BaseModel, ValidationError

from triage_assets.annotator.snapshot import StoredSnapshot, snapshot_path, stored_keys
from triage_assets.errors import NewerFormat, StoreError, TriageError
from triage_assets.groups.records import FOLDER as GROUPS
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.scoring.files.current import CURRENT, read_current
from triage_assets.scoring.files.model_record import MODEL_RECORD, read_record
from triage_assets.scoring.files.parts import PartsFolder
from triage_assets.sharing.parts import stored_models
from triage_assets.sharing.records import Digests, SourceChanged, Tally
from triage_assets.store import Store, StoredObject, check_format_version
from triage_assets.worklists.export import FORMAT_VERSION as WORKLISTS_VERSION
from triage_assets.worklists.records import FOLDER as WORKLISTS

RECORD = "copied.json"
_RECORD_VERSION = 1
_LISTS_RECORD = f"{WORKLISTS}/model_config.json"
_RESULTS = f"{WORKLISTS}/results.parquet"
# A writer replaces the files of one state one after the other, which takes seconds at a million sequences.
_LOOKS = 4
_PAUSE_SECONDS = 1.0


class CopiedRecord(BaseModel):
    """What `RECORD` says: the sha256 of what copies have written, by path.

    The last is first; the one before is there too, because a copy may be killed between two tables.
    """

    format_version: int = _RECORD_VERSION
    tables: dict[str, list[str]] = {}


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
    _read_copied(destination, destination.read_or_none(RECORD))
    data = destination.read_or_none(_LISTS_RECORD)
    version = _lists_record(data).get("format_version") if data else None
    if isinstance(version, int):
        check_format_version(destination, _LISTS_RECORD, version, WORKLISTS_VERSION)


def write_tables(source: Store, destination: Store, captured: CapturedTables, tally: Tally) -> int:
    """Bring the destination's tables to the captured state, and return how many were in it already.

    What was made at the destination, or is of organizations that the source does not have, is kept and noted. Raises
    `SourceChanged` where the source is in another state by now, and what the stores raise.
    """
    present = {path: _digest_or_none(destination.read_or_none(path)) for path in captured.digests}
    changed = [path for path, digest in captured.digests.items() if present[path] != digest]
    copied = _read_copied(destination, destination.read_or_none(RECORD)).tables
    own = [path for path in changed if present[path] not in (None, *copied.get(path, ()))]
    strangers = sorted({*stored_keys(destination)} - {*stored_keys(source)})
    kept = [path for path in own if _is_backlog(path)]
    if any(not _is_backlog(path) for path in own) or (strangers and any(present[path] for path in _lists(changed))):
        kept += _lists(changed)
    if kept:
        tally.fail("tables", _kept(source, destination, kept, strangers))
    writing = [path for path in changed if path not in kept]
    # What is equal counts as copied, however it came there: a clone or a restored backup is no work of its own.
    known = {path: digest for path, digest in captured.digests.items() if path not in kept}
    if any(digest not in copied.get(path, ()) for path, digest in known.items()):
        _remember(destination, known, present)
    for path in writing:
        data = source.read_or_none(path)
        if data is None or _digest(data) != captured.digests[path]:
            raise SourceChanged
        destination.write(path, data)
        if _digest_or_none(destination.read_or_none(path)) != captured.digests[path]:
            raise StoreError(
                f"{destination.location}/{path} is not what was written",
                found="other bytes a moment later: another copy or a run writes there too",
                do="Run again when it has ended.",
            )
        tally.tables[path] = None
        tally.add_bytes(len(data))
    return len(captured.digests) - len(changed)


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


def _lists(paths: Iterable[str]) -> Iterator[str]:
    return (path for path in paths if not _is_backlog(path))


def _find_faults(source: Store, digests: Digests) -> Iterator[tuple[str, TriageError]]:
    """What is damaged, or not all of one state, by what the paths of it begin with."""
    models = stored_models(source)
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


def _kept(source: Store, destination: Store, kept: list[str], strangers: list[str]) -> StoreError:
    why = (
        f"it has organizations that {source.location} does not have ({', '.join(strangers)})"
        if strangers
        else "they were made there, not copied"
    )
    named = sorted({path.partition("/")[0] for path in kept})
    return StoreError(
        f"Frames and scores are copied, but the {', '.join(named)} of {destination.location} were kept: {why}",
        found=f"{len(kept)} tables that differ, the first {kept[0]}",
        do=f"Run `triage run` with TRIAGE_STORE={destination.location}, which makes them of all that is there; or, to "
        f"take those of {source.location}, delete them first.",
    )


def _read_copied(store: Store, data: bytes | None) -> CopiedRecord:
    if data is None:
        return CopiedRecord()
    try:
        content = json.loads(data)
        check_format_version(store, RECORD, content.get("format_version"), _RECORD_VERSION)
        return CopiedRecord.model_validate(content)
    except (ValueError, AttributeError, ValidationError) as error:
        raise StoreError(
            f"{store.location}/{RECORD} cannot be read",
            found=" ".join(str(error).split())[:200],
            do="Delete it: then the tables beside it count as made there.",
        ) from None


def _remember(destination: Store, digests: Digests, present: Mapping[str, str | None]) -> None:
    """Note what is about to be written, beside what is there: either may be found after a kill."""

    def change(data: bytes | None) -> bytes:
        tables = dict(_read_copied(destination, data).tables)
        for path, digest in digests.items():
            before = present[path]
            tables[path] = [digest] if before in (None, digest) else [digest, before]
        return CopiedRecord(tables=dict(sorted(tables.items()))).model_dump_json(indent=1).encode() + b"\n"

    destination.update(RECORD, change)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_or_none(data: bytes | None) -> str | None:
    return None if data is None else _digest(data)
