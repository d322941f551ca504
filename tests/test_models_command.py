"""`triage models`: what is listed of models in any state, and a forgetting that takes one model's scores alone."""

import datetime as dt
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from tests.scoring.backlogs import Backlog
from tests.scoring.backlogs import backlog_of as backlog_with
from tests.scoring.fakes import RecordingBackend
from tests.scoring.packages import edited_manifest, write_edited
from tests.scoring.reference import MODEL
from triage_assets.cli import app
from triage_assets.errors import StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.files.stored_models import count_scores, find_model, forget_model, list_models
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.predictions import score_backlog
from triage_assets.scoring.records import DETECTOR_ANNOTATOR, RuntimeChoice

NOTHING = backlog_with().tables()[0]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "data")


@pytest.fixture
def package(tmp_path: Path) -> Callable[[str], Path]:
    def make(version: str) -> Path:
        path = tmp_path / f"{version}.zip"
        # Once: a zip holds the time at which it was made, so a second one would be another model.
        if not path.exists():
            manifest = edited_manifest(MODEL, {"model_version": version})
            write_edited(MODEL, path, {"manifest.yaml": manifest})
        return path

    return make


@pytest.fixture
def another_is_configured(package: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """TRIAGE_MODEL names a model that has scored nothing here."""
    monkeypatch.setenv("TRIAGE_MODEL", str(package("9.9.9")))


def backlog_of(number: int) -> Backlog:
    """So many sequences, numbered from 1."""
    return backlog_with(*range(1, number + 1))


def score(store: FolderStore, package: Path, backlog: Backlog, *failing: int, precision: str = "float32") -> str:
    """Score a backlog by that model, without a network; the name of its folder."""
    backend, loaders = RecordingBackend(failing), {backlog.key: backlog.tables}
    choice = RuntimeChoice(precision=precision)
    backend.meet(ModelUse(read_identity(package), DETECTOR_ANNOTATOR, choice, Permissions()), loaders)
    return score_backlog(store, package, loaders, backend=backend, choice=choice).name


def describe(store: FolderStore, backlog: Backlog | None) -> dict[str, tuple[int | None, int | None, float | None]]:
    rows = NOTHING if backlog is None else backlog.tables()[0]
    return {model.name: (model.n_scored, model.n_dropped, model.coverage) for model in list_models(store, rows)}


def everything(store: FolderStore) -> dict[str, bytes]:
    return {found.path: store.read(found.path) for found in store.list("")}


def triage(*arguments: str, answer: str | None = None, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments), input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def test_counts_are_of_the_present_backlog(store: FolderStore, package) -> None:
    one = score(store, package("1.0.0"), backlog_of(10), 3)
    two = score(store, package("2.0.0"), backlog_of(4))
    assert describe(store, backlog_of(10)) == {one: (9, 1, 0.9), two: (4, 0, 0.4)}
    assert describe(store, backlog_of(20)) == {one: (9, 1, 0.45), two: (4, 0, 0.2)}
    assert describe(store, None) == {one: (0, 0, None), two: (0, 0, None)}


def test_a_score_of_other_frames_than_the_backlog_has_now_does_not_count(store: FolderStore, package) -> None:
    one = score(store, package("1.0.0"), backlog_of(10))
    rows = backlog_of(10).tables()[0]
    column = rows.schema.get_field_index("last_seen_at")
    later = [moment + dt.timedelta(seconds=30) if number < 2 else moment for number, moment in
             enumerate(rows["last_seen_at"].to_pylist())]  # fmt: skip
    moved = rows.set_column(column, "last_seen_at", pa.array(later, rows.schema.field(column).type))
    twice = pa.concat_tables([rows, moved])  # listed under two organizations: the later one holds
    assert [(model.name, model.n_scored) for model in list_models(store, moved)] == [(one, 8)]
    assert [(model.n_backlog, model.n_scored) for model in list_models(store, twice)] == [(10, 8)]


def test_detector_and_precision_are_told_from_the_usual(store: FolderStore, package) -> None:
    score(store, package("1.0.0"), backlog_of(2))
    score(store, package("1.0.0"), backlog_of(2), precision="bfloat16")
    usual, low = list_models(store, NOTHING)
    assert (usual.variants, low.variants) == ((), ("bfloat16",))
    assert (
        (usual.version, usual.sha256) == (low.version, low.sha256) == ("1.0.0", read_identity(package("1.0.0")).sha256)
    )


def test_a_configured_model_without_a_score_is_listed_too(store: FolderStore) -> None:
    (model,) = list_models(store, backlog_of(3).tables()[0], ["1.0.0-0badf00d"])
    assert (model.version, model.sha256, model.n_scored, model.coverage) == ("1.0.0", "0badf00d", 0, 0.0)


def corrupt(file: str, path: Path) -> None:
    found = next(path.glob(file))
    found.write_bytes(found.read_bytes()[:20])


def remove(file: str, path: Path) -> None:
    next(path.glob(file)).unlink()


@pytest.mark.parametrize(
    ("damage", "says", "n_scored"),
    [
        (partial(corrupt, "current.arrow"), "current.arrow is damaged", None),
        (partial(remove, "current.arrow"), "none of its scores is shown: run `triage run`", None),
        (partial(corrupt, "model.json"), "model.json is damaged", 5),
        (partial(remove, "model.json"), "model.json is missing", 5),
        (partial(corrupt, "part-*.parquet"), ".parquet is damaged", 5),
        (partial(remove, "part-*.parquet"), "1 of its parts are missing", 5),
    ],
)
def test_a_damaged_folder_is_listed_with_what_is_wrong(
    store: FolderStore, package, damage: Callable[[Path], None], says: str, n_scored: int | None
) -> None:
    name = score(store, package("1.0.0"), backlog_of(5))
    other = score(store, package("2.0.0"), backlog_of(5))
    damage(store.root / f"predictions/model={name}")
    broken, whole = list_models(store, backlog_of(5).tables()[0])
    assert (broken.name, broken.version, broken.n_scored) == (name, "1.0.0", n_scored)
    assert says in " ".join(broken.faults)
    assert (whole.name, whole.faults) == (other, ())
    result = triage("models", "list")
    assert says in " ".join(result.output.split())


def test_the_table_needs_no_package(store: FolderStore, package) -> None:
    path = package("1.0.0")
    score(store, path, backlog_of(5))
    path.unlink()
    output = triage("models", "list").output
    assert "1.0.0    " in output
    machine = json.loads(triage("models", "list", "--json").output)
    assert [(model["version"], model["is_configured"]) for model in machine["models"]] == [("1.0.0", False)]
    assert machine["models"][0]["changed_at"].endswith("+00:00")


def test_an_empty_store_has_nothing_to_list() -> None:
    assert "No model has predictions in data" in triage("models", "list").output


def test_a_package_that_cannot_be_read_is_a_warning_of_the_list(store, package, monkeypatch) -> None:
    score(store, package("1.0.0"), backlog_of(5))
    monkeypatch.setenv("TRIAGE_MODEL", "/nowhere/model.zip")
    output = " ".join(triage("models", "list").output.split())
    assert "Warning The model package /nowhere/model.zip cannot be read" in output
    assert "1.0.0" in output


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("1.0.0", "1.0.0-"),  # a version
        ("1.0.0-{sha8}", "1.0.0-"),  # as the folder is called, although another name begins so
        ("2", "2.0.0-"),  # the beginning of one name
    ],
)
def test_a_model_is_found_by_version_name_or_beginning(store, package, wanted: str, found: str) -> None:
    score(store, package("1.0.0"), backlog_of(1))
    score(store, package("2.0.0"), backlog_of(1))
    sha8 = read_identity(package("1.0.0")).sha256[:8]
    assert find_model(list_models(store, NOTHING), wanted.format(sha8=sha8)).name.startswith(found)


