"""Copying one store into another: only what is missing, readers of both undisturbed, and again where it was cut off.

What lives here: the order of a whole copy. What does not: each kind of object (`shards`, `parts`, `tables`).

Tables are looked at first and written last: what they name is there before they are. The review database, credentials
and logs are no part of a copy.
"""

import logging

from triage_assets.errors import ShardError, StoreError
from triage_assets.progress import Progress, report_progress
from triage_assets.shards.catalog import load_catalog, stored_organizations
from triage_assets.sharing.parts import copy_parts, plan_parts
from triage_assets.sharing.places import choose_organizations, claim_destination, require_apart, require_store
from triage_assets.sharing.records import CopyReport, CopyScope, SourceChanged, Tally
from triage_assets.sharing.shard_plans import ShardsPlan, plan_shards
from triage_assets.sharing.shards import copy_shards
from triage_assets.sharing.tables import capture_tables, require_known_formats, write_model_records, write_tables
from triage_assets.store import Store

_log = logging.getLogger(__name__)
# A run at the source ends stages minutes apart.
_ATTEMPTS = 5


def copy_store(
    source: Store, destination: Store, scope: CopyScope | None = None, progress: Progress | None = None
) -> CopyReport:
    """Copy everything of ``source`` that ``destination`` lacks; both may be folders or buckets.

    Damage at the source, and what cannot be told to belong together, is in the report's ``faults``, and everything else
    is copied. Raises `SettingsError` and `StoreError` where one of the two is not what it should be, `StoreMismatch`,
    `NewerFormat`, `StoreUnwritable`; then what was finished is there, and running again goes on.
    """
    require_apart(source, destination)
    annotator = require_store(source)
    keys = choose_organizations(source, (scope or CopyScope()).organizations)
    claim_destination(destination, annotator)
    require_known_formats(destination)
    tally = Tally(progress or report_progress(_log.info))
    for _ in range(_ATTEMPTS):
        try:
            return _copy_once(source, destination, keys, scope or CopyScope(), tally)
        except SourceChanged:
            _log.info("%s has changed while it was copied: looking again", source.location)
    raise StoreError(
        f"{source.location} changes again and again while it is copied",
        do="Run again when no run is under way: what was copied is kept.",
    )


def _count_outside(source: Store, destination: Store, keys: tuple[str, ...]) -> int:
    """How many shards of organizations that were not asked for the destination lacks."""
    count = 0
    for key in set(stored_organizations(source)) - set(keys):
        try:
            ours, theirs = load_catalog(source, key), load_catalog(destination, key)
        except ShardError:  # whoever asks for it hears of it
            continue
        held = {shard.name for shard in theirs.shards} if theirs else set()
        count += sum(shard.name not in held for shard in ours.shards) if ours else 0
    return count


def _copy_once(source: Store, destination: Store, keys: tuple[str, ...], scope: CopyScope, tally: Tally) -> CopyReport:
    tally.faults.clear()
    captured = capture_tables(source)
    for about, error in captured.faults.items():
        tally.fail(about, error)
    plans: dict[str, ShardsPlan] = {}
    for key in keys:
        try:
            plans[key] = plan_shards(source, destination, key, scope)
        except ShardError as error:
            tally.fail(key, error)
    parts = plan_parts(source, destination)
    tally.bytes_to_copy = tally.bytes_copied + parts.n_bytes + sum(plan.n_bytes for plan in plans.values())
    held, left_out = 0, _count_outside(source, destination, keys)
    for key in plans:
        try:
            plan = copy_shards(source, destination, key, scope, tally)
        except ShardError as error:
            tally.fail(key, error)
            continue
        held += plan.n_held
        left_out += plan.left_out
    write_model_records(source, destination, captured, tally)
    copy_parts(source, destination, parts, tally)
    tables_held = write_tables(source, destination, captured, tally)
    return CopyReport(
        n_shards_copied=tally.shards,
        n_shards_held=held,
        n_shards_left_out=left_out,
        n_shards_retired=tally.retired,
        n_frames_copied=tally.frames,
        n_parts_copied=tally.parts,
        n_parts_held=parts.n_held,
        tables_copied=tuple(tally.tables),
        n_tables_held=tables_held,
        bytes_copied=tally.bytes_copied,
        faults=tuple(tally.faults.values()),
    )
