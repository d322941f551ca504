"""The pool of the groups' writer: who is alive keeps its slot, who was killed loses it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from triage_assets.defs.abandoned_runs import POOL, end_abandoned_runs
from triage_assets.orchestrate import open_instance

PROJECT = Path(__file__).resolve().parents[2]
WRITER = """
import sys, time
import dagster as dg
from triage_assets.defs.abandoned_runs import POOL
from triage_assets.defs.resources import RESOURCES, StoreResource
from triage_assets.orchestrate import open_instance

@dg.asset(pool=POOL)
def writer(context: dg.AssetExecutionContext, store: StoreResource) -> None:
    print("inside", flush=True)
    if len(sys.argv) > 1:
        time.sleep(float(sys.argv[1]))

with open_instance() as instance:
    dg.materialize([writer], instance=instance, resources=RESOURCES)
"""


@dg.job
def nothing() -> None:
    pass


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    with open_instance() as opened:
        yield opened


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """A process that is in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout
    assert process.stdout.readline() == b"inside\n"
    return process


def n_claimed(instance: dg.DagsterInstance) -> int:
    return len(instance.event_log_storage.get_concurrency_info(POOL).claimed_slots)


@pytest.mark.parametrize("is_waited_for", [True, False], ids=["gone", "a zombie"])
def test_a_killed_writer_loses_its_slot_and_the_next_one_writes(
    instance: dg.DagsterInstance, is_waited_for: bool
) -> None:
    with start("600") as killed:
        os.kill(killed.pid, signal.SIGKILL)
        if is_waited_for:
            killed.wait()
        else:
            os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        assert n_claimed(instance) == 1
        assert len(end_abandoned_runs(instance)) == 1
    assert n_claimed(instance) == 0
    with start() as following:
        assert following.wait(60) == 0


def test_a_run_that_repeats_a_killed_one_is_not_taken_for_it(instance: dg.DagsterInstance) -> None:
    with start("600") as killed:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    end_abandoned_runs(instance)
    (failed,) = instance.get_runs()
    # As the daemon begins a retry: with the tags of the run that it repeats, before any process notes that it has it.
    instance.create_run_for_job(nothing, tags=failed.tags, status=dg.DagsterRunStatus.STARTED)
    assert end_abandoned_runs(instance) == ()


def test_a_writer_at_work_keeps_its_slot(instance: dg.DagsterInstance) -> None:
    with start("600") as working:
        try:
            assert end_abandoned_runs(instance) == ()
            assert n_claimed(instance) == 1
        finally:
            working.kill()


def test_a_finished_writer_leaves_nothing(instance: dg.DagsterInstance) -> None:
    with start() as finished:
        finished.wait(60)
    assert n_claimed(instance) == 0
    assert end_abandoned_runs(instance) == ()
