"""Fixtures shared by all tests: a clean environment, so that no setting of the machine reaches a test; a small disk.

The review databases are those of `tests.databases`, the S3 server that of `tests.s3_server`, and a store of each kind
that of `tests.stores`.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import (  # noqa: F401
    database_kind,
    migrated_postgres,
    migrated_sqlite,
    new_review_url,
    postgres,
    review,
    review_url,
)
from tests.s3_server import s3, s3_process  # noqa: F401
from tests.stores import place  # noqa: F401

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A background job of a shell begins with it ignored, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start each test in an empty folder without any of the project's variables."""
    for name in list(os.environ):
        if (
            name.startswith(("ANNOTATOR_", "TRIAGE_", "AWS_"))
            or name == "DAGSTER_HOME"
            or name.lower().endswith("_proxy")
        ):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):  # those of whoever runs the tests
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 1 MB or the size that the test's indirect parameter gives to mount."""
    mount = tmp_path / "small-disk"
    mount.mkdir()
    size = getattr(request, "param", "1m")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        refusal = done.stderr.strip() if done.returncode else None
    except FileNotFoundError:
        refusal = "no mount command"
    if refusal is not None:
        pytest.skip(f"NOT TESTED, a full or read-only disk: cannot mount a tmpfs here ({refusal})")
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)
