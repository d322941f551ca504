"""Runs whose process was killed: told apart from those at work, ended, and their place in the groups' pool given back.

What lives here: who executes a run, and cleaning up after those that are gone. What does not: the lock of the review
database, which protects groups also from writers outside Dagster, and dies with its holder by itself.

Dagster gives a place in a pool back when the step that claimed or awaits it ends. A killed command never ends, and
whoever comes after it would wait for ever.
"""

import socket

import dagster as dg
import psutil

POOL = "sequence_groups_writer"
_HOST, _PROCESS, _STARTED, _RUN = "triage/host", "triage/process", "triage/process_started", "triage/run"
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def process_tags(run_id: str) -> dict[str, str]:
    """What a run that this process executes is tagged with, for whoever wonders whether it still does."""
    process = psutil.Process()
    return {
        _HOST: socket.gethostname(),
        _PROCESS: str(process.pid),
        _STARTED: repr(process.create_time()),
        _RUN: run_id,
    }


def note_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Tag a run that this process has begun to execute, unless it was created with the tags."""
    if not _is_noted(run):
        instance.add_run_tags(run.run_id, process_tags(run.run_id))


def end_abandoned_runs(instance: dg.DagsterInstance) -> tuple[str, ...]:
    """Fail the runs of this machine whose process is gone, and free what any dead run has of the pool; their ids."""
    abandoned = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if _is_noted(run) and run.tags[_HOST] == socket.gethostname() and not _is_at_work(run):
            instance.report_run_failed(run, "The process that executed this run is gone")
            abandoned.append(run.run_id)
    events = instance.event_log_storage
    if events.supports_global_concurrency_limits:
        pool = events.get_concurrency_info(POOL)
        claims = {slot.run_id for slot in pool.claimed_slots} | {step.run_id for step in pool.pending_steps}
        for run_id in sorted(claims):
            if run_id in abandoned or _is_dead(instance, run_id):
                events.free_concurrency_slots_for_run(run_id)
                abandoned.append(run_id)
    return tuple(dict.fromkeys(abandoned))


def _is_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None or run.status in _ENDED:
        return True
    if _is_noted(run):
        return run.tags[_HOST] == socket.gethostname() and not _is_at_work(run)
    process = _process_in_events(instance, run_id)
    # Taken for dead by mistake, because it runs elsewhere, it loses its place in a queue and nothing more.
    return process is not None and not psutil.pid_exists(process)


def _is_noted(run: dg.DagsterRun) -> bool:
    """Whether it is known who executes this run: a retry begins with the tags of the run that it repeats."""
    return _HOST in run.tags and run.tags.get(_RUN, run.run_id) == run.run_id


def _is_at_work(run: dg.DagsterRun) -> bool:
    try:
        process = psutil.Process(int(run.tags[_PROCESS]))
        # A zombie has been killed and nobody has asked how it ended; it will not go on.
        return repr(process.create_time()) == run.tags[_STARTED] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _process_in_events(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that Dagster's own event names: all there is of a bare command that was killed while it waited."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        process = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if process is not None:
            return int(str(process.value))
    return None
