"""What people decided, as bodies for the annotator's bulk endpoint, and what no such body can say.

What lives here: which labels go together in one body. What does not: the file (`export`), or any sending.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.review.records import Origin, Stage

Why = Literal["several labels", "smoke without a type", "no label", "still in review", "needs manual annotation"]

# The annotator's bulk endpoint finishes what it labels: these are decided here, and not finished.
_WHY_UNFINISHED: Mapping[str, Why] = {
    Stage.IN_REVIEW: "still in review",
    Stage.NEEDS_MANUAL: "needs manual annotation",
}


@dataclass(frozen=True, slots=True)
class Labels:
    """The decisions about the backlog: every labelled sequence is in exactly one of the two.

    ``bulk_payloads`` are request bodies, one per distinct label. ``individual`` are annotations that a body with one
    label for a whole sequence cannot say, or would finish too early, each with the reason.
    """

    bulk_payloads: tuple[Mapping[str, Any], ...]
    individual: tuple[Mapping[str, Any], ...]


def bulk_payload(sequence_ids: list[int], label: Mapping[str, str], *, is_unsure: bool) -> dict[str, Any]:
    """The body that gives sequences one label; never ``force``, which would overwrite a group's other label."""
    return {"sequence_ids": sequence_ids, **label, "is_unsure": is_unsure, "force": False}


def split_labels(labeled: pd.DataFrame, annotations: pa.Table) -> Labels:
    """The labelled rows of the results by what can be said of them; ``annotations`` has their clusters."""
    n_types = labeled["smoke_types"].map(len) + labeled["false_positive_types"].map(len)
    # Whatever is not a person's own was stamped with one label on every cluster, so only those need to be looked into.
    is_own = labeled["annotation_origin"] == Origin.PERSON
    unfinished = labeled["annotation_stage"].map(_WHY_UNFINISHED)
    is_unfinished = unfinished.notna()
    looked_into = labeled[(n_types != 1) | is_own | is_unfinished]
    clusters = _clusters(annotations, looked_into["sequence_id"])
    reasons = {sequence_id: why for sequence_id, found in clusters.items() if (why := _why_individual(found))}
    reasons |= dict(
        zip(labeled["sequence_id"][is_unfinished].tolist(), unfinished[is_unfinished].tolist(), strict=True)
    )
    alone = labeled["sequence_id"].isin(list(reasons))
    return Labels(_bodies(labeled[~alone]), tuple(_individually(labeled[alone], clusters, reasons)))


def _bodies(rows: pd.DataFrame) -> tuple[Mapping[str, Any], ...]:
    """One body per label and certainty: smoke first, then by name; ids ascend."""
    columns = ("smoke_types", "false_positive_types", "is_unsure", "sequence_id")
    found: dict[tuple[bool, str, bool], list[int]] = {}
    for smoke, other, is_unsure, sequence_id in zip(*(rows[name].tolist() for name in columns), strict=True):
        found.setdefault((not smoke, (smoke or other)[0], is_unsure), []).append(sequence_id)
    return tuple(
        bulk_payload(ids, {"false_positive_type" if is_other else "smoke_type": label}, is_unsure=is_unsure)
        for (is_other, label, is_unsure), ids in sorted(found.items())
    )


def _individually(
    rows: pd.DataFrame, clusters: Mapping[int, list[dict[str, Any]]], reasons: Mapping[int, Why]
) -> list[Mapping[str, Any]]:
    columns = (rows["sequence_id"].tolist(), rows["annotation_stage"].tolist(), rows["is_unsure"].tolist())
    return [
        {
            "sequence_id": sequence_id,
            "why": reasons[sequence_id],
            "stage": stage,
            "is_unsure": is_unsure,
            "annotation": clusters[sequence_id],
        }
        for sequence_id, stage, is_unsure in zip(*columns, strict=True)
    ]


def _clusters(annotations: pa.Table, ids: pd.Series) -> dict[int, list[dict[str, Any]]]:
    wanted = annotations.filter(pc.is_in(annotations["sequence_id"], pa.array(ids, pa.int64())))
    texts = zip(wanted["sequence_id"].to_pylist(), wanted["annotation"].to_pylist(), strict=True)
    return {sequence_id: orjson.loads(text) for sequence_id, text in texts}


def _why_individual(clusters: list[dict[str, Any]]) -> Why | None:
    """Why one label for the whole sequence would not say the same; None where it would."""
    labels: set[tuple[bool, str | None]] = set()
    for cluster in clusters:
        if cluster["is_smoke"]:
            labels.add((True, cluster["smoke_type"]))
        else:
            labels.update((False, kind) for kind in cluster["false_positive_types"] or [None])
    if (True, None) in labels:
        return "smoke without a type"
    if not labels or labels == {(False, None)}:
        return "no label"
    return "several labels" if len(labels) > 1 else None
