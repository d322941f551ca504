"""`triage doctor`: what it finds out about the models and about what scores."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from distributed import LocalCluster
from sqlalchemy import text
from triage_viewer import page_files
from typer.testing import CliRunner, Result

from tests.review.rows import add_decision, add_group
from tests.scoring.reference import MODEL
from tests.viewer.frames_store import fill
from triage_assets import doctor
from triage_assets.cli import app
from triage_assets.doctor import check_models, check_review, check_scoring
from triage_assets.errors import (
    ClusterError,
    NewerFormat,
    PackageError,
    ReviewReadOnly,
    ReviewUnavailable,
    SettingsError,
)
from triage_assets.folder_store import FolderStore
from triage_assets.review import versions
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.engines import make_engine, parse_url
from triage_assets.review.watch import is_there
from triage_assets.scoring.identity import read_identity

NAME = read_identity(MODEL).name
KNOWN = versions._known_versions()


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small package is configured, on a machine without an accelerator."""
    monkeypatch.setenv("TRIAGE_MODEL", str(MODEL))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def triage(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("TRIAGE_RUNTIME", "auto", "torch cpu float32"),  # what scores until a backlog is worth measuring
        ("TRIAGE_RUNTIME", "torch", "torch cpu float32"),
        ("TRIAGE_PRECISION", "bfloat16", "torch cpu bfloat16"),
    ],
)
def test_what_the_network_runs_on_is_named(monkeypatch, name: str, value: str, found: str) -> None:
    monkeypatch.setenv(name, value)
    assert check_scoring().startswith(found)


def test_a_device_that_is_not_there_is_found_before_a_run_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_DEVICE", "xpu")
    with pytest.raises(SettingsError, match="device for scoring cannot be used"):
        check_scoring()
    result = triage("doctor")
    assert result.exit_code == 1


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


def test_the_workers_of_a_cluster_are_counted(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_SCORING_CLUSTER", cluster.scheduler_address)
    assert check_scoring() == f"2 workers at {cluster.scheduler_address}, of this version"


def test_a_cluster_without_workers_is_not_ready(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_CLUSTER_SECONDS", 3.0)
    monkeypatch.setenv("TRIAGE_SCORING_CLUSTER", cluster.scheduler_address)
    cluster.scale(0)
    cluster.sync(cluster._correct_state)
    with pytest.raises(ClusterError, match="has no workers; found none within 3 s"):
        check_scoring()


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_CLUSTER_SECONDS", 3.0)
    monkeypatch.setenv("TRIAGE_SCORING_CLUSTER", "tcp://127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9 cannot be reached"):
        check_scoring()


def test_whoever_only_looks_is_told_of_the_store_without_an_annotator() -> None:
    result = triage("doctor")
    said = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "fails annotator: The annotator's address and credentials are needed" in said
    assert "ok store: data can be written; filled from nothing yet" in said


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The viewer's page, as far as it is looked at."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").touch()
    monkeypatch.setattr(page_files, "PAGE", folder)
    return folder


def test_whoever_only_looks_needs_neither_annotator_nor_model(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_MODEL", "missing.zip")
    fill(FolderStore(Path("data")))
    before = sorted(Path("data").rglob("*"))
    result = triage("doctor", "--viewer")
    said = " ".join(result.stdout.split())
    assert result.exit_code == 0, said
    assert "ok store: data can be read: 1 organization, 1 shard, split" in said
    assert "annotator" not in said
    assert sorted(Path("data").rglob("*")) == before
    result = triage("doctor")
    assert result.exit_code == 1
    assert "`triage viewer` needs none of what fails: `triage doctor --viewer`" in " ".join(result.stdout.split())


def test_what_keeps_the_viewer_from_showing_anything_is_found(page: Path) -> None:
    (page / "index.html").unlink()
    result = triage("doctor", "--viewer")
    said = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "fails store: There is nothing to look at; found no backlog in data. Check TRIAGE_STORE" in said
    assert "fails page: The viewer's page is not built" in said
    assert not Path("data").exists()


def test_a_cause_that_several_checks_have_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_URL", "https://annotationapi.example.org")
    monkeypatch.delenv("TRIAGE_MODEL")
    result = triage("doctor")
    assert result.stdout.count("TRIAGE_MODEL is not set") == 1
    assert "fails scoring: as model" in result.stdout


def test_one_package_that_does_not_load_hides_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"not a zip")
    monkeypatch.setenv("TRIAGE_MODEL", os.pathsep.join([str(damaged), str(MODEL)]))
    with pytest.raises(PackageError, match=r"1 of 2 model packages cannot be used.*damaged\.zip"):
        check_models()
    assert check_scoring().startswith("torch cpu float32"), "the other can score"
    result = triage("doctor", "--model")
    assert result.exit_code == 1
    assert f"{NAME}, backbone " in result.stdout
    assert "torch cpu float32" in result.stdout
    assert f"Error The model package {damaged} is no zip file" in " ".join(result.stderr.split())


def test_the_review_database_is_counted_and_left_as_it_was(review_url: str, monkeypatch) -> None:
    monkeypatch.setenv("TRIAGE_REVIEW_DB", review_url)
    with closing(open_review(review_url)) as review:
        with review.write() as write:
            add_group(write.connection, 1)
            add_decision(write.connection, group_id=1)
        found = check_review()
        assert found == f"{review.name} can be written, version 0002; 1 groups, 1 decisions"
        with review.write() as write:
            assert write.revision == 2


def test_no_review_database_is_made(new_review_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_REVIEW_DB", new_review_url)
    assert check_review().endswith(" will be made by the next run or viewer")
    assert not is_there(new_review_url)
    assert not list(Path.cwd().iterdir())


def test_a_review_database_that_could_not_be_made_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").touch()
    monkeypatch.setenv("TRIAGE_REVIEW_DB", f"sqlite:///{Path.cwd()}/file/review.sqlite")
    with pytest.raises(ReviewReadOnly, match=r"review\.sqlite cannot be created; found .*/file is no folder"):
        check_review()


def test_no_review_database_is_migrated(review_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_REVIEW_DB", review_url)
    monkeypatch.setattr(versions, "_known_versions", lambda: ("9999", *KNOWN))
    assert check_review().endswith(f" has version {KNOWN[0]}; the next run or viewer migrates it to 9999")
    with closing(ReviewDatabase(make_engine(parse_url(review_url)))) as review, review.read() as connection:
        assert versions.read_version(connection) == KNOWN[0]


def test_a_review_database_of_a_newer_version_is_refused(review: ReviewDatabase, review_url: str, monkeypatch) -> None:
    monkeypatch.setenv("TRIAGE_REVIEW_DB", review_url)
    with review.write() as write:
        write.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerFormat, match="found version 9999"):
        check_review()


def test_a_review_database_that_somebody_writes_to_is_in_use(review: ReviewDatabase, review_url: str, monkeypatch):
    monkeypatch.setenv("TRIAGE_REVIEW_DB", review_url)
    monkeypatch.setattr(doctor, "_REVIEW_SECONDS", 0.2)
    with review.write():
        assert f"{review.name} is in use by another writer, version {KNOWN[0]}; 0 groups" in check_review()


def test_a_review_database_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_REVIEW_DB", "postgresql://localhost:9/review")
    with pytest.raises(ReviewUnavailable, match="postgresql://localhost:9/review cannot be used"):
        check_review()
