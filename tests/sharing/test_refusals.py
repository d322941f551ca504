"""What a copy refuses before it writes anything, and what it leaves out and says while everything else is copied."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.s3_server import EXPIRED, FORGETFUL, PLAIN, READER, STRANGER, S3Server, become
from tests.shards.shard_backlogs import KEY, SEAL_BYTES, Downloads, make_backlog
from tests.sharing.stores import FIRST, OTHER, contents, empty_store, first_tar, live_frames, pack
from triage_assets.annotator.snapshot import snapshot_path
from triage_assets.errors import NewerFormat, SettingsError, StoreError, StoreMismatch, StoreUnwritable
from triage_assets.folder_store import FolderStore
from triage_assets.shards.catalog import catalog_path, load_catalog, shards_folder
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.reindex import reindex_shards
from triage_assets.shards.verify import verify_shards
from triage_assets.sharing import tables
from triage_assets.sharing.copying import copy_store
from triage_assets.sharing.records import CopyScope
from triage_assets.store import StoredObject, open_store


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage stays damage, however often it is looked at."""
    monkeypatch.setattr(tables, "_PAUSE_SECONDS", 0.0)


# Places


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (".", "onto itself"),
        ("../source", "onto itself"),  # by another name
        ("../link", "onto itself"),  # by a link
        ("copy", "one of the two stores is inside the other"),
        ("..", "one of the two stores is inside the other"),
    ],
)
def test_a_store_is_not_copied_into_itself(source: FolderStore, place: str, said: str) -> None:
    (source.root.parent / "link").symlink_to(source.root)
    before = sorted(source.root.parent.rglob("*"))
    with pytest.raises(SettingsError, match=rf"(?i){said}"):
        copy_store(source, FolderStore(source.root / place))
    assert sorted(source.root.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [("s3://plain/a", "s3://plain/a/"), ("s3://plain/a", "s3://plain/a/b"), ("s3://plain", "s3://plain/a")],
)
def test_a_prefix_is_not_copied_into_itself(s3: S3Server, one: str, other: str) -> None:
    with pytest.raises(SettingsError, match=r"onto itself|inside the other"):
        copy_store(open_store(one), open_store(other))
    assert s3.requests == []


def test_what_is_no_store_is_not_copied(tmp_path: Path, destination: FolderStore) -> None:
    (tmp_path / "pictures").mkdir()
    for place in ("pictures", "nowhere"):
        with pytest.raises(StoreError, match=r"is no store; found no store\.json"):
            copy_store(FolderStore(tmp_path / place), destination)
    assert not destination.root.exists()