@pytest.mark.parametrize(("wanted", "says"), [("9", "No model of that name"), ("1.0", "Several"), ("", "No model")])
def test_an_unknown_or_ambiguous_name_is_refused_with_the_list(store, package, wanted: str, says: str) -> None:
    one = score(store, package("1.0.0"), backlog_of(1))
    low = score(store, package("1.0.0"), backlog_of(1), precision="bfloat16")
    with pytest.raises(StoreError, match=says) as refused:
        find_model(list_models(store, NOTHING), wanted)
    assert f"expected one of {one}, {low}" in str(refused.value)
    assert find_model(list_models(store, NOTHING), one).name == one


@pytest.mark.usefixtures("another_is_configured")
def test_forgetting_takes_one_model_and_nothing_else(store: FolderStore, package) -> None:
    name = score(store, package("1.0.0"), backlog_of(10), 3)
    score(store, package("1.0.0"), backlog_of(4), precision="bfloat16")
    store.write("worklists/review.json", b"{}")
    before = everything(store)
    assert count_scores(store, name) == 9
    refused = triage("models", "forget", name, answer="n\n", code=1)
    assert f"{name}: 9 scores in 1 part, " in refused.output
    assert everything(store) == before
    assert "Nobody answered: give --yes" in triage("models", "forget", name, answer="", code=1).output
    assert everything(store) == before
    assert "Deleted 4 files" in triage("models", "forget", name, answer="y\n").output
    left = everything(store)
    assert left == {file: data for file, data in before.items() if f"model={name}/" not in file}
    assert name not in triage("models", "list").output


