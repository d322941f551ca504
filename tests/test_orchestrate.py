"""The Dagster instance behind the commands: what is said of one that cannot be used, and what it remembers."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from tests.scoring.backlogs import backlog_of
from tests.scoring.fakes import RecordingBackend
from tests.scoring.reference import MODEL
from triage_assets.defs.scoring_metadata import describe_reports
from triage_assets.errors import PackageError, SettingsError
from triage_assets.folder_store import FolderStore
from triage_assets.orchestrate import check_models, open_instance, recorded_seconds
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.predictions import ScoringReport, score_backlog
from triage_assets.scoring.records import DETECTOR_ANNOTATOR, RuntimeChoice

NAME = read_identity(MODEL).name


def report_of(store: FolderStore) -> ScoringReport:
    """A run of this model that took twelve seconds."""
    backlog, backend = backlog_of(1, 2, 3), RecordingBackend()
    loaders = {backlog.key: backlog.tables}
    backend.meet(ModelUse(read_identity(MODEL), DETECTOR_ANNOTATOR, RuntimeChoice(), Permissions()), loaders)
    return replace(score_backlog(store, MODEL, loaders, backend=backend), seconds=12.0)


def remember(*stores: FolderStore) -> None:
    """Let Dagster remember such a run for each of the stores."""
    with open_instance() as instance:
        for store in stores:
            metadata = describe_reports([report_of(store)], store)
            instance.report_runless_asset_event(dg.AssetMaterialization("predictions", metadata=metadata))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for Dagster's storage."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "dagster.yaml").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["store", "a, b", "a, b/predictions"])  # a comma is a letter like any other
def test_seconds_are_added_up_for_one_store_and_one_model(tmp_path: Path, name: str) -> None:
    store, other = FolderStore(tmp_path / name), FolderStore(tmp_path / "other")
    remember(store, store, other)
    assert recorded_seconds(store, NAME) == 24
    assert recorded_seconds(other, NAME) == 12
    assert recorded_seconds(other, f"{NAME}-bfloat16") is None


@pytest.mark.usefixtures("home")
def test_a_relative_store_is_that_of_its_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    remember(FolderStore(Path("data")))
    assert recorded_seconds(FolderStore(tmp_path / "here/data"), NAME) == 12
    monkeypatch.chdir(tmp_path / "there")
    assert recorded_seconds(FolderStore(Path("data")), NAME) is None


def test_seconds_are_unknown_where_the_storage_is_damaged(home: Path, tmp_path: Path) -> None:
    remember(FolderStore(tmp_path / "store"))
    for file in (home / "history").rglob("*.db"):
        file.write_bytes(b"no database at all" * 100)
    assert recorded_seconds(FolderStore(tmp_path / "store"), NAME) is None


@pytest.mark.parametrize(
    ("home", "says"),
    [("relative", "a relative path"), ("/nowhere/dagster", "no folder"), ("{damaged}", "Correct dagster.yaml in")],
)
def test_an_instance_that_cannot_be_opened_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, says: str
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "dagster.yaml").write_text("storage: [", "utf-8")
    monkeypatch.setenv("DAGSTER_HOME", home.format(damaged=damaged))
    with pytest.raises(SettingsError, match=says), open_instance():
        pass


def test_some_unreadable_packages_are_told_and_only_all_of_them_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_models() == ()  # none is named
    monkeypatch.setenv("TRIAGE_MODEL", f"{MODEL}:/nowhere/model.zip")
    (said,) = check_models()
    assert said.startswith("The model package /nowhere/model.zip cannot be read")
    monkeypatch.setenv("TRIAGE_MODEL", "/nowhere/model.zip")
    with pytest.raises(PackageError, match=r"^The model package /nowhere/model\.zip cannot be read"):
        check_models()
    monkeypatch.setenv("TRIAGE_MODEL", "/nowhere/a.zip:/nowhere/b.zip")
    with pytest.raises(PackageError, match=r"2 of 2 .*a\.zip.*b\.zip") as refused:
        check_models()
    assert ".." not in str(refused.value)
