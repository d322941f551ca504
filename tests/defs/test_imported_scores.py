"""The assets beside imported scores: what nobody can read of them stops no run, and is told where people look."""

from pathlib import Path

import dagster as dg

from tests.exchange.folders import make_loose, make_report
from triage_assets.defs.predictions import predictions
from triage_assets.defs.resources import ModelsResource, ReviewResource, StoreResource
from triage_assets.defs.worklists import worklists
from triage_assets.demo import DEMO_MODEL
from triage_assets.exchange.importing import import_folder
from triage_assets.folder_store import FolderStore


def test_a_run_goes_on_without_scores_of_which_nobody_can_tell_the_model(tmp_path: Path) -> None:
    make_loose(tmp_path / "old", {5: (50,), 6: (60,)})
    make_report(tmp_path / "old", {5: 0.9}, n_frames=1, version="0.1.0")
    make_report(tmp_path / "old/data", {5: 0.4, 6: 0.6}, n_frames=1, version="0.2.0")
    store = FolderStore(tmp_path / "store")
    broken, whole = sorted(model.name for model in import_folder(store, tmp_path / "old").scores)
    store.delete(f"predictions/model={broken}/model.json")

    resources = {
        "store": StoreResource(location=str(store.root)),
        "models": ModelsResource(paths=[str(DEMO_MODEL)]),
        "review": ReviewResource(url=f"sqlite:///{tmp_path / 'review.sqlite'}"),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([predictions, worklists], resources=resources, instance=instance)
        messages = [entry.user_message for entry in instance.all_logs(done.run_id)]
    assert done.success
    [warning] = [message for message in messages if message.startswith(f"The imported scores of {broken}")]
    assert "found no such file. Import their folder again" in warning
    metadata = done.asset_materializations_for_node("worklists")[0].metadata
    assert whole in str(metadata["models"].value)
    assert f"{broken}: " in str(metadata["split_without"].value)
