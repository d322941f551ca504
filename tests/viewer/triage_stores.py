"""A small backlog with everything in it that a split can meet, as the worklists have it."""

import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
from triage_viewer.context import Context

from tests.viewer.conftest import serve
from tests.worklists.review_tables import annotate, reviewed
from tests.worklists.test_build import MOMENT, scores_of
from triage_assets.groups.records import UNGROUPED, DatabaseState
from triage_assets.groups.snapshot import GroupsSnapshot, store_snapshot
from triage_assets.review.database import open_review
from triage_assets.review.records import Origin, Stage
from triage_assets.store import Store
from triage_assets.worklists.build import build_results
from triage_assets.worklists.export import write_worklists
from triage_assets.worklists.records import ModelScores, ReviewTables

N = 300
START = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
# One key for two spellings; a formula, markup, a newline and a mark that turns the direction of writing.
ORGANIZATIONS = ((7, "SDIS Ardèche"), (7, "SDIS ARDECHE"), (8, '=HYPERLINK("http://evil")'), (9, "<b>\n\u202eabc"))
KEYS = ("sdis-ardeche-7", "hyperlink-http-evil-8", "b-abc-9")
CAMERAS = ("brison-00", "+cmd|' /C calc'!A0", "Brison <script>", "Ébène 3", 'brison, "two"\r\n')
# On thresholds, next to them, at both ends, and many of each.
SCORES = (0.0, 0.1, 0.2, 0.25, 0.35, 0.35 - 1e-12, 0.35 + 1e-12, 0.5, 0.7000000000000001, 0.7, 0.95, 1.0)
THRESHOLDS = (0.0, 0.2, 0.35, 0.35 + 1e-12, 0.42, 0.7, 1.0)


def backlog(n: int = N) -> pa.Table:
    """Sequences of all organizations and cameras, with ids of several lengths."""
    random = np.random.default_rng(5)
    ids = np.sort(random.choice(np.arange(5, 20_000), n, replace=False))
    organizations = [ORGANIZATIONS[place] for place in random.integers(0, len(ORGANIZATIONS), n)]
    later = [START + dt.timedelta(hours=int(hours), microseconds=123_456) for hours in random.integers(0, 200, n)]
    return pa.table(
        {
            "sequence_id": pa.array(ids),
            "organization_id": pa.array([number for number, _ in organizations], pa.int64()),
            "organization_name": pa.array([name for _, name in organizations], pa.string()),
            "camera_name": pa.array([CAMERAS[place] for place in random.integers(0, len(CAMERAS), n)], pa.string()),
            "azimuth": pa.array(random.integers(0, 8, n) * 45, pa.int64(), mask=random.random(n) < 0.1),
            "recorded_at": pa.array(later, MOMENT),
            "last_seen_at": pa.array([START + dt.timedelta(minutes=5)] * n, MOMENT),
            "n_detections": pa.array([8] * n, pa.int32()),
        }
    )


def models_of(rows: pa.Table, *names: str) -> list[ModelScores]:
    """Scores by each model; some sequences some or all of them cannot score."""
    found = []
    for seed, name in enumerate(names):
        random = np.random.default_rng(seed)
        scores: dict[int, float | str] = {}
        for sequence_id in rows["sequence_id"].to_pylist():
            chance = random.random()
            if sequence_id % 29 == 0:
                continue  # not scored yet
            if sequence_id % 17 == 0 or chance < 0.05:
                scores[sequence_id] = "no_images" if chance < 0.5 else "predict_failed"
            elif chance < 0.95:
                scores[sequence_id] = float(random.choice(SCORES))
        found.append(scores_of(scores, name))
    return found


def review_tables(rows: pa.Table) -> ReviewTables:
    """Groups of each state, and labels of several kinds, also of sequences that no model could score."""
    ids = rows["sequence_id"].to_pylist()
    annotations = []
    for place, sequence_id in enumerate(ids):
        if place % 11 == 0:
            annotations.append(annotate(sequence_id, smoke=["wildfire"], other=["antenna"] if place % 2 else []))
        elif place % 13 == 0 or sequence_id % 34 == 0:
            annotations.append(annotate(sequence_id, other=["building"], origin=Origin.PROPAGATED, is_unsure=True))
        elif place % 19 == 0:
            annotations.append(annotate(sequence_id, stage=Stage.UNDER_ANNOTATION))
    labels: dict[int, dict[str, Any]] = {
        number: {"label_state": state, "is_validated": number % 2 == 0}
        for number, state in enumerate(("labeled", "unsure", *["unlabeled"] * 8), 1)
    }
    members = {sequence_id: 1 + place % 10 for place, sequence_id in enumerate(ids) if place % 3}
    return reviewed(*annotations, members=members, labels=labels)


@contextmanager
def serve_store(store: Store) -> Iterator[httpx.Client]:
    """The application over a store, with an empty review database elsewhere."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_review(f"sqlite:///{folder}/review.sqlite")) as review,
        serve(Context(store, review, "bob")) as client,
    ):
        yield client


def store_split(
    store: Store,
    threshold: float = 0.35,
    names: Sequence[str] = ("1.0-aaaaaaaa", "2.0-bbbbbbbb"),
    *,
    n: int = N,
    revision: int = 1,
) -> pd.DataFrame:
    """Write the worklists and the groups' snapshot as the pipeline does, and return the split itself."""
    rows = backlog(n)
    models = models_of(rows, *names)
    tables = review_tables(rows)
    results = build_results(rows, models, threshold, tables)
    snapshot = GroupsSnapshot(
        DatabaseState("db", revision, "token"),
        tables.groups,
        tables.members,
        UNGROUPED.empty_table(),
        tables.annotations,
    )
    store_snapshot(store, snapshot)
    write_worklists(store, results, models, threshold, tables)
    return results
