"""A large made-up review database, written straight into its tables.

What lives here: rows with a few large groups, many small ones and many singletons, some of them labelled and scored.
What does not: how rows come about in the product, which is measured elsewhere.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert

from triage_assets.review.models import (
    AnnotationContributor,
    Base,
    GroupAnnotator,
    Reviewer,
    ReviewSequence,
    SequenceAnnotation,
    SequenceGroup,
)

CAMERAS = 800
ORGANIZATIONS = 12
REVIEWERS = 40
_START = datetime(2025, 6, 1, tzinfo=UTC)
_CHUNK = 20_000

Row = Mapping[str, object]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def fill(connection: Connection, n_sequences: int, seed: int = 0) -> None:
    """Fill an empty database: 15% of the sequences are alone in their group, the others in as many groups of 2 to 5000.

    A fifth of the groups is labelled, one in a hundred is unsure, half of the labelled are validated; nine in ten
    sequences are scored.
    """
    random = np.random.default_rng(seed)
    sizes = _sizes(random, n_sequences)
    group_ids = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    random.shuffle(group_ids)
    scores = np.where(random.random(n_sequences) < 0.9, random.random(n_sequences), np.nan)
    reviewers = [{"id": n, "name": f"reviewer {n}", "created_at": _START} for n in range(1, REVIEWERS + 1)]
    _insert(connection, Reviewer, iter(reviewers))
    labelled = random.random(len(sizes)) < 0.2
    _insert(connection, SequenceGroup, _groups(random, sizes, labelled, group_ids, scores))
    _insert(connection, ReviewSequence, _sequences(group_ids, scores))
    annotated = np.flatnonzero(labelled[group_ids - 1])
    _insert(connection, SequenceAnnotation, _annotations(annotated))
    annotators = random.integers(1, REVIEWERS + 1, len(sizes))  # one for each group
    _insert(connection, AnnotationContributor, _contributors(annotated, annotators[group_ids[annotated] - 1]))
    shown = np.flatnonzero(labelled).tolist()
    rows = ({"group_id": index + 1, "reviewer_id": int(annotators[index])} for index in shown)
    _insert(connection, GroupAnnotator, rows)


def _insert(connection: Connection, table: type[Base], rows: Iterator[Row]) -> None:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            connection.execute(insert(table), chunk)
            chunk = []
    if chunk:
        connection.execute(insert(table), chunk)


def _sizes(random: np.random.Generator, n_sequences: int) -> Integers:
    n_recurring = n_alone = int(n_sequences * 0.15)
    shares = np.minimum(random.pareto(1.1, n_recurring), 2000)
    rest = n_sequences - n_alone - 2 * n_recurring
    extra = np.floor(shares / shares.sum() * rest).astype(np.int64)
    extra[: rest - int(extra.sum())] += 1
    return np.concatenate([2 + extra, np.ones(n_alone, np.int64)])


def _groups(
    random: np.random.Generator, sizes: Integers, labelled: Booleans, group_ids: Integers, scores: Floats
) -> Iterator[Row]:
    highest = np.full(len(sizes), -1.0)
    lowest = np.full(len(sizes), 2.0)
    known = ~np.isnan(scores)
    np.maximum.at(highest, group_ids[known] - 1, scores[known])
    np.minimum.at(lowest, group_ids[known] - 1, scores[known])
    cameras = random.integers(1, CAMERAS + 1, len(sizes)).tolist()
    azimuths = (random.integers(0, 8, len(sizes)) * 45).tolist()
    unsure = (random.random(len(sizes)) < 0.01).tolist()
    validated = (labelled & (random.random(len(sizes)) < 0.5)).tolist()
    minutes = random.integers(0, 500_000, len(sizes)).tolist()
    for index, size in enumerate(sizes.tolist()):
        camera, is_labelled, is_scored = cameras[index], bool(labelled[index]), highest[index] >= 0
        created = _START + timedelta(minutes=minutes[index])
        yield {
            "id": index + 1,
            "camera_id": camera,
            "camera_name": f"ridge camera {camera:04d}",
            "azimuth": azimuths[index],
            "organization_key": f"valley-brigade-{camera % ORGANIZATIONS}",
            "organization_name": f"Valley brigade {camera % ORGANIZATIONS}",
            "x1": 0.4,
            "y1": 0.4,
            "x2": 0.5,
            "y2": 0.5,
            "confidence": 0.5,
            "false_positive_type": "antenna" if is_labelled else None,
            "is_unsure": unsure[index],
            "is_validated": validated[index],
            "validated_at": created if validated[index] else None,
            "validated_by": 1 if validated[index] else None,
            "labeled_at": created if is_labelled else None,
            "labeled_by": 1 if is_labelled else None,
            "created_at": created,
            "updated_at": created,
            "member_count": size,
            "highest_score": float(highest[index]) if is_scored else None,
            "lowest_score": float(lowest[index]) if is_scored else None,
            "revision": 1,
        }


def _sequences(group_ids: Integers, scores: Floats) -> Iterator[Row]:
    for index, (group_id, score) in enumerate(zip(group_ids.tolist(), scores.tolist(), strict=True)):
        recorded = _START + timedelta(seconds=30 * index)
        yield {
            "id": index + 1,
            "organization_key": "valley-brigade-1",
            "camera_id": 1,
            "azimuth": 45,
            "recorded_at": recorded,
            "last_seen_at": recorded + timedelta(minutes=5),
            "n_detections": 14,
            "first_detection_id": 20 * index,
            "first_boxes": [[0.4, 0.4, 0.5, 0.5, 0.6]],
            "group_id": group_id,
            "is_group_excluded": False,
            "score": None if score != score else score,
            "revision": 1,
        }


def _annotations(annotated: Integers) -> Iterator[Row]:
    for index in annotated.tolist():
        yield {
            "sequence_id": index + 1,
            "stage": "seq_annotation_done",
            "has_smoke": False,
            "has_false_positives": True,
            "smoke_types": [],
            "false_positive_types": ["antenna"],
            "is_unsure": False,
            "annotation": [],
            "origin": "propagated",
            "created_at": _START,
            "updated_at": _START,
            "revision": 1,
        }


def _contributors(annotated: Integers, reviewers: Integers) -> Iterator[Row]:
    for index, reviewer in zip(annotated.tolist(), reviewers.tolist(), strict=True):
        yield {"sequence_id": index + 1, "reviewer_id": reviewer, "contributed_at": _START}
