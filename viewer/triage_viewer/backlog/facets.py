"""What there is to choose from in a backlog, and how to write its worklists at a threshold.

What lives here: lists of what occurs, with counts, and the words of a command. What does not: running it.
"""

from collections.abc import Mapping

import numpy as np
import yaml

from triage_assets.errors import NotInBacklog
from triage_viewer.backlog.answers import CameraFacet, CommandRead, ModelFacet, OrganizationFacet, TriageFacets
from triage_viewer.backlog.load import StoredBacklog, WorklistsRecord
from triage_viewer.backlog.orders import fold
from triage_viewer.backlog.table import BacklogTable


def list_facets(backlog: StoredBacklog) -> TriageFacets:
    """Everything that the filters offer, cameras aside."""
    table, record = backlog.table, backlog.record
    organizations = table.organizations
    counts = np.bincount(organizations.codes, minlength=len(organizations.values)).tolist()
    listed = sorted(zip(organizations.values, counts, strict=True), key=lambda each: (fold(each[0].name), each[0].key))
    times = table.started_at[~np.isnat(table.started_at)]
    return TriageFacets(
        version=backlog.version,
        threshold=record.threshold,
        sequences=len(table),
        organizations=[OrganizationFacet.of(organization, count) for organization, count in listed],
        models=[ModelFacet.of(name, model) for name, model in zip(table.models, record.models, strict=True)],
        caution=record.caution,
        split_without=list(record.split_without),
        dropped_reasons=_count_dropped(table),
        first_started_at=_as_text(times.min()) if len(times) else None,
        last_started_at=_as_text(times.max()) if len(times) else None,
        has_groups=backlog.groups_of is not None,
        trouble=None,
        decided_since=None,
        groups_changed_since=None,
        review_trouble=None,
    )


def list_cameras(table: BacklogTable, organization_key: str) -> list[CameraFacet]:
    """The cameras of one organization, by name. Raises `NotInBacklog`."""
    keys = [organization.key for organization in table.organizations.values]
    if organization_key not in keys:
        raise NotInBacklog("The backlog has no organization of that key", found=repr(organization_key[:80]))
    theirs = table.cameras.codes[table.organizations.codes == keys.index(organization_key)]
    counts = np.bincount(theirs, minlength=len(table.cameras.values)).tolist()
    found = [(name, count) for name, count in zip(table.cameras.values, counts, strict=True) if count]
    return [CameraFacet(name=name, sequences=count) for name, count in sorted(found, key=lambda each: fold(each[0]))]


def describe_command(record: WorklistsRecord, threshold: float, store: str) -> CommandRead:
    """How to write the worklists at this threshold, of the same scores as the present ones.

    The command line knows no other detector or precision than the settings'; the configuration names both.
    """
    config: dict[str, float | str] = {"threshold": threshold}
    for name in ("detector", "precision"):
        values = {value for model in record.models if (value := getattr(model, name))}
        if len(values) == 1:
            config[name] = values.pop()
    content = {"ops": {"worklists": {"config": config}}}
    return CommandRead(
        threshold=threshold,
        store=store,
        command=f"triage worklists --threshold {threshold!r}",
        config_yaml=yaml.safe_dump(content, sort_keys=False),
        setting=f"TRIAGE_THRESHOLD={threshold!r}",
    )


def _count_dropped(table: BacklogTable) -> Mapping[str, int]:
    reasons = table.dropped_reasons
    waiting = reasons.codes[~table.is_labeled & ~table.is_begun]
    counts = np.bincount(waiting, minlength=len(reasons.values)).tolist()
    return {reason: count for reason, count in zip(reasons.values, counts, strict=True) if reason is not None and count}


def _as_text(moment: np.datetime64) -> str:
    return f"{moment}Z"
