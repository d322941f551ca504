"""Several models in turn: what one failure stops, and how all of them are told at the end."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from triage_assets.errors import ClusterError, PackageError, StoreUnwritable, TriageError
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.cluster.worker import ClusterJob, resolve_on_worker
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.predictions import ScoringReport, score_backlog
from triage_assets.scoring.records import DETECTOR_ANNOTATOR, RuntimeChoice
from triage_assets.scoring.rounds import score_by_each

from .reference import MODEL

BROKEN = Path("/models/broken.zip")


def score_unless(error: TriageError, store: FolderStore):
    """Scores an empty backlog with every package but the broken one."""

    def score(package: Path) -> ScoringReport:
        if package != MODEL:
            raise error
        return score_backlog(store, package, {})

    return score


@pytest.mark.parametrize("order", [(BROKEN, MODEL), (MODEL, BROKEN)])
@pytest.mark.parametrize(
    "error",
    [
        PackageError(f"The model package {BROKEN} cannot be read", do="Correct the path."),
        PackageError("A checkpoint is damaged", do="Download it again."),  # which one it does not say
    ],
)
def test_what_failed_is_told_once_with_its_path_and_what_is_kept(tmp_path: Path, order, error) -> None:
    done = score_by_each(order, score_unless(error, FolderStore(tmp_path)))
    assert [report.identity.path for report in done.reports] == [MODEL]
    with pytest.raises(PackageError, match="1 of 2 models could not score the backlog") as refused:
        done.raise_failures()
    text = str(refused.value)
    assert text.count(str(BROKEN)) == 1
    assert error.what in text
    assert ".." not in text
    assert f"What the others scored is kept: {read_identity(MODEL).name} (0 scored now)." in text


def test_an_only_model_fails_with_its_own_error(tmp_path: Path) -> None:
    error = PackageError("A checkpoint is damaged")
    with pytest.raises(PackageError) as refused:
        score_by_each([BROKEN], score_unless(error, FolderStore(tmp_path))).raise_failures()
    assert refused.value is error


@pytest.mark.parametrize("error", [StoreUnwritable("The disk is full"), ClusterError("Nobody is there")])
def test_what_the_next_model_would_meet_too_ends_the_round(tmp_path: Path, error: TriageError) -> None:
    with pytest.raises(type(error)):
        score_by_each([BROKEN, MODEL], score_unless(error, FolderStore(tmp_path)))


def test_a_worker_without_a_models_package_fails_that_model_alone(tmp_path: Path) -> None:
    identity = replace(read_identity(MODEL), path=tmp_path / "elsewhere.zip", sha256="0" * 64)
    use = ModelUse(identity, DETECTOR_ANNOTATOR, RuntimeChoice(), Permissions())
    job = ClusterJob(uuid.uuid4().hex, FolderStore(tmp_path), use, landmark=None)
    with (
        LocalCluster(n_workers=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(PackageError, match="does not have the model"),
    ):
        client.submit(resolve_on_worker, job).result()
