"""Running the graph from the command line: the same assets, instance and events as Dagster's own page shows.

What lives here: opening the Dagster instance, registering organizations as partitions, and materializing stages in
order. What does not: the assets themselves, and what is printed about them.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from sqlalchemy.exc import SQLAlchemyError

from triage_assets.annotator.listing import check_stage_name
from triage_assets.annotator.records import Organization, partition_key
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.configured_models import read_each
from triage_assets.definitions import defs
from triage_assets.defs.abandoned_runs import end_abandoned_runs, process_tags
from triage_assets.defs.partitions import organizations
from triage_assets.defs.resources import open_client
from triage_assets.defs.scoring_metadata import BY_MODEL, FOLDER, predictions_folder
from triage_assets.errors import SettingsError, TriageError, UnknownOrganization
from triage_assets.instance_folder import find_instance_folder
from triage_assets.scoring.identity import read_identity
from triage_assets.settings import load_settings, require_annotator
from triage_assets.store import Store, open_store

logger = logging.getLogger(__name__)

# Dagster's own console lines would bury the few that matter here; every event is in the instance all the same.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# With a run an hour, this is a month and a half.
_REMEMBERED_RUNS = 1000
# What opening an instance or reading its storage ends in where the storage is damaged, or no storage at all.
_NO_INSTANCE = (dg.DagsterError, yaml.YAMLError, SQLAlchemyError, OSError)
_READ_BACK = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """What one run of some assets left behind: the metadata of each materialized asset, and the error that ended it."""

    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    error: TriageError | None = None
    failed_checks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def troubles(self) -> tuple[str, ...]:
        """Everything that makes the command fail."""
        return (*self.failed_checks, *([str(self.error)] if self.error else []))


@dataclass(frozen=True, slots=True)
class ModelRun:
    """What one model did in a run that scored: sequences, elapsed seconds, and where the time went as text."""

    model: str
    scored: int
    reused: int
    seconds: float
    stage_shares: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the annotator's queue a run is about; what is None is left to the assets' own defaults."""

    limit: int | None = None
    stage: str | None = None
    organization: str | None = None


@dataclass(slots=True)
class PullTotals:
    """What the pulls of several organizations did, added up as they finish."""

    organizations: int = 0
    sequences: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    frames_downloaded: int = 0
    troubles: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def has_news(self) -> bool:
        """Whether the backlog or its frames are other than before."""
        return bool(self.new or self.changed or self.gone or self.frames_downloaded)

    def add(self, key: str, outcome: StageOutcome) -> None:
        """Count one organization's materializations; an asset that had nothing to do is absent."""
        if outcome.error:
            self.troubles.append(f"{key}: {outcome.error}")
            return
        pulled, packed = outcome.metadata.get("raw_sequences", {}), outcome.metadata.get("frame_shards", {})
        self.organizations += 1
        self.sequences += pulled.get("sequences", 0)
        self.new += pulled.get("new", 0)
        self.changed += pulled.get("changed", 0)
        self.gone += pulled.get("gone", 0)
        self.frames_downloaded += packed.get("frames_downloaded", 0)
        self.troubles.extend(outcome.failed_checks)
        self.warnings.extend(outcome.warnings)


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME; without it, the one that the dagster.yaml of this folder describes.

    Raises `SettingsError` for one that cannot be opened.
    """
    folder = find_instance_folder()
    try:
        if folder is None:
            logger.warning(
                "There is no dagster.yaml in %s and DAGSTER_HOME is not set: this run will not be remembered",
                Path.cwd(),
            )
            instance = dg.DagsterInstance.local_temp()
        else:
            instance = dg.DagsterInstance.from_config(str(folder))
    except Exception as error:  # noqa: BLE001  # the packages of storages raise errors of their own
        raise SettingsError(
            "Dagster's instance cannot be opened",
            found=" ".join(str(error.__cause__ or error).split())[:200],
            do=f"Correct dagster.yaml in {folder or Path.cwd()} and the storage that it names.",
        ) from None
    with instance:
        yield instance


def pull_backlog(
    instance: dg.DagsterInstance, scope: Scope, show: Callable[[str], AbstractContextManager[None]]
) -> PullTotals:
    """Run the first two assets for each organization in scope; one that fails does not stop the others.

    ``show`` is entered with each organization's key around its work. Raises `SettingsError`, `AnnotatorError`,
    `StoreError` where nothing can be pulled at all.
    """
    assert organizations.name
    if scope.stage is not None:
        check_stage_name(scope.stage)
    keys = discover_keys(scope.organization)
    instance.add_dynamic_partitions(organizations.name, list(keys))
    totals = PullTotals()
    for key in keys:
        with show(key):
            outcome = materialize(
                instance,
                ["raw_sequences", "frame_shards"],
                partition_key=key,
                config={"raw_sequences": given(stage=scope.stage, limit=scope.limit)},
            )
        totals.add(key, outcome)
    return totals


def check_models() -> tuple[str, ...]:
    """Look at the packages that the settings name before anything is pulled; says what is wrong with some of them.

    Raises `PackageError` where none can be read.
    """
    readings = read_each(load_settings().model_paths, read_identity)
    readings.require_any()
    return tuple(map(str, readings.refused.values()))


def discover_keys(name: str | None = None) -> tuple[str, ...]:
    """The partition keys to pull: all that the annotator lists or the store holds, or those of one organization.

    An organization that vanished from the annotator has an empty backlog now, and its stored one must follow.
    """
    settings = require_annotator(load_settings())
    store = open_store(settings.triage_store)
    with open_client(settings) as client:
        listed = client.list_organizations()
    store.stamp(settings.annotator_api_url or "")
    if name is None:
        return tuple(sorted({*map(partition_key, listed), *stored_keys(store)}))
    return _keys_of(name, listed)


def _keys_of(name: str, listed: Sequence[Organization]) -> tuple[str, ...]:
    keys = {partition_key(item) for item in listed if name in (item.name, partition_key(item))}
    if not keys:
        raise UnknownOrganization(
            "The annotator has no such organization",
            found=repr(name),
            expected="one of " + ", ".join(sorted(repr(item.name) for item in listed)),
            do="Give --organization a name from this list.",
        )
    return tuple(sorted(keys))


def given(**options: object) -> dict[str, object]:
    """The options that were given; for the others the asset's own default holds."""
    return {name: value for name, value in options.items() if value is not None}


