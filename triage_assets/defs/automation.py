"""What starts runs without a person: conditions, the poll of the annotator, and the nightly pass.

What lives here: when something runs. What does not: what it does. Following upstream changes and decisions is on from
the start for groups and the split; everything that reaches the annotator or computes scores is off until somebody
switches it on.

From a new sequence at the annotator to new worklists it should take less than a minute: a poll, a pull, a look at what
changed and a run of a few seconds follow one another, and the intervals below are what that leaves.
"""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import dagster as dg

from triage_assets.annotator.records import partition_key
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.defs.partitions import organizations
from triage_assets.defs.resources import AnnotatorResource, ReviewResource, StoreResource
from triage_assets.defs.writer_pool import free_abandoned_slots
from triage_assets.store import Store

if TYPE_CHECKING:
    from triage_assets.annotator.client import AnnotatorClient

_POLL_SECONDS = 20
_FOLLOW_SECONDS = 10
_DECISIONS_SECONDS = 30
_ASK_AGAIN_SECONDS = 900.0


class _Look(TypedDict):
    """What the cursor keeps of one organization."""

    glance: str
    asked_at: float


# The stock condition `eager` waits for as long as any organization has never been pulled; this one follows whatever
# did arrive, once it has stopped arriving.
follow_upstream = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.in_progress()
    & ~dg.AutomationCondition.any_deps_in_progress()
)

pull_organization = dg.define_asset_job(
    "pull_organization",
    selection=dg.AssetSelection.assets("raw_sequences", "frame_shards"),
    description="Pulls one organization's backlog and packs its frames.",
)

_GROUPS_AND_WORKLISTS = dg.AssetSelection.assets("sequence_groups", "worklists")

regroup_and_split = dg.define_asset_job(
    "regroup_and_split", selection=_GROUPS_AND_WORKLISTS, description="Groups and splits the backlog that is there."
)

follow_with_groups_and_worklists = dg.AutomationConditionSensorDefinition(
    "follow_with_groups_and_worklists",
    target=_GROUPS_AND_WORKLISTS,
    minimum_interval_seconds=_FOLLOW_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Groups anew whenever a backlog has changed, and splits anew whenever backlog, groups or scores have.",
)

follow_with_predictions = dg.AutomationConditionSensorDefinition(
    "follow_with_predictions",
    target=dg.AssetSelection.assets("predictions"),
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Scores whatever new frames arrive.",
)


@dg.sensor(
    job=regroup_and_split,
    minimum_interval_seconds=_DECISIONS_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def follow_decisions(context: dg.SensorEvaluationContext, review: ReviewResource) -> dg.SensorResult:
    """Groups and splits anew after people have decided something; frees the groups' pool from runs that were killed."""
    for run_id in free_abandoned_slots(context.instance):
        context.log.warning(f"run {run_id} was killed while it wrote groups: its place in the pool is free again")
    newest = review.last_decision()
    if newest is None or newest == context.cursor:
        return dg.SensorResult(skip_reason="nobody has decided anything since the last look")
    return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=newest)


@dg.sensor(job=pull_organization, minimum_interval_seconds=_POLL_SECONDS, default_status=dg.DefaultSensorStatus.STOPPED)
def poll_annotator(
    context: dg.SensorEvaluationContext, annotator: AnnotatorResource, store: StoreResource
) -> dg.SensorResult:
    """Asks the annotator what each organization's queue holds, and pulls the organizations where that has changed.

    The cursor keeps what was seen and when a pull was last asked for. A pull that has not come about by
    `_ASK_AGAIN_SECONDS` later is asked for again. One look sees the total and the newest rows; older rows that moved
    are found by the nightly pass.
    """
    seen: dict[str, _Look] = json.loads(context.cursor) if context.cursor else {}
    with annotator.connect() as client:
        found = look_at_queues(client, store.open())
    pulled = {key: _last_pulled(context.instance, key) for key in found}
    now = time.time()
    due = {
        key: glance
        for key, glance in found.items()
        if key not in seen
        or seen[key]["glance"] != glance
        or pulled[key] < seen[key]["asked_at"] < now - _ASK_AGAIN_SECONDS
    }
    asked = {key: _Look(glance=glance, asked_at=now) for key, glance in due.items()}
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=key) for key in sorted(due)],
        dynamic_partitions_requests=[organizations.build_add_request(sorted(due))] if due else [],
        cursor=json.dumps({key: look for key, look in (seen | asked).items() if key in found}),
        skip_reason=None if due else "nothing new at the annotator",
    )


@dg.schedule(job=pull_organization, cron_schedule="0 2 * * *", default_status=dg.DefaultScheduleStatus.STOPPED)
def nightly(
    context: dg.ScheduleEvaluationContext, annotator: AnnotatorResource, store: StoreResource
) -> Sequence[dg.RunRequest]:
    """Pulls every organization at two in the morning; scores and worklists follow what arrived."""
    with annotator.connect() as client:
        keys = sorted({*map(partition_key, client.list_organizations()), *stored_keys(store.open())})
    assert organizations.name
    context.instance.add_dynamic_partitions(organizations.name, keys)
    return [dg.RunRequest(partition_key=key) for key in keys]


def look_at_queues(client: "AnnotatorClient", store: Store) -> dict[str, str]:
    """A text per partition key that changes with the organization's queue; ``gone`` for one that is listed no more."""
    looks: dict[str, list[str]] = {key: [] for key in stored_keys(store)}
    for organization in client.list_organizations():
        looks.setdefault(partition_key(organization), []).append(client.count_sequences(organization).fingerprint())
    return {key: " ".join(glances) or "gone" for key, glances in looks.items()}


def _last_pulled(instance: dg.DagsterInstance, key: str) -> float:
    """When raw_sequences last materialized this partition, as seconds since the epoch; 0 for never."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("raw_sequences"), asset_partitions=[key])
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].timestamp if records else 0.0


JOBS = (pull_organization, regroup_and_split)
SENSORS = (follow_with_groups_and_worklists, follow_decisions, follow_with_predictions, poll_annotator)
SCHEDULES = (nightly,)