def test_a_folder_with_something_else_in_it_is_no_destination(source: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").write_bytes(b"cat")
    with pytest.raises(StoreError, match=r"is no store, and not empty; found cat\.jpg"):
        copy_store(source, FolderStore(tmp_path / "photos"))
    assert [file.name for file in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_destination_that_another_begins_to_fill_meanwhile_is_no_strangers_folder(
    source: FolderStore, destination: FolderStore
) -> None:
    class Filled(FolderStore):
        """One that is filled as soon as somebody has looked what else is in it."""

        def list(self, prefix: str) -> Iterator[StoredObject]:
            if prefix == "" and self.annotator() is None:
                copy_store(source, FolderStore(self.root))
            return super().list(prefix)

    assert copy_store(source, Filled(destination.root)).faults == ()
    assert contents(destination) == contents(source)


def test_a_viewer_that_was_opened_first_does_not_prevent_a_fetch(source: FolderStore, destination: FolderStore) -> None:
    destination.root.mkdir()
    (destination.root / "review.sqlite").write_bytes(b"")
    assert copy_store(source, destination).faults == ()


def test_the_store_of_another_annotator_is_refused(source: FolderStore, destination: FolderStore) -> None:
    destination.stamp("https://annotator.example.org")
    with pytest.raises(StoreMismatch, match=r"found annotator\.example\.org; expected loopback"):
        copy_store(source, destination)
    assert [found.path for found in destination.list("")] == ["store.json"]


def test_an_organization_that_is_not_there_is_an_error_that_names_those_that_are(
    source: FolderStore, destination: FolderStore
) -> None:
    with pytest.raises(StoreError, match=f"no such organization; found 'Nord'; expected one of {OTHER}, {KEY}"):
        copy_store(source, destination, CopyScope(("Nord",)))
    assert not destination.root.exists()


NEWER = b'{"format_version": 99, "annotator": "loopback", "organization_key": "north-7"}'


@pytest.mark.parametrize("path", ["store.json", "copied.json", "worklists/model_config.json", catalog_path(OTHER)])
def test_a_destination_of_a_newer_format_is_refused_and_left_as_it_is(
    source: FolderStore, tmp_path: Path, path: str
) -> None:
    destination = empty_store(tmp_path / "destination")
    destination.write(path, NEWER)
    before = {found.path: destination.read(found.path) for found in destination.list("")}
    with pytest.raises(NewerFormat, match=r"newer version.*found format version 99"):
        copy_store(source, destination)
    assert {found.path: destination.read(found.path) for found in destination.list("")} == before


@pytest.mark.parametrize("path", ["store.json", "worklists/model_config.json", catalog_path(OTHER)])
def test_a_source_of_a_newer_format_is_refused(source: FolderStore, destination: FolderStore, path: str) -> None:
    source.write(path, NEWER)
    with pytest.raises(NewerFormat, match="format version 99"):
        copy_store(source, destination)
    assert contents(destination) == {}


@pytest.mark.parametrize(
    ("location", "access_key", "said"),
    [
        ("s3://no-such-bucket/x", None, "no such bucket"),
        (f"s3://{PLAIN}/x", STRANGER, "not allowed to"),
        (f"s3://{PLAIN}/x", READER, "not allowed to"),  # may look, and finds it empty
        (f"s3://{PLAIN}/x", EXPIRED, "have expired"),
        (f"s3://{FORGETFUL}/x", None, "no conditional puts"),
    ],
)
def test_a_bucket_that_cannot_be_written_is_a_sentence(
    source: FolderStore,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
    access_key: str | None,
    said: str,
) -> None:
    if access_key:
        become(monkeypatch, access_key)
    with pytest.raises(StoreError, match=said):
        copy_store(source, open_store(location))
    assert [key for key in s3.stored_keys() if not key.endswith("-probe")] == []


@pytest.mark.parametrize(
    ("location", "access_key", "said"),
    [
        ("s3://no-such-bucket/x", READER, "no such bucket"),
        (f"s3://{PLAIN}/x", STRANGER, "not allowed to"),
        (f"s3://{PLAIN}/x", EXPIRED, "have expired"),
        (f"s3://{PLAIN}/wrong-prefix", READER, "is no store"),
    ],
)
def test_a_bucket_that_cannot_be_read_is_a_sentence_and_nothing_looks_empty(
    destination: FolderStore,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
    access_key: str,
    said: str,
) -> None:
    become(monkeypatch, access_key)
    with pytest.raises(StoreError, match=said):
        copy_store(open_store(location), destination)
    assert not destination.root.exists()


@pytest.mark.parametrize("small_disk", ["100k"], indirect=True)
def test_a_full_disk_is_a_sentence_and_leaves_a_whole_store(source: FolderStore, small_disk: Path) -> None:
    destination = FolderStore(small_disk / "store")
    pack(source, 60)
    with pytest.raises(StoreUnwritable, match=r"(?i)no space"):
        copy_store(source, destination)
    assert verify_shards(destination).faults == ()
    assert [found.path for found in destination.list("") if found.path.endswith(".tmp")] == []


# Damage at the source


def flip(store: FolderStore, path: str, place: int) -> None:
    data = bytearray(store.read(path))
    data[place] ^= 1
    store.write(path, bytes(data))


def cut(store: FolderStore, path: str) -> None:
    store.write(path, store.read(path)[:-900])


def part_of(store: FolderStore) -> str:
    return next(found.path for found in store.list("predictions") if "/part-" in found.path)


DAMAGE: dict[str, tuple[Callable[[FolderStore], None], str, str]] = {
    "an image": (lambda store: flip(store, first_tar(store), 3000), "have changed", "shards/"),
    "a header": (lambda store: flip(store, first_tar(store), 0), "header at byte 0", "shards/"),
    "an archive cut short": (lambda store: cut(store, first_tar(store)), "cut short", "shards/"),
    "a lost archive": (lambda store: store.delete(first_tar(store)), "is missing", "shards/"),
    "an index": (
        lambda store: flip(store, first_tar(store).replace(".tar", ".parquet"), 50), "triage shards reindex", "shards/"
    ),
    "a catalog": (
        lambda store: store.write(catalog_path(OTHER), b"{"), "cannot be read", f"shards/organization={OTHER}/"
    ),
    "a part": (lambda store: flip(store, part_of(store), 100), "is damaged", "predictions/"),
    "a backlog": (
        lambda store: store.write(snapshot_path(KEY), b"PAR1"), "cannot be read", "sequences/"
    ),
    "a list": (lambda store: store.write("worklists/review.json", b"{}"), "not all of one run", "worklists/"),
    "groups": (lambda store: store.write("groups/groups.parquet", b"PAR1"), "cannot be read", "groups/"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_not_copied_and_said_while_everything_else_is(
    source: FolderStore, destination: FolderStore, what: str
) -> None:
    before = contents(source)
    damage, said, where = DAMAGE[what]
    damage(source)
    report = copy_store(source, destination)
    assert [said in str(fault) for fault in report.faults] == [True], report.faults
    copied = contents(destination)
    assert verify_shards(destination).faults == ()
    assert {path for path in before.keys() - copied.keys() if not path.startswith(where)} == set()
    assert {path for path in copied if copied[path] != before[path] and not path.endswith("catalog.json")} == set()
    assert len(copied) < len(before)
    if where == "shards/":
        assert len(load_catalog(destination, OTHER).shards) == len(load_catalog(source, OTHER).shards) - 1


# Damage at the destination


def index_of(store: FolderStore) -> str:
    return first_tar(store).replace(".tar", ".parquet")


def lose_catalog(store: FolderStore) -> None:
    store.delete(catalog_path(OTHER))


def cut_without_catalog(store: FolderStore) -> None:
    cut(store, first_tar(store))
    lose_catalog(store)


def lose_all_but_catalog(store: FolderStore) -> None:
    for found in store.list(shards_folder(OTHER)):
        if found.path != catalog_path(OTHER):
            store.delete(found.path)


ALL = 6
HALF_COPIED: dict[str, tuple[Callable[[FolderStore], None], int]] = {
    "an archive cut short": (lambda store: cut(store, first_tar(store)), 1),
    "a lost archive": (lambda store: store.delete(first_tar(store)), 1),
    "an index cut short": (lambda store: cut(store, index_of(store)), 1),
    "a lost index": (lambda store: store.delete(index_of(store)), 1),
    # whoever copies name by name is cut off before the catalog; what is whole is held against the source
    "a lost catalog": (lose_catalog, ALL),
    "a cut archive and no catalog yet": (cut_without_catalog, ALL),
    "a catalog alone": (lose_all_but_catalog, ALL),
    "a part of the scores cut short": (lambda store: cut(store, part_of(store)), 0),
}


@pytest.mark.parametrize("what", HALF_COPIED)
def test_a_half_copied_store_is_completed(source: FolderStore, destination: FolderStore, what: str) -> None:
    copy_store(source, destination)
    assert len(load_catalog(destination, OTHER).shards) == ALL
    damage, n_copied = HALF_COPIED[what]
    damage(destination)
    report = copy_store(source, destination)
    assert (report.faults, report.n_shards_copied) == ((), n_copied)
    assert contents(destination) == contents(source)
    assert verify_shards(destination).faults == ()


def test_a_changed_byte_of_a_copy_is_found_left_out_and_copied_again(
    source: FolderStore, destination: FolderStore
) -> None:
    copy_store(source, destination)
    flip(destination, first_tar(destination), 3000)
    said = str(verify_shards(destination).faults[0])
    assert re.search(r"`triage shards reindex --drop-damaged`.* then `triage fetch` brings it again", said)
    reindex_shards(destination, drop_damaged=True)
    assert copy_store(source, destination).n_shards_copied == 1
    assert contents(destination) == contents(source)
    assert verify_shards(destination).faults == ()


def test_what_is_left_of_a_shard_is_kept_where_the_source_has_no_better(
    source: FolderStore, destination: FolderStore
) -> None:
    copy_store(source, destination)
    cut(destination, first_tar(destination))
    flip(source, first_tar(source), 3000)
    left = destination.read(first_tar(destination))
    [fault] = copy_store(source, destination).faults
    assert "have changed" in str(fault)
    assert destination.read(first_tar(destination)) == left


def test_archives_of_nobody_knows_whom_are_no_half_copied_store(source: FolderStore, destination: FolderStore) -> None:
    pack(destination, 1, first=FIRST + 500)
    destination.delete(catalog_path(OTHER))
    before = contents(destination)
    [fault] = copy_store(source, destination).faults
    assert "catalog.json is missing; found 1 shards beside it" in str(fault)
    assert {path: contents(destination)[path] for path in before} == before


# Stores that do not belong together


def test_different_images_of_one_sequence_are_not_mixed(source: FolderStore, tmp_path: Path) -> None:
    destination = empty_store(tmp_path / "destination")
    pack(destination, 1, first=FIRST - 1)
    # The same sequences, and in the shard of a lower number than the source's more frames of them.
    pack_frames(destination, OTHER, make_backlog(12, n_frames=4, first=FIRST), Downloads(), seal_bytes=SEAL_BYTES * 9)
    pack(source, 13)
    shown = live_frames(destination)
    report = copy_store(source, destination)
    assert [f"different images of the same sequences of {OTHER}" in str(fault) for fault in report.faults] == [True]
    assert live_frames(destination) == shown
    assert live_frames(destination, KEY) == live_frames(source, KEY)


def test_two_shards_of_one_name_are_refused(source: FolderStore, destination: FolderStore) -> None:
    copy_store(source, destination)
    path = catalog_path(OTHER)
    catalog = json.loads(source.read(path))
    catalog["shards"][0]["meta_sha256"] = "0" * 64
    source.write(path, json.dumps(catalog).encode())
    report = copy_store(source, destination)
    assert ["different shards of one name" in str(fault) for fault in report.faults] == [True]
