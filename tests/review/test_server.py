"""The server that the tests start: it goes with the process that started it, however that ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.databases import find_postgres

SERVE = """
import time
from tests.databases import serve_postgres
with serve_postgres() as server:
    print(server.folder, server.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(find_postgres() is None, reason="NOT TESTED: no PostgreSQL is installed")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_server_goes_with_a_test_process_that_is_killed(how: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    holder = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root
    )
    folder, pid = holder.stdout.readline().split()
    assert psutil.pid_exists(int(pid))
    holder.send_signal(how)
    holder.communicate()
    deadline = time.monotonic() + 60
    while psutil.pid_exists(int(pid)) or Path(folder).exists():
        assert time.monotonic() < deadline, "the server outlived its process"
        time.sleep(0.05)
