"""By itself, with the real daemon: what appears at the annotator and what people decide reach groups and worklists."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from dagster._core.storage.tags import SENSOR_NAME_TAG

from tests.e2e.conftest import Workplace
from triage_assets.annotator.records import partition_key
from triage_assets.groups.decisions import Decisions
from triage_assets.orchestrate import open_instance
from triage_assets.review.database import open_review
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.records import FalsePositiveType, Label
from triage_assets.settings import load_settings
from triage_assets.stored_detections import StoredDetections

BIN = Path(sys.executable).parent
GIVE_UP_SECONDS = 200
GROUPS_AND_WORKLISTS = ("sequence_groups", "worklists")


@contextlib.contextmanager
def daemon(workplace: Workplace) -> Iterator[None]:
    """Dagster's daemon with the poll switched on; everything it started ends with it."""
    subprocess.run(
        [BIN / "dagster", "sensor", "start", "poll_annotator", "-m", "triage_assets.definitions"], check=True
    )
    command = [BIN / "dagster-daemon", "run", "-m", "triage_assets.definitions"]
    with (
        (workplace.folder / "daemon.log").open("wb") as log,
        subprocess.Popen(command, cwd=workplace.folder, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def wait_until(holds: Callable[[], bool], what: str, workplace: Workplace) -> float:
    """How many seconds it took; fails with the daemon's last words where it never comes true."""
    began = time.monotonic()
    while time.monotonic() - began < GIVE_UP_SECONDS:
        if holds():
            return time.monotonic() - began
        time.sleep(0.5)
    log = (workplace.folder / "daemon.log").read_text("utf-8", "replace")
    pytest.fail(f"not within {GIVE_UP_SECONDS} s: {what}\n{log[-6000:]}")


def runs() -> list[dg.DagsterRun]:
    with open_instance() as instance:
        return list(instance.get_runs())


def work_of(run: dg.DagsterRun) -> tuple[str, ...]:
    """The job of a run, or the assets that it was to make, and for which organization if for one."""
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    partition = run.tags.get("dagster/partition")
    return (*(assets or [run.job_name]), *([partition] if partition else []))


def is_quiet() -> bool:
    return all(run.is_finished for run in runs())


def listed(workplace: Workplace) -> set[int]:
    """Every sequence that a group or a worklist knows."""
    grouped = pq.read_table(workplace.store.root / "groups/members.parquet")["sequence_id"].to_pylist()
    results = pq.read_table(workplace.store.root / "worklists/results.parquet")["sequence_id"].to_pylist()
    return set(grouped) & set(results)


def label(workplace: Workplace, sequence_id: int) -> None:
    """What a person does on a page."""
    with contextlib.closing(open_review(load_settings().review_url)) as review:
        decisions = Decisions(DecisionDatabase(review), StoredDetections(workplace.store))
        decisions.annotate(sequence_id, Label(false_positive_type=FalsePositiveType.ANTENNA), by="somebody")


def labelled(workplace: Workplace) -> list[int]:
    return json.loads((workplace.store.root / "worklists/labels.json").read_bytes())["sequence_ids"]


def test_what_appears_and_what_is_decided_arrives_by_itself_and_nothing_else_runs(
    make_workplace: Callable[..., Workplace], monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace = make_workplace(3)
    monkeypatch.setenv("DAGSTER_HOME", str(workplace.folder))  # the daemon and the command about sensors ask for it
    workplace.triage("run")
    before = workplace.materializations("predictions", "org_predictions")
    with daemon(workplace):
        # The first look of the poll knows nothing yet, and pulls every organization once.
        wait_until(lambda: any(run.tags.get(SENSOR_NAME_TAG) == "poll_annotator" for run in runs()), "poll", workplace)
        wait_until(is_quiet, "the first pulls are done", workplace)
        wait_until(
            lambda: any("worklists" in work_of(run) and run.tags.get(SENSOR_NAME_TAG) for run in runs()),
            "worklists follow the first pulls",
            workplace,
        )
        wait_until(is_quiet, "the first runs are done", workplace)
        seen = {run.run_id for run in runs()}

        (added,) = workplace.server.backlog.add_sequences(1)
        seconds = wait_until(lambda: added in listed(workplace), "the new sequence is grouped and listed", workplace)
        print(f"from the annotator to the worklists: {seconds:.0f} s")
        wait_until(is_quiet, "the runs are done", workplace)
        new = [run for run in runs() if run.run_id not in seen]
        key = partition_key(next(each for each in workplace.server.backlog.sequences if each.id == added).organization)
        assert sorted(map(work_of, new)) == [("pull_organization", key), GROUPS_AND_WORKLISTS]

        label(workplace, added)
        seen |= {run.run_id for run in new}
        seconds = wait_until(lambda: added in labelled(workplace), "the decision reaches labels.json", workplace)
        print(f"from a decision to the worklists: {seconds:.0f} s")
        wait_until(is_quiet, "the run is done", workplace)
        assert [work_of(run) for run in runs() if run.run_id not in seen] == [GROUPS_AND_WORKLISTS]
    assert workplace.materializations("predictions", "org_predictions") == before
    assert workplace.server.refused_writes == []
