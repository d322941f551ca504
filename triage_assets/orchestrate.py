"""Running the graph from the command line: the same assets, instance and events as Dagster's own page shows.

What lives here: opening the Dagster instance, registering organizations as partitions, and materializing stages in
order. What does not: the assets themselves, and what is printed about them.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from triage_assets.annotator.listing import check_stage_name
from triage_assets.annotator.records import Organization, partition_key
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.definitions import defs
from triage_assets.defs.partitions import organizations
from triage_assets.defs.resources import open_client
from triage_assets.defs.scoring_metadata import BY_MODEL
from triage_assets.errors import TriageError, UnknownOrganization
from triage_assets.scoring.identity import read_identity
from triage_assets.settings import load_settings, require_annotator
from triage_assets.store import Store, open_store

logger = logging.getLogger(__name__)

# Dagster's own console lines would bury the few that matter here; every event is in the instance all the same.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# With a run an hour, this is a month and a half.
_REMEMBERED_RUNS = 1000


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """What one run of some assets left behind: the metadata of each materialized asset, or the error that ended it."""

    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    error: TriageError | None = None
    failed_checks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


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
    """The instance of DAGSTER_HOME; without it, the one that the dagster.yaml of this folder describes."""
    here = Path.cwd()
    if os.environ.get("DAGSTER_HOME"):
        instance = dg.DagsterInstance.get()
    elif (here / "dagster.yaml").exists():
        instance = dg.DagsterInstance.from_config(str(here))
    else:
        logger.warning(
            "There is no dagster.yaml in %s and DAGSTER_HOME is not set: this run will not be remembered", here
        )
        instance = dg.DagsterInstance.local_temp()
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


def check_models() -> None:
    """Look at the packages that the settings name before anything is pulled. Raises `PackageError`."""
    for package in load_settings().model_paths:
        read_identity(package)


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
    organization's trouble should not stop the others; any other error is a fault of ours and is raised.
    """
    run_config = {**_QUIET, "ops": {name: {"config": dict(values)} for name, values in (config or {}).items()}}
    job = defs.resolve_implicit_global_asset_job_def()
    try:
        result = job.execute_in_process(
            instance=instance,
            partition_key=partition_key,
            asset_selection=[dg.AssetKey(name) for name in assets],
            run_config=run_config,
        )
    except TriageError as error:
        return StageOutcome(error=error)
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    metadata: dict[str, Mapping[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        if materialization.asset_key.to_user_string() in assets:
            values = {name: _plain_value(value) for name, value in materialization.metadata.items()}
            metadata[materialization.asset_key.to_user_string()] = values
    failed: dict[dg.AssetCheckSeverity, list[str]] = {severity: [] for severity in dg.AssetCheckSeverity}
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            where = f" of {partition_key}" if partition_key else ""
            failed[check.severity].append(f"{check.asset_key.to_user_string()}{where}: {check.description}")
    return StageOutcome(
        metadata,
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
    """How long a model has scored for this store, added up over the runs that Dagster remembers; None for none."""
    if not (os.environ.get("DAGSTER_HOME") or (Path.cwd() / "dagster.yaml").exists()):
        return None
    folder = f"{store.location}/predictions/model={name}"
    seconds = 0.0
    with open_instance() as instance:
        for record in instance.fetch_materializations(dg.AssetKey("predictions"), limit=_REMEMBERED_RUNS).records:
            event = record.asset_materialization
            found = {key: _plain_value(value) for key, value in event.metadata.items()} if event else {}
            if BY_MODEL in found and folder in str(found.get("path", "")).split(", "):
                seconds += sum(run.seconds for run in model_runs(found) if run.model == name)
    return seconds or None
