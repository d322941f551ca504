"""What Dagster remembers: materializations, checks and runs, read from the instance that `triage run` uses.

What lives here: questions to an instance that exists already. What does not: when to ask (`live`), or running anything.

Dagster takes a second and 100 MB to load, so it is imported when somebody asks for the first time, by the thread that
asks. An instance is opened for one look and never made: SQLite storage that is not there yet is told apart first,
because opening it would create it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from triage_assets.instance_folder import CONFIG, find_instance_folder
from triage_viewer.run.answers import (
    ActiveRun,
    Asset,
    CheckRead,
    EventsRead,
    FailedRun,
    MaterializationRead,
    OrganizationMaterialization,
    RunState,
)

if TYPE_CHECKING:
    from dagster import AssetCheckKey, AssetKey, DagsterInstance, DagsterRun, EventLogRecord, RunRecord, RunsFilter
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
    from dagster_shared.error import SerializableErrorInfo

ASSETS: tuple[Asset, ...] = get_args(Asset)
_PARTITIONED: tuple[Asset, ...] = ("raw_sequences", "frame_shards")
_PARTITION = "dagster/partition"
# A check that every organization has is kept under one name, newest first: so many results of it are looked through.
_RESULTS_PER_ORGANIZATION = 3
_MOST_ACTIVE = 50
_SENSORS = "SENSOR"
_MOST_LETTERS = 300


class NoInstanceError(Exception):
    """There is no instance to be asked; the message says so in a sentence."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Everything that one look found."""

    events: Mapping[Asset, EventsRead]
    active_runs: list[ActiveRun]
    n_active_runs: int
    last_failed_run: FailedRun | None
    daemon_seen_at: datetime | None


def look_at_instance() -> Remembered:
    """Ask the instance. Raises `NoInstanceError`, `SettingsError`, and whatever a damaged storage ends in."""
    with _open() as instance:
        look = _Look(instance)
        return Remembered(
            events={asset: look.events(asset) for asset in ASSETS},
            active_runs=look.active_runs(),
            n_active_runs=look.count_active_runs(),
            last_failed_run=look.last_failed_run(),
            daemon_seen_at=look.daemon_seen_at(),
        )


@contextmanager
def _open() -> "Iterator[DagsterInstance]":
    folder = find_instance_folder()
    if folder is None:
        raise NoInstanceError(
            f"No Dagster instance is known here: DAGSTER_HOME is not set, and {CONFIG} is not in the folder that the "
            "viewer was started in. What is below is what the store says."
        )
    import dagster as dg
    from dagster._core.instance.ref import InstanceRef

    reference = InstanceRef.from_dir(str(folder))
    storage = reference.run_storage_data
    if storage is not None:
        _require_storage(storage.class_name, storage.config_dict)
    with dg.DagsterInstance.from_ref(reference) as instance:
        yield instance


def _require_storage(kind: str, config: Mapping[str, Any]) -> None:
    if kind == "SqliteRunStorage" and not (Path(str(config["base_dir"])) / "runs.db").exists():
        raise NoInstanceError("Dagster has not run anything here yet. What is below is what the store says.")


