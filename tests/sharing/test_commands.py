"""`triage publish` and `triage fetch` as they are typed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.s3_server import PLAIN, S3Server
from tests.shards.shard_backlogs import KEY
from tests.sharing.stores import OTHER, contents, first_tar
from triage_assets.cli import app
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import load_catalog
from triage_assets.store import open_store

BUCKET = f"s3://{PLAIN}/shared"


def triage(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_one_publishes_and_another_fetches(
    source: FolderStore, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAGE_STORE", str(source.root))
    said = triage("publish", BUCKET)
    n_shards = len(load_catalog(source, OTHER).shards) + 1
    assert f"{n_shards} shards with 55 frames copied, 0 held already" in said
    assert "1 part copied" in said
    assert said.endswith(f"\nInto      {BUCKET}\n")
    assert f"Nothing was left to copy: {BUCKET} has all of it." in triage("publish", BUCKET)
    monkeypatch.setenv("TRIAGE_STORE", str(tmp_path / "mine"))
    assert f"{n_shards - 1} left out as asked" in triage("fetch", BUCKET, "--organization", KEY)
    assert "1 left out" not in triage("fetch", BUCKET, "--since", "2026-08-01")
    assert contents(FolderStore(tmp_path / "mine")) == contents(source) == contents(open_store(BUCKET))


def test_what_could_not_be_copied_ends_the_command_with_an_error(
    source: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAGE_STORE", str(source.root))
    source.delete(first_tar(source))
    said = " ".join(triage("publish", str(tmp_path / "there"), code=1).split())
    assert f"Error shard {first_tar(source)} is missing" in said
    assert "1 part copied" in said


def test_an_address_with_one_slash_is_no_folder_and_a_folder_is_named_whole(
    source: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAGE_STORE", str(source.root))
    monkeypatch.chdir(tmp_path)
    assert "expected a folder or s3://bucket/prefix" in triage("publish", "s3:/wildfire/triage", code=1)
    assert not (tmp_path / "s3:").exists()
    assert f"Into      {tmp_path}/there\n" in triage("publish", "there")


def test_a_store_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STORE", str(tmp_path / "nowhere"))
    assert "is no store; found no store.json" in triage("publish", str(tmp_path / "there"), code=1)
    assert "of a kind that is not known; found gs://x" in triage("fetch", "gs://x", code=1)
