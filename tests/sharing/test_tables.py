"""Whose tables stay: those of a newer state and of a run at the destination are never replaced by a copy."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exchange.folders import make_loose, make_report
from tests.sharing.conftest import Pair
from tests.sharing.stores import OTHER, contents
from triage_assets.exchange.importing import import_folder
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.imported import imported_models, lay_out_imported
from triage_assets.sharing.copied import Histories, Kept, find_kept
from triage_assets.sharing.copying import copy_store
from triage_assets.store import Store
from triage_assets.stored_backlogs import load_backlogs

LIST = "worklists/dropped.json"


def split_anew(store: Store, mark: bytes) -> bytes:
    """Another state of the worklists, as a run leaves it; returns what tells it from others."""
    record = json.loads(store.read("worklists/model_config.json"))
    data = store.read(LIST) + mark
    store.write(LIST, data)
    record["files"]["dropped.json"] = hashlib.sha256(data).hexdigest()
    store.write("worklists/model_config.json", json.dumps(record).encode())
    return data


@pytest.mark.parametrize(
    ("present", "incoming", "theirs", "ours", "kept"),
    [
        (None, "2", [], [], None),  # nothing is there
        ("1", "2", ["1"], [], None),  # the next state of whoever makes them
        ("1", "2", ["2", "1"], [], None),  # a copy of it was killed before it was written
        ("x", "2", ["1"], [], Kept.MADE_THERE),
        ("x", "2", [], ["2", "x"], Kept.MADE_THERE),
        ("2", "1", ["2", "1"], [], Kept.NEWER),  # an old clone, that does not know what it is
        ("2", "1", ["2", "1"], ["1"], Kept.NEWER),  # an old copy
        ("1", "2", ["1"], ["2", "1"], None),  # a copy of a copy
        ("3", "2", ["3"], ["2", "1"], Kept.UNTOLD),  # two copies of different days
        ("2", "1", ["2"], ["2", "1"], Kept.UNTOLD),  # a copy that was killed before it wrote what is there already
    ],
)
def test_what_is_there_is_replaced_only_by_what_is_newer(
    present: str | None, incoming: str, theirs: list[str], ours: list[str], kept: Kept | None
) -> None:
    def histories(digests: list[str]) -> Histories:
        return {LIST: digests}

    assert find_kept({LIST: present}, {LIST: incoming}, histories(theirs), histories(ours)) is kept


def test_an_old_copy_does_not_undo_what_was_published_since(pair: Pair, tmp_path: Path) -> None:
    laptop = FolderStore(tmp_path / "laptop")
    copy_store(pair.source, pair.destination)
    copy_store(pair.destination, laptop)
    newer = split_anew(pair.source, b" ")
    assert copy_store(pair.source, pair.destination).faults == ()
    [fault] = copy_store(laptop, pair.destination).faults
    assert "were kept: what is there has replaced these before" in str(fault)
    assert pair.destination.read(LIST) == newer
    # The same in the other direction is how a laptop is brought up to date.
    assert copy_store(pair.destination, laptop).faults == ()
    assert laptop.read(LIST) == newer


def test_a_copy_of_a_copy_goes_on_over_states_that_it_never_saw(source: FolderStore, tmp_path: Path) -> None:
    shared, laptop, stick = (FolderStore(tmp_path / name) for name in ("shared", "laptop", "stick"))
    copy_store(source, shared)
    copy_store(shared, laptop)
    for mark in (b" ", b"  ", b"   "):
        split_anew(source, mark)
        copy_store(source, shared)
        if mark == b"  ":
            copy_store(shared, stick)
    copy_store(shared, laptop)
    assert copy_store(laptop, stick).faults == ()
    assert contents(stick) == contents(source)


@pytest.mark.parametrize("moment", ["before the first table", "between two tables"])
def test_a_run_that_ends_at_the_destination_meanwhile_is_not_overwritten(pair: Pair, moment: str) -> None:
    copy_store(pair.source, pair.destination)
    split_anew(pair.source, b" ")
    made: list[bytes] = []
    path = LIST if moment == "before the first table" else "worklists/model_config.json"
    source = Meddled(pair.source, path, lambda: made.append(split_anew(pair.destination, b"   ")))
    [fault] = copy_store(source, pair.destination).faults
    assert "were kept: they were made there" in str(fault)
    assert [pair.destination.read(LIST)] == made


class Meddled(FolderStore):
    """A source that lets something happen as soon as a table of it is read to be written elsewhere."""

    def __init__(self, store: Store, path: str, act: Callable[[], object]) -> None:
        self._wrapped, self._path, self._act = store, path, act
        self._done = False
        self.location = store.location

    def __getattribute__(self, name: str) -> object:
        own = ("_wrapped", "_path", "_act", "_done", "location", "read_or_none", "__class__")
        return object.__getattribute__(self, name) if name in own else getattr(self._wrapped, name)

    def read_or_none(self, path: str) -> bytes | None:
        data = self._wrapped.read_or_none(path)
        if path == self._path and not self._done:
            self._done = True
            self._act()
        return data


# Scores of models


@pytest.fixture
def imported(tmp_path: Path) -> FolderStore:
    """Frames and scores that were imported, without any annotator."""
    make_loose(tmp_path / "old", {5: (50, 51, 52), 6: (60, 61, 62)})
    make_report(tmp_path / "old", {5: 0.9, 6: 0.1})
    store = FolderStore(tmp_path / "imported")
    import_folder(store, tmp_path / "old")
    return store


def test_scores_are_never_there_without_the_record_of_their_model(
    source: FolderStore, imported: FolderStore, destination: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_store(source, destination)
    split_anew(destination, b" ")  # so that its tables are kept
    monkeypatch.setattr("triage_assets.sharing.copying.write_tables", killed)
    with pytest.raises(KeyboardInterrupt):
        copy_store(imported, destination)
    assert len(imported_models(destination).identities) == 1
    assert lay_out_imported(destination, load_backlogs(destination)) == {}


def killed(*_: object) -> int:
    raise KeyboardInterrupt


def test_what_was_imported_without_an_annotator_is_shared(
    source: FolderStore, imported: FolderStore, destination: FolderStore, tmp_path: Path
) -> None:
    assert copy_store(imported, destination).faults == ()
    assert destination.annotator() is None
    assert contents(destination) == contents(imported)
    assert not copy_store(imported, destination).has_news
    # Whoever has an annotator brings it.
    copy_store(source, destination)
    assert destination.annotator() == source.annotator()
    assert copy_store(imported, destination).n_shards_copied == 0
    assert OTHER in {found.path.split("=")[1].split("/")[0] for found in destination.list("shards")}


def test_a_first_copy_of_imports_that_was_killed_goes_on(
    imported: FolderStore, destination: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("triage_assets.sharing.copying.copy_parts", killed)
        with pytest.raises(KeyboardInterrupt):
            copy_store(imported, destination)
    assert copy_store(imported, destination).faults == ()
    assert contents(destination) == contents(imported)