class _Look:
    """Questions to one open instance; runs are read once."""

    def __init__(self, instance: "DagsterInstance") -> None:
        from triage_assets.definitions import defs

        self._instance = instance
        self._checks = defs.resolve_asset_graph().asset_check_keys
        self._runs: dict[str, DagsterRun] = {}

    def events(self, asset: Asset) -> EventsRead:
        """What happened to one asset."""
        key = _key(asset)
        by_organization = self._last_by_organization(key) if asset in _PARTITIONED else ()
        newest = self._instance.fetch_materializations(key, limit=1).records
        self._read_runs(record.run_id for record in (*newest, *by_organization))
        organizations = [
            OrganizationMaterialization(key=record.partition_key, **self._describe(record))
            for record in by_organization
            if record.partition_key
        ]
        checks = sorted(check for check in self._checks if check.asset_key == key)
        return EventsRead(
            last=MaterializationRead(**self._describe(newest[0])) if newest else None,
            organizations=sorted(organizations, key=lambda read: read.key),
            checks=[read for check in checks for read in self._results(check, len(organizations))],
            behind=self._behind(asset, newest[0] if newest else None),
        )

    def active_runs(self) -> list[ActiveRun]:
        """Runs that are not over, the oldest first: what is under way, and then what comes next."""
        wanted = _not_finished()
        return [
            ActiveRun(**_describe_run(each))
            for each in self._instance.get_run_records(wanted, limit=_MOST_ACTIVE, ascending=True)
        ]

    def count_active_runs(self) -> int:
        """All of them, however many are listed."""
        return self._instance.get_runs_count(_not_finished())

    def last_failed_run(self) -> FailedRun | None:
        """The run that failed last, None where none did."""
        import dagster as dg

        found = self._instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1)
        if not found:
            return None
        kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
        lines = [
            line
            for entry in self._instance.all_logs(found[0].dagster_run.run_id, of_type=kinds)
            if entry.dagster_event and (line := _first_line(entry.dagster_event.event_specific_data, entry.message))
        ]
        return FailedRun(
            **_describe_run(found[0]), ended_at=_moment(found[0].end_time), error=lines[0] if lines else None
        )

    def daemon_seen_at(self) -> datetime | None:
        """When the process that looks at the sensors last said so."""
        beat = self._instance.get_daemon_heartbeats().get(_SENSORS)
        return None if beat is None else _moment(beat.timestamp)

    def _last_by_organization(self, key: "AssetKey") -> "Sequence[EventLogRecord]":
        import dagster as dg

        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        newest = self._instance.event_log_storage.get_latest_storage_id_by_partition(key, kind)
        if not newest:
            return ()
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=sorted(newest.values()))
        return self._instance.fetch_materializations(wanted, limit=len(newest)).records

    def _results(self, check: "AssetCheckKey", n_organizations: int) -> list[CheckRead]:
        """The last result, or that of each organization; one that only says the name where there is none."""
        from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

        done = {Status.SUCCEEDED, Status.FAILED}
        most = max(1, _RESULTS_PER_ORGANIZATION * n_organizations)
        history = self._instance.event_log_storage.get_asset_check_execution_history(check, most, status=done)
        self._read_runs(each.run_id for each in history)
        newest: dict[str | None, AssetCheckExecutionRecord] = {}
        for each in history:
            run = self._runs.get(each.run_id)
            newest.setdefault(run.tags.get(_PARTITION) if run else None, each)
        found = [_describe_check(check.name, key, each) for key, each in newest.items()]
        return sorted(found, key=lambda read: read.key or "") or [_describe_check(check.name, None, None)]

    def _behind(self, asset: Asset, last: "EventLogRecord | None") -> list[Asset] | None:
        from triage_assets.defs.following import FOLLOWED, UPSTREAM, look_upstream

        if asset not in UPSTREAM:
            return None
        made = last.asset_materialization if last else None
        noted = made.metadata.get(FOLLOWED) if made else None
        known = noted.value if noted and isinstance(noted.value, dict) else {}
        present = look_upstream(self._instance, asset)
        return [name for name in ASSETS if present.get(name) and present[name] != known.get(name)]

    def _read_runs(self, run_ids: Iterable[str]) -> None:
        import dagster as dg

        unknown = sorted({run_id for run_id in run_ids if run_id} - self._runs.keys())
        if unknown:
            self._runs |= {run.run_id: run for run in self._instance.get_runs(dg.RunsFilter(run_ids=unknown))}

    def _describe(self, record: "EventLogRecord") -> dict[str, Any]:
        from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG

        run = self._runs.get(record.run_id)
        made = record.asset_materialization
        tags = (made.tags if made else None) or {}
        code = tags.get(CODE_VERSION_TAG)
        return {
            "at": _moment(record.timestamp),
            "run_id": record.run_id or None,
            "run_state": None if run is None else _state(run),
            "data_version": tags.get(DATA_VERSION_TAG),
            "code_version": None if code == record.run_id else code,  # Dagster's stand-in for none
        }


def _not_finished() -> "RunsFilter":
    import dagster as dg
    from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

    return dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)


def _key(asset: Asset) -> "AssetKey":
    import dagster as dg

    return dg.AssetKey(asset)


def _describe_run(record: "RunRecord") -> dict[str, Any]:
    run = record.dagster_run
    return {
        "run_id": run.run_id,
        "state": _state(run),
        "created_at": record.create_timestamp,
        "started_at": _moment(record.start_time),
        "assets": sorted(key.to_user_string() for key in run.asset_selection or ()),
        "key": run.tags.get(_PARTITION),
    }


def _describe_check(name: str, key: str | None, record: "AssetCheckExecutionRecord | None") -> CheckRead:
    import dagster as dg

    found = record.event.dagster_event.event_specific_data if record and record.event else None  # type: ignore[union-attr]
    if record is None or not isinstance(found, dg.AssetCheckEvaluation):
        return CheckRead(name=name, key=key, is_passed=None, severity=None, description=None, at=None, run_id=None)
    return CheckRead(
        name=name,
        key=key,
        is_passed=found.passed,
        severity="warn" if found.severity is dg.AssetCheckSeverity.WARN else "error",
        description=found.description,
        at=_moment(record.create_timestamp),
        run_id=record.run_id,
    )


def _first_line(failure: object, message: str) -> str | None:
    """What a step or a run failed with: the innermost error, without the name of an error of this project."""
    error: SerializableErrorInfo | None = getattr(failure, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    lines = (message if error is None else error.message).strip().splitlines()
    if not lines:
        return None
    kind, _, said = lines[0].partition(": ")
    line = said if said and kind.startswith("triage_assets.") else lines[0]
    return line if len(line) <= _MOST_LETTERS else f"{line[:_MOST_LETTERS]}…"


def _state(run: "DagsterRun") -> RunState:
    return cast(RunState, run.status.value.lower())


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
