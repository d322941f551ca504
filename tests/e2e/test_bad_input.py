"""Bad input at the command line: the message says what, found, expected and do, and the store keeps what it had."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from triage_assets.folder_store import FolderStore
from triage_assets.shards.verify import verify_shards

from .readings import read_frames, read_lists

pytestmark = pytest.mark.usefixtures("impatient")


def files_of(store: FolderStore) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in store.root.rglob("*") if file.is_file()}


def set_up_html(workplace, monkeypatch) -> None:
    workplace.server.faults.html_instead = True


def set_up_password(workplace, monkeypatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_PASSWORD", "wr0ng horse")


def set_up_missing(workplace, monkeypatch) -> None:
    monkeypatch.delenv("ANNOTATOR_API_LOGIN")


def set_up_no_scheme(workplace, monkeypatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_URL", "annotationapi.example.org")


def set_up_nobody_there(workplace, monkeypatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_URL", "http://127.0.0.1:9")


def set_up_other_annotator(workplace, monkeypatch) -> None:
    stamp = {"format_version": 1, "annotator": "annotationapi.example.org"}
    workplace.store.write("store.json", json.dumps(stamp).encode())


def set_up_not_a_zip(workplace, monkeypatch) -> None:
    path = workplace.folder / "model.zip"
    path.write_bytes(b"not a zip")
    monkeypatch.setenv("TRIAGE_MODEL", str(path))


def set_up_no_model(workplace, monkeypatch) -> None:
    monkeypatch.setenv("TRIAGE_MODEL", "/nowhere/model.zip")


def set_up_newer_store(workplace, monkeypatch) -> None:
    workplace.store.write("store.json", json.dumps({"format_version": 99, "annotator": "loopback"}).encode())


def set_up_newer_catalog(workplace, monkeypatch) -> None:
    catalog = next((workplace.store.root / "shards").rglob("catalog.json"))
    catalog.write_text(json.dumps({**json.loads(catalog.read_text("utf-8")), "format_version": 99}), "utf-8")


def set_up_bucket(workplace, monkeypatch) -> None:
    """Of somebody who has no credentials, wherever boto3 would look for them."""
    monkeypatch.setenv("TRIAGE_STORE", "s3://bucket/prefix")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(workplace.folder / "nowhere"))


def nothing(workplace, monkeypatch) -> None:
    pass


@pytest.mark.parametrize(
    ("set_up", "arguments", "says"),
    [
        (set_up_html, ["run"], ["HTML", "annotationapi"]),  # the web page's host instead of the API's
        (set_up_password, ["run"], ["Incorrect username or password", "ANNOTATOR_API_PASSWORD"]),
        (set_up_missing, ["run"], ["ANNOTATOR_API_LOGIN not set"]),
        (set_up_no_scheme, ["run"], ["annotationapi.example.org", "https://"]),
        (set_up_nobody_there, ["run"], ["127.0.0.1:9", "ANNOTATOR_API_URL"]),
        (set_up_other_annotator, ["run"], ["holds the backlog of another annotator", "TRIAGE_STORE"]),
        (nothing, ["run", "--stage", "bogus"], ["bogus", "ready_to_annotate"]),  # the server would ignore it silently
        (nothing, ["run", "--organization", "Nobody"], ["'Nobody'", "expected one of"]),
        (set_up_not_a_zip, ["run"], ["model.zip", "no zip", "TRIAGE_MODEL"]),
        (set_up_no_model, ["run"], ["/nowhere/model.zip", "TRIAGE_MODEL"]),
        (set_up_newer_store, ["run"], ["newer version", "format version 99"]),
        (set_up_newer_catalog, ["run"], ["newer version", "format version 99"]),
        (set_up_bucket, ["run"], ["s3://bucket/prefix", "no credentials", "AWS_PROFILE"]),
        (nothing, ["score", "--model", "/nowhere/model.zip", "."], ["/nowhere/model.zip"]),
    ],
)
def test_bad_input_is_explained_and_loses_nothing(
    make_workplace: Callable,
    monkeypatch: pytest.MonkeyPatch,
    set_up: Callable,
    arguments: list[str],
    says: list[str],
) -> None:
    workplace = make_workplace(sequences=5)
    workplace.triage("run")
    set_up(workplace, monkeypatch)
    before = files_of(workplace.store)
    result = workplace.triage(*arguments, code=1)
    output = " ".join(result.output.split())
    for words in says:
        assert words in output
    assert "Traceback" not in output
    assert "wr0ng horse" not in output
    assert files_of(workplace.store) == before
    assert workplace.server.refused_writes == []


@pytest.mark.parametrize("moment", ["login", "url"])  # before Dagster has begun, and in the middle of an asset
def test_an_interrupt_ends_in_a_sentence(workplace, moment: str) -> None:
    workplace.server.faults.latency_ms = 300
    command = [sys.executable, "-m", "triage_assets.cli", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while not workplace.server.counts[moment]:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert "Stopped. What was finished is kept" in output
    assert "Traceback" not in output
    assert process.returncode == 130


def test_a_store_remembers_only_an_annotator_that_answered(workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    right = os.environ["ANNOTATOR_API_URL"]
    monkeypatch.setenv("ANNOTATOR_API_URL", "http://annotator.invalid")
    workplace.triage("run", code=1)
    monkeypatch.setenv("ANNOTATOR_API_URL", right)
    workplace.triage("pull", "--limit", "1")
    assert workplace.store.annotator() == "loopback"


def test_a_truncated_shard_is_found_and_costs_only_its_sequences(workplace) -> None:
    workplace.triage("pull")
    tar = sorted((workplace.store.root / "shards").rglob("*.tar"))[0]
    with tar.open("r+b") as file:
        file.truncate(tar.stat().st_size // 2)
    result = workplace.triage("shards", "verify", code=1)
    assert tar.name in result.output
    workplace.triage("run", code=1)
    lists = read_lists(workplace.store)
    assert set.union(*lists.values()) == workplace.backlog_ids()
    assert 0 < len(lists["dropped"]) < 12


def test_an_index_that_disagrees_is_refused_and_rebuilt(workplace) -> None:
    workplace.triage("run")
    index = sorted((workplace.store.root / "shards").rglob("*.parquet"))[0]
    good = index.read_bytes()
    index.write_bytes(sorted((workplace.store.root / "shards").rglob("*.parquet"))[1].read_bytes())
    result = workplace.triage("run", code=1)
    assert "triage shards reindex" in " ".join(result.output.split())
    workplace.triage("shards", "reindex")
    assert index.read_bytes() == good
    assert "0 frames downloaded, 0 sequences scored" in workplace.triage("run").output


@pytest.mark.parametrize("small_disk", ["400k"], indirect=True)
def test_a_full_disk_is_named_and_what_was_finished_is_kept(
    make_workplace, monkeypatch: pytest.MonkeyPatch, small_disk: Path
) -> None:
    workplace = make_workplace(sequences=60)
    monkeypatch.setenv("TRIAGE_STORE", str(small_disk / "store"))
    result = workplace.triage("pull", code=1)
    output = " ".join(result.output.split())
    assert "No space left on device" in output
    assert "Free space or name another folder in TRIAGE_STORE" in output
    store = FolderStore(small_disk / "store")
    report = verify_shards(store)
    assert report.faults == ()
    assert 0 < report.n_sequences < 60
    assert list(store.root.rglob("*.tmp")) == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    workplace.triage("pull")
    assert set(read_frames(store)) == workplace.backlog_ids()


def test_a_store_that_cannot_be_written_is_named(workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace.folder / "file").write_text("in the way", "utf-8")
    monkeypatch.setenv("TRIAGE_STORE", str(workplace.folder / "file" / "store"))
    result = workplace.triage("run", code=1)
    output = " ".join(result.output.split())
    assert f"file{os.sep}store" in output
    assert "TRIAGE_STORE" in output
    assert "Traceback" not in output