def test_a_configured_model_is_not_forgotten_by_yes_alone(store, package, monkeypatch: pytest.MonkeyPatch) -> None:
    name = score(store, package("1.0.0"), backlog_of(10))
    monkeypatch.setenv("TRIAGE_MODEL", str(package("1.0.0")))
    before = everything(store)
    assert "add --configured" in " ".join(triage("models", "forget", name, "--yes", code=1).output.split())
    assert everything(store) == before
    assert "Run `triage run`" in triage("models", "forget", name, "--yes", "--configured").output
    assert describe(store, backlog_of(10)) == {}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_configured_model_is_guarded_at_any_precision(store, package, monkeypatch, precision: str) -> None:
    name = score(store, package("1.0.0"), backlog_of(10), precision=precision)
    monkeypatch.setenv("TRIAGE_MODEL", str(package("1.0.0")))
    monkeypatch.setenv("TRIAGE_PRECISION", "bfloat16" if precision == "float32" else "float32")
    before = everything(store)
    output = " ".join(triage("models", "forget", name, "--yes", code=1).output.split())
    assert "of a model that is configured, with another detector or precision" in output
    assert everything(store) == before
    assert "Run `triage run`" not in triage("models", "forget", name, "--yes", "--configured").output


@pytest.mark.parametrize("value", ["/nowhere/model.zip", ""])  # vanished with its disk; a shell without the settings
def test_nothing_is_forgotten_while_it_cannot_be_told_what_is_configured(
    store, package, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    name = score(store, package("1.0.0"), backlog_of(10))
    monkeypatch.setenv("TRIAGE_MODEL", value)
    before = everything(store)
    output = " ".join(triage("models", "forget", name, "--yes", code=1).output.split())
    assert f"Whether {name} is configured cannot be told" in output
    assert (value or "TRIAGE_MODEL is not set") in output
    assert ".." not in output
    assert everything(store) == before
    assert "Deleted" in triage("models", "forget", name, "--yes", "--configured").output


@pytest.mark.parametrize("home", ["relative", "/nowhere/dagster", "{damaged}"])
@pytest.mark.usefixtures("another_is_configured")
def test_forgetting_needs_no_healthy_dagster(store, package, monkeypatch, tmp_path: Path, home: str) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "dagster.yaml").write_text("storage: [", "utf-8")
    monkeypatch.setenv("DAGSTER_HOME", home.format(damaged=damaged))
    name = score(store, package("1.0.0"), backlog_of(10))
    output = triage("models", "forget", name, "--yes").output
    assert f"{name}: 10 scores in 1 part, " in output
    assert "Deleted 4 files" in output


@pytest.mark.usefixtures("another_is_configured")
def test_worklists_that_show_a_forgotten_model_are_named(store, package) -> None:
    name = score(store, package("1.0.0"), backlog_of(10))
    store.write("worklists/model_config.json", json.dumps({"models": [{"name": name}]}).encode())
    assert "run `triage worklists` to split without it" in triage("models", "forget", "1.0.0", "--yes").output


class MergingStore(FolderStore):
    """A store in which, as soon as its parts have been listed, another run puts one part in the place of them."""

    def __init__(self, root: Path, merge: Callable[[], None]) -> None:
        super().__init__(root)
        self.merge: Callable[[], None] | None = merge

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        self._merge_once()
        return super().read_range(path, offset, size)

    def read(self, path: str) -> bytes:
        if path.endswith(".parquet"):
            self._merge_once()
        return super().read(path)

    def _merge_once(self) -> None:
        merge, self.merge = self.merge, None
        if merge:
            merge()


@pytest.fixture
def merging_store(store: FolderStore, package) -> tuple[MergingStore, str]:
    name = score(store, package("1.0.0"), backlog_of(4))

    def merge() -> None:
        score(store, package("1.0.0"), backlog_of(10))

    return MergingStore(store.root, merge), name


def test_a_run_that_merges_parts_meanwhile_damages_no_listing(merging_store) -> None:
    store, _ = merging_store
    before = set(store.root.rglob("part-*"))
    (model,) = list_models(store, backlog_of(10).tables()[0])
    assert not before & set(store.root.rglob("part-*")), "what was listed is gone"
    assert (model.faults, model.n_scored) == ((), 10)


def test_a_run_that_merges_parts_meanwhile_hides_no_score_from_counting(merging_store) -> None:
    assert count_scores(*merging_store) == 10


class KilledStore(FolderStore):
    """A store whose process dies after so many deletions."""

    def __init__(self, root: Path, after: int) -> None:
        super().__init__(root)
        self.left = after

    def delete(self, path: str) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().delete(path)


@pytest.mark.parametrize("after", range(4))
def test_a_kill_in_the_middle_of_forgetting_leaves_nothing_that_looks_whole(
    tmp_path: Path, package, after: int
) -> None:
    path, store = package("1.0.0"), FolderStore(tmp_path / "data")
    name = score(store, path, backlog_of(10), 3)
    with pytest.raises(KeyboardInterrupt):
        forget_model(KilledStore(store.root, after), name)
    folder = store.root / f"predictions/model={name}"
    assert (folder / "model.json").exists(), "what is left says whose it is, and which options it was made with"
    (model,) = list_models(store, backlog_of(10).tables()[0])
    assert (model.faults == ()) == (after == 0)
    if after:
        assert model.n_scored is None
    forget_model(store, name)
    assert list(store.list(f"predictions/model={name}")) == []
    score(store, path, backlog_of(10), 3)
    assert describe(store, backlog_of(10))[name] == (9, 1, 0.9)
