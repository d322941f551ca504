"""Running the graph from the command line: the same assets, instance and events as Dagster's own page shows.

What lives here: opening the Dagster instance, registering organizations as partitions, and materializing stages in
order. What does not: the assets themselves, and what is printed about them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from triage_assets.definitions import defs
from triage_assets.defs.partitions import organizations
from triage_assets.errors import TriageError

# Dagster's own console lines would bury the few that matter here; every event is in the instance all the same.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """What one run of some assets left behind: the metadata of each materialized asset, or the error that ended it."""

    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    error: TriageError | None = None
    failed_checks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME; without it, the one that the dagster.yaml of this folder describes."""
    here = Path.cwd()
    if os.environ.get("DAGSTER_HOME"):
        instance = dg.DagsterInstance.get()
    elif (here / "dagster.yaml").exists():
        instance = dg.DagsterInstance.from_config(str(here))
    else:
        instance = dg.DagsterInstance.local_temp()
    with instance:
        yield instance


def register_organizations(instance: dg.DagsterInstance, keys: Sequence[str]) -> None:
    """Make every key a partition; known ones stay as they are."""
    assert organizations.name
    instance.add_dynamic_partitions(organizations.name, list(keys))


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
    metadata: dict[str, Mapping[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        if materialization.asset_key.to_user_string() in assets:
            values = {name: value.value for name, value in materialization.metadata.items()}
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
