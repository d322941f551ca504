import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from triage_assets.defs.backlog import load_backlog_table, load_model_scores
from triage_assets.exchange.importing import import_folder
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.files.stored_models import list_models
from triage_assets.scoring.imported import imported_models, lay_out_imported
from triage_assets.scoring.predictions import load_current, load_model_record, read_details
from triage_assets.scoring.records import DETECTOR_ANNOTATOR, FLOAT32
from triage_assets.store import Store
from triage_assets.stored_backlogs import load_backlogs

from .folders import DAMAGES, KEY, REPORT, contents, make_details, make_loose, make_other, make_report

FRAMES = {5: (50, 51, 52), 6: (60, 61, 62)}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with two sequences."""
    make_loose(tmp_path / "old", FRAMES)
    return tmp_path / "old"


def scores(store: Store, name: str) -> dict[int, float]:
    current = load_current(store, name)
    return dict(zip(current["sequence_id"].to_pylist(), current["triage_score"].to_pylist(), strict=True))


def test_scores_come_along_as_a_model_of_their_own(store: FolderStore, old: Path) -> None:
    make_report(old, {5: 0.9, 6: 0.1})
    report = import_folder(store, old)
    [model] = report.scores
    assert (model.version, model.n_scores, model.n_added) == ("0.1.0", 2, 2)
    assert imported_models(store).identities.keys() == {model.name}
    assert scores(store, model.name) == {5: 0.9, 6: 0.1}
    assert read_details(store, model.name, 5) == make_details(0.9, 3)
    record = load_model_record(store, model.name)
    assert (record["model_version"], record["model_sha256"], record["detector"]) == ("0.1.0", None, "imported")
    before = contents(store)
    [again] = import_folder(store, old).scores
    assert (again.n_scores, again.n_added, contents(store) == before) == (2, 0, True)


def test_the_record_says_what_the_folder_says_of_the_model(store: FolderStore, old: Path) -> None:
    folder = make_report(old, {5: 0.9})
    told = {"version": "0.1.0", "model_sha256": "ab" * 32, "variant": "synthetic_scenes", "config": {"a": 1}}
    (folder / "model_config.json").write_text(json.dumps({"threshold": 0.35, "models": [told]}))
    [model] = import_folder(store, old).scores
    assert model.name == "0.1.0-abababab-imported"
    record = load_model_record(store, model.name)
    assert (record["model_sha256"], record["variant"], record["config"]) == ("ab" * 32, "synthetic_scenes", {"a": 1})


def test_each_version_is_a_model(store: FolderStore, old: Path) -> None:
    folder = make_report(old, {5: 0.9, 6: 0.1})
    rows = json.loads((folder / "results.json").read_bytes())
    del rows[1]["model_version"]
    (folder / "results.json").write_text(json.dumps(rows))
    (folder / "model_config.json").write_text(json.dumps({"model_version": "0.2.0"}))
    report = import_folder(store, old)
    assert [(model.version, model.n_scores) for model in report.scores] == [("0.1.0", 1), ("0.2.0", 1)]


def results(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        rows = json.loads((folder / "results.json").read_bytes())
        change(rows)
        (folder / "results.json").write_text(json.dumps(rows))

    return damage


def details(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "details/pyro-annotator_5.json"
        content = json.loads(path.read_bytes())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def tube(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return details(lambda content: change(content["tubes"]["kept"][0]))


def preprocessing(**values: object) -> Callable[[Path], None]:
    return details(lambda content: content["preprocessing"].update(values))


NOT_BELIEVED: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / "details/pyro-annotator_5.json").unlink(), "there is no such file"),
    (lambda folder: (folder / "details/pyro-annotator_5.json").write_text("{"), "it is broken"),
    (details(lambda content: content.pop("tubes")), "it is broken"),
    (details(lambda content: content["tubes"]["kept"][0].update(logit=float("nan"))), "it is broken"),
    (details(lambda content: content["tubes"]["kept"].clear()), "its tubes say 0.000000 and results.json says 0.9"),
    (details(lambda content: content["preprocessing"].update(num_frames_input=4)), "of 4 frames, and there are 3"),
    (results(lambda rows: rows[0].update(triage_score=0.8)), "its tubes say 0.900000 and results.json says 0.8"),
    (results(lambda rows: rows[0].update(n_frames_unusable=1)), "of 3 frames, and there are 2"),
    (results(lambda rows: rows[0].update(key="../5")), "it is broken"),
    # Numbers that no column holds.
    (results(lambda rows: rows[0].update(trigger_frame_index=2**31)), "it is broken"),
    (results(lambda rows: rows[0].update(n_frames_unusable=2**70)), "it is broken"),
    (tube(lambda found: found.update(tube_id=2**31)), "it is broken"),
    (tube(lambda found: found.update(first_crossing_frame=10**30)), "it is broken"),
    (tube(lambda found: found["entries"][0].update(frame_idx=2**31)), "it is broken"),
    (details(lambda content: content["decision"].update(trigger_tube_id=2**31)), "it is broken"),
    (details(lambda content: content["tubes"].update(num_candidates=2**31)), "it is broken"),
    # Frames that the model never saw: it looked at three, and two copies where it padded.
    (tube(lambda found: found["entries"][2].update(frame_idx=3)), "it names frame 3 of 3"),
    (tube(lambda found: found.update(first_crossing_frame=999)), "it names frame 999 of 3"),
    (results(lambda rows: rows[0].update(trigger_frame_index=3)), "it names frame 3 of 3"),
    (preprocessing(padded_frame_indices=[0, 5]), "it names frame 5 of 5"),
    (preprocessing(num_truncated=1), "it names frame 2 of 2"),
    (results(lambda rows: rows[0].update(model_version="v" * 201)), "the version of its model has 201 characters"),
    (results(lambda rows: rows.__setitem__(0, None)), "it is broken"),
]


@pytest.mark.parametrize(("damage", "reason"), NOT_BELIEVED)
def test_a_score_that_is_not_explained_is_not_taken(
    store: FolderStore, old: Path, damage: Callable[[Path], object], reason: str
) -> None:
    damage(make_report(old, {5: 0.9, 6: 0.1}))
    report = import_folder(store, old)
    [model] = report.scores
    assert scores(store, model.name) == {6: 0.1}
    [why] = report.left_out.values()
    assert reason in why
    assert report.n_imported == 2  # the sequence itself is there


def test_nothing_is_made_up_where_there_is_no_score(store: FolderStore, old: Path) -> None:
    folder = make_report(old, {5: 0.9, 6: 0.1})
    results(lambda rows: rows[0].update(triage_score=None))(folder)
    [model] = import_folder(store, old).scores
    assert scores(store, model.name) == {6: 0.1}
    (folder / "results.json").write_text("[")
    report = import_folder(FolderStore(old.parent / "other"), old)
    assert report.scores == ()
    assert "no score of it is taken" in report.left_out["vit_dinov2_finetune/results.json"]


def test_scores_of_sequences_that_were_left_out_are_left_out(store: FolderStore, old: Path) -> None:
    make_report(old, {5: 0.9, 6: 0.1, 77: 0.5})
    next(old.rglob("detection_60.jpg")).unlink()
    [model] = import_folder(store, old).scores
    assert scores(store, model.name) == {5: 0.9}


def test_an_imported_model_is_listed_as_one(store: FolderStore, old: Path) -> None:
    make_report(old, {5: 0.9})
    import_folder(store, old)
    [model] = list_models(store, load_backlog_table(store)[0])
    assert (model.version, model.variants, model.is_imported) == ("0.1.0", ("imported",), True)
    assert (model.n_scored, model.n_backlog, model.faults) == (1, 2, ())


def test_a_frame_that_is_a_copy_is_one_the_model_looked_at(store: FolderStore, old: Path) -> None:
    folder = make_report(old, {5: 0.9})
    preprocessing(padded_frame_indices=[0, 4])(folder)
    tube(lambda found: found["entries"][2].update(frame_idx=4))(folder)
    [model] = import_folder(store, old).scores
    assert scores(store, model.name) == {5: 0.9}


RECORDS = [
    (None, "found no such file"),  # a copy that was cut off, or a hand
    (b"{", "1 bytes that are no JSON object"),
    (b'{"format_version": 1}', "found no version"),
]


@pytest.mark.parametrize(("record", "found"), RECORDS)
def test_scores_of_which_nobody_can_tell_the_model_are_left_out_and_stop_nothing(
    store: FolderStore, old: Path, record: bytes | None, found: str
) -> None:
    make_report(old, {5: 0.9, 6: 0.1})
    other = make_report(old / "data", {5: 0.4, 6: 0.6}, version="0.2.0")
    broken, whole = sorted(model.name for model in import_folder(store, old).scores)
    path = f"predictions/model={broken}/model.json"
    store.delete(path) if record is None else store.write(path, record)

    assert found in str(lay_out_imported(store, load_backlogs(store))[broken])
    at_hand = load_model_scores(store, (), DETECTOR_ANNOTATOR, FLOAT32)
    assert [model.name for model in at_hand.scores] == [whole]
    [why] = at_hand.left_out
    assert why.startswith(f"{broken}: ") and "Import" in why
    [listed, _] = list_models(store, load_backlog_table(store)[0])
    assert "mport its folder again" in " ".join(listed.faults)

    # A folder that does not have them changes nothing of that.
    (old / "08_reporting").rename(old.parent / "aside")
    report = import_folder(store, old)
    assert report.left_out.keys() == {broken}
    assert not report.changed
    (old.parent / "aside").rename(old / "08_reporting")
    (other / "results.json").unlink()
    report = import_folder(store, old)
    assert ([model.is_repaired for model in report.scores], report.changed, report.left_out) == ([True], True, {})
    assert [model.name for model in load_model_scores(store, (), DETECTOR_ANNOTATOR, FLOAT32).scores] == [broken, whole]
    assert not import_folder(store, old).changed


def test_what_is_damaged_of_imported_scores_comes_back_with_their_folder(store: FolderStore, old: Path) -> None:
    make_report(old, {5: 0.9})
    [model] = import_folder(store, old).scores
    location = f"predictions/model={model.name}"
    [part] = [found.path for found in store.list(location) if "/part-" in found.path]
    store.write(part, b"PAR1 and nothing else PAR1")
    store.delete(f"{location}/index.arrow")
    [why] = lay_out_imported(store, load_backlogs(store)).values()
    assert "Delete it and import its folder again." in str(why)
    store.write(f"{location}/current.arrow", b"")
    [why] = load_model_scores(store, (), DETECTOR_ANNOTATOR, FLOAT32).left_out
    assert "current.arrow is damaged" in why
    store.delete(f"{location}/current.arrow")
    [why] = load_model_scores(store, (), DETECTOR_ANNOTATOR, FLOAT32).left_out
    assert "Its import was cut off" in why
    store.delete(part)
    assert import_folder(store, old).scores[0].n_added == 1
    assert scores(store, model.name) == {5: 0.9}


def test_a_score_that_the_store_has_otherwise_is_left_out_and_stays(store: FolderStore, old: Path) -> None:
    make_report(old, {5: 0.9, 6: 0.1})
    import_folder(store, old)
    shutil.rmtree(old / REPORT)
    make_report(old, {5: 0.8, 6: 0.1})
    before = contents(store)
    report = import_folder(store, old)
    assert report.left_out == {
        "vit_dinov2_finetune/results.json: pyro-annotator_5": (
            "the store has another score of it by this version: 0.900000, not 0.800000"
        )
    }
    [model] = report.scores
    assert (model.n_scores, model.n_added, report.changed, contents(store) == before) == (1, 0, False, True)


def test_of_two_scores_in_one_folder_the_second_is_left_out(store: FolderStore, old: Path) -> None:
    make_report(old, {5: 0.9})
    make_report(old / "data", {5: 0.4, 6: 0.1})
    report = import_folder(store, old)
    assert sorted(model.n_scores for model in report.scores) == [1, 1]
    [why] = report.left_out.values()
    assert "the store has another score of it by this version" in why


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
def test_scores_of_an_organization_that_is_damaged_stay_laid_out(
    store: FolderStore, old: Path, damage: Callable[[Store], None], reason: str
) -> None:
    make_report(old, {5: 0.9, 6: 0.1})
    [model] = import_folder(store, old).scores
    damage(store)
    other = old.parent / "other"
    make_other(other, 7, (70, 71, 72))
    make_report(other, {7: 0.7})
    report = import_folder(store, other)
    assert report.left_out.keys() == {f"organization {KEY}"}
    assert reason in report.left_out[f"organization {KEY}"]
    assert scores(store, model.name) == {5: 0.9, 6: 0.1, 7: 0.7}