def materialize(
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    *,
    partition_key: str | None = None,
    config: Mapping[str, Mapping[str, object]] | None = None,
) -> StageOutcome:
    """Materialize the assets in one run of this process.

    ``config`` holds each asset's configuration. A `TriageError` raised by an asset comes back in the outcome, as one
    organization's trouble should not stop the others, beside what was materialized before it; any other error is a
    fault of ours and is raised.
    """
    run_id, failure = str(uuid.uuid4()), None
    end_abandoned_runs(instance)
    run_config = {**_QUIET, "ops": {name: {"config": dict(values)} for name, values in (config or {}).items()}}
    job = defs.resolve_implicit_global_asset_job_def()
    try:
        job.execute_in_process(
            instance=instance,
            run_id=run_id,
            partition_key=partition_key,
            asset_selection=[dg.AssetKey(name) for name in assets],
            run_config=run_config,
            tags=process_tags(run_id),
        )
    except TriageError as error:
        failure = error
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    metadata: dict[str, Mapping[str, Any]] = {}
    failed: dict[dg.AssetCheckSeverity, list[str]] = {severity: [] for severity in dg.AssetCheckSeverity}
    for entry in instance.all_logs(run_id, of_type=_READ_BACK):
        found = entry.dagster_event.event_specific_data if entry.dagster_event else None
        if isinstance(found, dg.AssetCheckEvaluation):
            if not found.passed:
                where = f" of {partition_key}" if partition_key else ""
                failed[found.severity].append(f"{found.asset_key.to_user_string()}{where}: {found.description}")
        elif entry.asset_materialization and entry.asset_materialization.asset_key.to_user_string() in assets:
            values = {name: _plain_value(value) for name, value in entry.asset_materialization.metadata.items()}
            metadata[entry.asset_materialization.asset_key.to_user_string()] = values
    return StageOutcome(
        metadata,
        failure,
        failed_checks=tuple(failed[dg.AssetCheckSeverity.ERROR]),
        warnings=tuple(failed[dg.AssetCheckSeverity.WARN]),
    )


def _plain_value(value: dg.MetadataValue) -> object:
    """A table as a list of its rows, anything else as the value it holds."""
    return [record.data for record in value.records] if isinstance(value, dg.TableMetadataValue) else value.value


def model_runs(scored: Mapping[str, Any]) -> tuple[ModelRun, ...]:
    """What each model did, from the metadata of `predictions`."""
    return tuple(
        ModelRun(row["model"], row["scored_now"], row["reused"], row["seconds"], row["stage_shares"])
        for row in scored[BY_MODEL]
    )


def recorded_seconds(store: Store, name: str) -> float | None:
    """How long a model has scored for this store, added up over the runs that Dagster remembers.

    None where it remembers none, or where its storage cannot be read.
    """
    folder = predictions_folder(store, name)
    try:
        if find_instance_folder() is None:
            return None
        with open_instance() as instance:
            found = instance.fetch_materializations(dg.AssetKey("predictions"), limit=_REMEMBERED_RUNS).records
    except (SettingsError, *_NO_INSTANCE) as error:
        logger.info("How long %s took is not known: %s", name, error)
        return None
    metadata = [record.asset_materialization.metadata for record in found if record.asset_materialization]
    tables = [values[BY_MODEL] for values in metadata if BY_MODEL in values]
    rows = [row.data for table in tables if isinstance(table, dg.TableMetadataValue) for row in table.records]
    return sum(float(row["seconds"] or 0) for row in rows if row.get(FOLDER) == folder) or None
