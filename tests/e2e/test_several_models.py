"""Several models in TRIAGE_MODEL: each keeps its own scores, worklists compare them, and one that fails fails alone."""

import json
import os
import shutil
from pathlib import Path

import dagster as dg
import pytest

from triage_assets.defs.scoring_metadata import BY_MODEL
from triage_assets.orchestrate import open_instance
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.predictions import load_current

from .models import contrary, make_model, without_output
from .readings import read_lists, read_results


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return make_model(tmp_path / "one.zip", "1.0.0")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return make_model(tmp_path / "two.zip", "2.0.0", contrary)


def use(monkeypatch: pytest.MonkeyPatch, *packages: Path) -> None:
    monkeypatch.setenv("TRIAGE_MODEL", os.pathsep.join(map(str, packages)))


def files_of(workplace, package: Path) -> dict[str, bytes]:
    folder = workplace.store.root / f"predictions/model={read_identity(package).name}"
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def metadata_of(asset: str) -> dict[str, dg.MetadataValue]:
    with open_instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event and event.asset_materialization
        return dict(event.asset_materialization.metadata)


def test_each_model_scores_everything_and_the_worklists_compare_them(workplace, monkeypatch, one, two) -> None:
    use(monkeypatch, one, two)
    result = workplace.triage("run")
    names = [read_identity(package).name for package in (one, two)]
    lines = [line for line in result.output.splitlines() if "12 sequences scored in" in line]
    assert [line.rpartition(" ")[2] for line in lines] == names

    scores = [
        {row["sequence_id"]: row["triage_score"] for row in load_current(workplace.store, name).to_pylist()}
        for name in names
    ]
    rows = read_results(workplace.store)
    assert set(rows) == set(scores[0]) == set(scores[1]) == workplace.backlog_ids()
    for which, row in rows.items():
        assert row["model_scores"] == {"1.0.0": scores[0][which], "2.0.0": scores[1][which]}
        assert row["n_models_review"] == sum(model[which] >= 0.35 for model in scores)

    items = json.loads(workplace.store.read("worklists/review.json"))["items"]
    disagree = [item["n_models_review"] == 1 for item in items]
    assert True in disagree
    assert disagree == sorted(disagree, reverse=True), "disagreements come first"
    for part in (True, False):
        ordered = [item["triage_score"] for item, apart in zip(items, disagree, strict=True) if apart is part]
        assert ordered == sorted(ordered, reverse=True)
    assert f"({sum(disagree)} where models disagree, first)" in result.output
    config = json.loads(workplace.store.read("worklists/model_config.json"))
    assert [model["version"] for model in config["models"]] == ["1.0.0", "2.0.0"]

    where = metadata_of("worklists")["where_models_disagree"].records
    assert sum(row.data["sequences"] for row in where) == sum(disagree)


def test_the_metadata_of_predictions_tells_what_each_model_did_and_cost(workplace, monkeypatch, one, two) -> None:
    use(monkeypatch, one, two)
    workplace.triage("run")
    metadata = metadata_of("predictions")
    rows = [row.data for row in metadata[BY_MODEL].records]
    assert [(row["scored_now"], row["reused"], row["coverage_percent"]) for row in rows] == [(12, 0, 100.0)] * 2
    for row in rows:
        assert row["runtime"].endswith("float32")
        assert row["workers"] == 1
        assert row["sequences_per_second"] == pytest.approx(12 / row["seconds"], rel=0.05)
    stages = [row.data for row in metadata["stages"].records]
    for model in (row["model"] for row in rows):
        mine = [row for row in stages if row["model"] == model]
        assert {"read", "decode", "crop", "embed", "judge"} <= {row["stage"] for row in mine}
        assert sum(row["share_percent"] for row in mine) == pytest.approx(100, abs=0.5)
        assert all(row["seconds_per_sequence"] == pytest.approx(row["seconds"] / 12, abs=1e-3) for row in mine)
    organizations = [row.data for row in metadata["organizations"].records]
    assert {row["model"] for row in organizations} == {row["model"] for row in rows}
    assert sum(row["backlog"] for row in organizations) == 24
    assert "data:image/png" in metadata["scores"].value

    assert "12 reused, by" in workplace.triage("run").output
    idle = [row.data for row in metadata_of("predictions")[BY_MODEL].records]
    assert [(row["scored_now"], row["reused"], row["seconds"]) for row in idle] == [(0, 12, 0.0)] * 2


def test_a_model_that_is_put_back_finds_its_scores(workplace, monkeypatch, one, two) -> None:
    use(monkeypatch, one, two)
    workplace.triage("run")
    kept = files_of(workplace, two)
    use(monkeypatch, one)
    workplace.triage("run")
    assert files_of(workplace, two) == kept
    assert {len(row["model_scores"]) for row in read_results(workplace.store).values()} == {1}
    use(monkeypatch, one, two)
    assert workplace.triage("run").output.count("0 sequences scored, 12 reused") == 2
    assert files_of(workplace, two) == kept


def test_a_package_that_is_named_twice_counts_once(workplace, monkeypatch, one) -> None:
    copy = shutil.copy(one, workplace.folder / "copy.zip")
    use(monkeypatch, one, Path(copy))
    workplace.triage("run")
    assert {row["n_models_review"] for row in read_results(workplace.store).values()} <= {0, 1}
    assert len(metadata_of("predictions")[BY_MODEL].records) == 1


