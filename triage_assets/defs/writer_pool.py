"""The pool that lets one run at a time write groups, and its way out of a run that was killed.

What lives here: who holds the pool's slot, and taking it from a process that is gone. What does not: the lock of the
review database, which protects groups also from writers outside Dagster, and dies with its holder by itself.

Dagster gives a slot back when the step that claimed it ends. A killed command never ends, and whoever comes after it
would wait for ever: so a run that holds the slot leaves the name of its process in its tags.
"""

import socket

import dagster as dg
import psutil

POOL = "sequence_groups_writer"
_HOST, _PROCESS, _STARTED = "triage/host", "triage/process", "triage/process_started"
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def name_holder(instance: dg.DagsterInstance, run_id: str) -> None:
    """Tag the run with this process, for whoever finds its slot taken."""
    process = psutil.Process()
    tags = {_HOST: socket.gethostname(), _PROCESS: str(process.pid), _STARTED: repr(process.create_time())}
    instance.add_run_tags(run_id, tags)


def free_abandoned_slots(instance: dg.DagsterInstance) -> tuple[str, ...]:
    """Free the slots of runs that have ended or whose process on this machine is gone; returns these runs' ids."""
    events = instance.event_log_storage
    if not events.supports_global_concurrency_limits:
        return ()
    held = {slot.run_id for slot in events.get_concurrency_info(POOL).claimed_slots}
    abandoned = tuple(sorted(run_id for run_id in held if _is_abandoned(instance.get_run_by_id(run_id))))
    for run_id in abandoned:
        events.free_concurrency_slots_for_run(run_id)
    return abandoned


def _is_abandoned(run: dg.DagsterRun | None) -> bool:
    if run is None or run.status in _ENDED:
        return True
    if run.tags.get(_HOST) != socket.gethostname():
        return False  # elsewhere, or only just begun
    try:
        process = psutil.Process(int(run.tags[_PROCESS]))
        # A zombie has been killed and nobody has asked how it ended; it will not go on.
        is_same = repr(process.create_time()) == run.tags[_STARTED] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    return not is_same
