"""What starts runs without a person: conditions, the poll of the annotator, and the nightly pass.

What lives here: when something runs. What does not: what it does. Following upstream changes is on from the start for
the split; everything that reaches the annotator or computes scores is off until somebody switches it on.
"""

import json
from collections.abc import Sequence

import dagster as dg

from triage_assets.annotator.records import partition_key
from triage_assets.defs.partitions import organizations
from triage_assets.defs.resources import AnnotatorResource

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

follow_with_worklists = dg.AutomationConditionSensorDefinition(
    "follow_with_worklists",
    target=dg.AssetSelection.assets("worklists"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Splits anew whenever backlog or scores have changed.",
)

follow_with_predictions = dg.AutomationConditionSensorDefinition(
    "follow_with_predictions",
    target=dg.AssetSelection.assets("predictions"),
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Scores whatever new frames arrive.",
)


@dg.sensor(job=pull_organization, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.STOPPED)
def poll_annotator(context: dg.SensorEvaluationContext, annotator: AnnotatorResource) -> dg.SensorResult:
    """Asks the annotator what each organization's queue holds, and pulls the organizations where that has changed."""
    seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    with annotator.connect() as client:
        now: dict[str, str] = {}
        for organization in client.list_organizations():
            key = partition_key(organization)
            found = client.count_sequences(organization).fingerprint()
            now[key] = f"{now[key]}+{found}" if key in now else found
    changed = sorted(key for key, found in now.items() if seen.get(key) != found)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{key}:{now[key]}", partition_key=key) for key in changed],
        dynamic_partitions_requests=[organizations.build_add_request(changed)] if changed else [],
        cursor=json.dumps(now),
        skip_reason=None if changed else "nothing new at the annotator",
    )


@dg.schedule(job=pull_organization, cron_schedule="0 2 * * *", default_status=dg.DefaultScheduleStatus.STOPPED)
def nightly(context: dg.ScheduleEvaluationContext, annotator: AnnotatorResource) -> Sequence[dg.RunRequest]:
    """Pulls every organization at two in the morning; scores and worklists follow what arrived."""
    with annotator.connect() as client:
        keys = sorted({partition_key(organization) for organization in client.list_organizations()})
    assert organizations.name
    context.instance.add_dynamic_partitions(organizations.name, keys)
    return [dg.RunRequest(partition_key=key) for key in keys]


JOBS = (pull_organization,)
SENSORS = (follow_with_worklists, follow_with_predictions, poll_annotator)
SCHEDULES = (nightly,)