@pytest.mark.parametrize("is_first", [True, False])
def test_a_damaged_package_costs_no_other_model_its_scores(workplace, monkeypatch, one, is_first: bool) -> None:
    damaged = make_model(workplace.folder / "damaged.zip", "3.0.0", without_output)
    use(monkeypatch, *((damaged, one) if is_first else (one, damaged)))
    result = workplace.triage("run", code=1)
    output = " ".join(result.output.split())
    assert "1 of 2 models could not score the backlog" in output
    assert f"{read_identity(one).name} (12 scored now)" in output
    assert "Traceback" not in output
    assert output.count(str(damaged)) == 1
    assert ".." not in output.replace("...", "")
    name = read_identity(one).name
    assert len(load_current(workplace.store, name)) == 12
    assert "12 sequences scored in" in output
    assert [row.data["model"] for row in metadata_of("predictions")[BY_MODEL].records] == [name]
    assert metadata_of("worklists")["models"].value == name
    assert set.union(*read_lists(workplace.store).values()) == workplace.backlog_ids()

    warned = workplace.triage("worklists")
    assert f"split without {read_identity(damaged).name}" in " ".join(warned.output.split())
    use(monkeypatch, one)
    assert "0 sequences scored, 12 reused" in workplace.triage("run").output


def test_a_package_that_vanished_freezes_neither_the_others_nor_the_split(workplace, monkeypatch, one) -> None:
    use(monkeypatch, one, Path("/nowhere/model.zip"))
    output = " ".join(workplace.triage("run", code=1).output.split())
    assert output.startswith("Warning The model package /nowhere/model.zip cannot be read"), "said before the pull"
    assert "Error 1 of 2 models could not score the backlog" in output
    assert len(load_current(workplace.store, read_identity(one).name)) == 12
    lists = read_lists(workplace.store)
    assert lists["dropped"] == set()
    for name in ("review.json", "unlabeled.json", "model_config.json"):
        said = json.loads(workplace.store.read(f"worklists/{name}"))["split_without"]
        assert said == ["/nowhere/model.zip (No such file or directory)"]

    gone = sorted(workplace.backlog_ids())[0]
    workplace.server.backlog.remove_sequence(gone)
    workplace.triage("run", code=1)
    assert set.union(*read_lists(workplace.store).values()) == set.union(*lists.values()) - {gone}

    warned = " ".join(workplace.triage("worklists").output.split())
    assert "split without /nowhere/model.zip (No such file or directory)" in warned
    assert workplace.server.refused_writes == []


def test_a_model_that_has_scored_nothing_does_not_empty_the_worklists(workplace, monkeypatch, one, two) -> None:
    use(monkeypatch, one)
    workplace.triage("run")
    before = {item.path: workplace.store.read(item.path) for item in workplace.store.list("worklists")}
    use(monkeypatch, two)
    output = " ".join(workplace.triage("worklists", code=1).output.split())
    assert "No configured model has scored anything, so the worklists are left as they were" in output
    assert f"scores of {read_identity(one).name}" in output
    assert {item.path: workplace.store.read(item.path) for item in workplace.store.list("worklists")} == before


def test_packages_that_all_vanished_stop_a_run_before_it_pulls(workplace, monkeypatch) -> None:
    use(monkeypatch, Path("/nowhere/one.zip"), Path("/nowhere/two.zip"))
    output = " ".join(workplace.triage("run", code=1).output.split())
    assert "2 of 2 model packages cannot be used" in output
    assert "/nowhere/one.zip" in output
    assert "/nowhere/two.zip" in output
    assert sum(workplace.server.counts.values()) == 0
    assert "2 of 2 model packages cannot be used" in " ".join(workplace.triage("worklists", code=1).output.split())


def test_an_organization_hears_of_a_model_before_the_next_begins(workplace, monkeypatch, one, two) -> None:
    use(monkeypatch, one)
    workplace.triage("run")
    use(monkeypatch, two, one)
    workplace.triage("run")
    with open_instance() as instance:
        records = instance.fetch_materializations(dg.AssetKey("org_predictions"), limit=10_000).records
    models: dict[str, list[list[object]]] = {}
    for record in reversed(records):
        rows = record.asset_materialization.metadata[BY_MODEL].records
        models.setdefault(record.partition_key, []).append([row.data["model"] for row in rows])
    first, second = (read_identity(package).name for package in (one, two))
    assert list(models.values()) == [[[first], [second], [second, first]]] * len(models)
    idle = len(records)
    workplace.triage("run")
    assert workplace.materializations("org_predictions") == {"org_predictions": idle}


def test_a_lower_precision_is_kept_apart(workplace, monkeypatch, one) -> None:
    use(monkeypatch, one)
    workplace.triage("run")
    exact, name = files_of(workplace, one), read_identity(one).name
    monkeypatch.setenv("TRIAGE_PRECISION", "bfloat16")
    monkeypatch.setenv("TRIAGE_RUNTIME", "torch")
    result = workplace.triage("run")
    assert f"by {name}-bfloat16" in result.output
    assert files_of(workplace, one) == exact
    assert metadata_of("worklists")["models"].value == f"{name}-bfloat16"
    monkeypatch.delenv("TRIAGE_PRECISION")
    assert "0 sequences scored, 12 reused" in workplace.triage("run").output


def test_a_cluster_that_is_not_there_is_named_and_loses_nothing(workplace, monkeypatch, one) -> None:
    use(monkeypatch, one)
    monkeypatch.setenv("TRIAGE_SCORING_CLUSTER", "tcp://127.0.0.1:9")
    result = workplace.triage("run", code=1)
    output = " ".join(result.output.split())
    assert "tcp://127.0.0.1:9" in output
    assert "TRIAGE_SCORING_CLUSTER" in output
    assert "Traceback" not in output
    monkeypatch.delenv("TRIAGE_SCORING_CLUSTER")
    assert "0 frames downloaded" in workplace.triage("run").output
    assert read_lists(workplace.store)["dropped"] == set()
