"""What starts runs without a person: following changes, the poll of the annotator, and the nightly pass.

What lives here: when something runs. What does not: what it does, and what counts as a change (`following`). Following
upstream changes and decisions is on from the start for groups and the split; everything that reaches the annotator or
computes scores is off until somebody switches it on.

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
from triage_assets.defs.abandoned_runs import end_abandoned_runs
from triage_assets.defs.following import DECISIONS, UPSTREAM, is_behind, look_upstream
from triage_assets.defs.partitions import organizations
from triage_assets.defs.resources import AnnotatorResource, ReviewResource, StoreResource
from triage_assets.store import Store

if TYPE_CHECKING:
    from triage_assets.annotator.client import AnnotatorClient

_POLL_SECONDS = 20
_FOLLOW_SECONDS = 10
_ASK_AGAIN_SECONDS = 900.0
_LONGEST_PATIENCE_SECONDS = 3600.0
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class _Asked(TypedDict):
    """What a following sensor's cursor keeps while something is due: times in seconds since the epoch."""

    since: float
    last: float


class _Look(TypedDict):
    """What the cursor keeps of one organization."""

    glance: str
    asked_at: float


pull_organization = dg.define_asset_job(
    "pull_organization",
    selection=dg.AssetSelection.assets("raw_sequences", "frame_shards"),
    description="Pulls one organization's backlog and packs its frames.",
)

regroup_and_split = dg.define_asset_job(
    "regroup_and_split",
    selection=dg.AssetSelection.assets("sequence_groups", "worklists"),
    description="Groups and splits the backlog that is there.",
)

score_backlog = dg.define_asset_job(
    "score_backlog", selection=dg.AssetSelection.assets("predictions"), description="Scores what is not scored yet."
)


@dg.sensor(
    job=regroup_and_split, minimum_interval_seconds=_FOLLOW_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING
)
def follow_changes(context: dg.SensorEvaluationContext, review: ReviewResource) -> dg.SensorResult:
    """Groups anew when a backlog or a decision is new, and splits anew when backlog, groups or scores are.

    It also ends runs whose process was killed, which would keep others waiting.
    """
    for run_id in end_abandoned_runs(context.instance):
        context.log.warning(f"The process of run {run_id} is gone: the run is ended")
    # One look for both: with two, what arrives in between would be asked of the one and not of the other.
    split = look_upstream(context.instance, "worklists")
    groups = {name: split[name] for name in UPSTREAM["sequence_groups"]}
    if (decisions := review.last_decision()) is not None:
        groups[DECISIONS] = decisions
    due = [
        name
        for name, upstream in (("sequence_groups", groups), ("worklists", split))
        if is_behind(context.instance, name, upstream)
    ]
    # A split that follows groups is asked for with them: they are about to be new.
    return _ask(context, regroup_and_split.name, ["sequence_groups", "worklists"] if "sequence_groups" in due else due)


@dg.sensor(job=score_backlog, minimum_interval_seconds=_FOLLOW_SECONDS, default_status=dg.DefaultSensorStatus.STOPPED)
def follow_with_predictions(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Scores whatever new frames arrive."""
    upstream = look_upstream(context.instance, "predictions")
    return _ask(
        context, score_backlog.name, ["predictions"] if is_behind(context.instance, "predictions", upstream) else []
    )


def _ask(context: dg.SensorEvaluationContext, job_name: str, due: Sequence[str]) -> dg.SensorResult:
    """Ask for one run at a time, and after one that changed nothing, later and later, up to once an hour.

    The cursor keeps since when something has been due, and when a run was last asked for.
    """
    if not due:
        return dg.SensorResult(skip_reason="nothing has changed upstream since the last run", cursor="")
    under_way = context.instance.get_runs_count(dg.RunsFilter(job_name=job_name, statuses=_UNDER_WAY))
    if under_way:
        return dg.SensorResult(skip_reason="a run is asked for already")
    asked: _Asked = json.loads(context.cursor) if context.cursor else _Asked(since=time.time(), last=0.0)
    patience = min(_LONGEST_PATIENCE_SECONDS, asked["last"] - asked["since"]) if asked["last"] else 0.0
    if time.time() < asked["last"] + patience:
        return dg.SensorResult(skip_reason=f"the last run did not help; asked again {patience:.0f} s after it")
    asked["last"] = time.time()
    return dg.SensorResult(
        run_requests=[dg.RunRequest(asset_selection=[dg.AssetKey(name) for name in due])], cursor=json.dumps(asked)
    )


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


JOBS = (pull_organization, regroup_and_split, score_backlog)
SENSORS = (follow_changes, follow_with_predictions, poll_annotator)
SCHEDULES = (nightly,)
