"""Groups and decisions as the snapshot holds them, in a few words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from triage_assets.groups.records import ANNOTATIONS, GROUPS, MEMBERS
from triage_assets.review.records import Origin, Stage
from triage_assets.worklists.records import ReviewTables


def reviewed(
    *annotations: Mapping[str, Any],
    members: Mapping[int, int] | None = None,
    labels: Mapping[int, Mapping[str, Any]] | None = None,
) -> ReviewTables:
    """Tables with these annotations, the group of each member, and columns of labelled groups."""
    group_of = members or {}
    groups = [
        {"group_id": group_id, "is_unsure": False, "is_validated": False, "member_count": count}
        | dict((labels or {}).get(group_id, {}))
        for group_id, count in sorted(Counter(group_of.values()).items())
    ]
    rows = [{"sequence_id": sequence_id, "group_id": group_id} for sequence_id, group_id in group_of.items()]
    return ReviewTables(
        _table(groups, GROUPS), _table(rows, MEMBERS), _table([dict(row) for row in annotations], ANNOTATIONS)
    )


def annotate(
    sequence_id: int,
    *clusters: Mapping[str, Any],
    stage: Stage = Stage.SEQ_ANNOTATION_DONE,
    origin: Origin = Origin.PERSON,
    smoke: Sequence[str] = (),
    other: Sequence[str] = (),
    is_unsure: bool = False,
) -> dict[str, Any]:
    """One annotation; without clusters it has one per label, an antenna where no label is given either."""
    found = clusters or [
        *(cluster(smoke=kind) for kind in smoke),
        *(cluster(kind) for kind in other or ([] if smoke else ["antenna"])),
    ]
    return {
        "sequence_id": sequence_id,
        "stage": stage,
        "smoke_types": list(dict.fromkeys(item["smoke_type"] for item in found if item["smoke_type"])),
        "false_positive_types": list(dict.fromkeys(kind for item in found for kind in item["false_positive_types"])),
        "is_unsure": is_unsure,
        "origin": origin,
        "annotation": orjson.dumps(found).decode(),
    }


def cluster(*false_positive_types: str, smoke: str | None = None, is_smoke: bool = False) -> dict[str, Any]:
    """One thing in a sequence, as the contract writes it."""
    return {
        "is_smoke": is_smoke or smoke is not None,
        "smoke_type": smoke,
        "false_positive_types": list(false_positive_types),
        "bboxes": [{"detection_id": 11, "xyxyn": [0.1, 0.2, 0.3, 0.4]}],
    }


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)
