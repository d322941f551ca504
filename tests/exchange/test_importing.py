import dataclasses
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shards.shard_backlogs import make_sequence, tiny_jpeg
from tests.stores import Place
from triage_assets.annotator.snapshot import iter_sequences, stored_keys
from triage_assets.errors import ExchangeError
from triage_assets.exchange.importing import ImportReport, import_folder
from triage_assets.exchange.sources import MOST_IMAGE_BYTES
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.planning import plan_scoring
from triage_assets.shards.verify import verify_shards
from triage_assets.store import Store
from triage_assets.stored_backlogs import load_backlogs

from .folders import (
    CAMERA,
    DAMAGES,
    KEY,
    add_member,
    contents,
    digests,
    digests_of,
    files_of,
    fill,
    make_loose,
    make_other,
    make_packed,
    with_boxes,
    write_files,
)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def listed(store: Store) -> list[int]:
    return [sequence.id for key in stored_keys(store) for sequence in iter_sequences(store, key)]


def test_the_older_loose_layout_enters_the_shards_byte_for_byte(place: Place, tmp_path: Path) -> None:
    make_loose(tmp_path / "old", {5: (50, 51), 3: (30,)})
    report = import_folder(place.store, tmp_path / "old")
    assert (report.n_imported, report.n_added, report.n_frames, report.left_out) == (2, 2, 3, {})
    assert digests(place.store) == digests_of((30, 50, 51))
    assert listed(place.store) == [3, 5]
    assert verify_shards(place.store).faults == ()
    before = contents(place.store)
    again = import_folder(place.store, tmp_path / "old")
    assert not again.changed
    assert (again.n_imported, again.n_added, again.n_frames_new) == (2, 0, 0)
    assert contents(place.store) == before


def test_the_older_packed_layout_enters_the_shards_byte_for_byte(place: Place, tmp_path: Path) -> None:
    make_packed(tmp_path / "old/data", {0: {5: (50, 51)}, 1: {3: (30,), 9: (90,)}})
    report = import_folder(place.store, tmp_path / "old")
    assert (report.n_imported, report.left_out) == (3, {})
    assert digests(place.store) == digests_of((30, 50, 51, 90))
    assert not import_folder(place.store, tmp_path / "old").changed


def test_what_is_loose_and_packed_is_imported_once(store: FolderStore, tmp_path: Path) -> None:
    make_loose(tmp_path / "old", {5: (50, 51)})
    make_packed(tmp_path / "old/data", {0: {5: (50, 51), 6: (60,)}})
    report = import_folder(store, tmp_path / "old")
    assert (report.n_imported, report.left_out) == (2, {})
    assert digests(store) == digests_of((50, 51, 60))


@pytest.mark.parametrize(
    "named",
    ["old", "old/data", "old/data/01_raw/sequences"],  # whatever folder of the layout is named
)
def test_a_folder_is_found_from_above(store: FolderStore, tmp_path: Path, named: str) -> None:
    make_loose(tmp_path / "old", {5: (50,)})
    assert import_folder(store, tmp_path / named).n_imported == 1


def test_files_behind_links_are_read_and_pipes_are_not_waited_for(store: FolderStore, tmp_path: Path) -> None:
    camera = make_loose(tmp_path / "old", {5: (50,), 6: (60,)})
    image = camera / "seq_5/images/detection_50.jpg"
    image.rename(tmp_path / "cache.jpg")  # as tools for data versions do
    image.symlink_to(tmp_path / "cache.jpg")
    (camera / "seq_6/images/detection_60.jpg").unlink()
    os.mkfifo(camera / "seq_6/images/detection_60.jpg")
    report = import_folder(store, tmp_path / "old")
    assert digests(store) == digests_of((50,))
    assert list(report.left_out.values()) == ["images/detection_60.jpg is missing"]


def changed(**values: Any) -> Callable[[Path], None]:
    """Another meta.json for sequence 5."""
    return lambda folder: write_files(folder, {"meta.json": files_of(5, (50, 51), **values)["meta.json"]})


BACKLOG = {
    "stage": "ready_to_annotate", "azimuth": 180, "lat": None, "lon": None, "last_seen_at": "2026-01-01T00:00:00Z",
    "created_at": None, "source_api": None, "alert_api_id": 7, "is_wildfire_alertapi": None, "annotator_group_id": None,
    "detections": [],
}  # fmt: skip


def renamed(file: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        meta = json.loads((folder / "meta.json").read_bytes())
        meta["frames"][1]["file"] = file
        (folder / "meta.json").write_text(json.dumps(meta))

    return change


def written(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: write_files(folder, {name: data})


def huge(folder: Path) -> None:
    os.truncate(folder / "images/detection_50.jpg", MOST_IMAGE_BYTES + 1)


BROKEN = [
    (written("meta.json", b"{"), "meta.json is broken"),  # cut off
    (written("meta.json", b""), "meta.json is broken"),  # a full disk
    (written("meta.json", b"\xff\xfe\x00"), "meta.json is broken"),  # no text
    (written("meta.json", b"[]"), "meta.json is broken"),
    (lambda folder: (folder / "meta.json").unlink(), "it has no meta.json"),
    (changed(sequence_id="5"), "sequence_id: Input should be a valid integer"),
    (changed(sequence_id=True), "sequence_id: Input should be a valid integer"),
    (changed(sequence_id=2**63), "sequence_id"),
    (changed(sequence_id=6, key="pyro-annotator_6"), "is of another sequence: pyro-annotator_6, in seq_5"),
    (changed(key="pyro-annotator_6"), "is of another sequence: pyro-annotator_6"),
    (changed(organization_name=None), "organization_name"),
    (changed(started_at="yesterday"), "started_at"),
    (changed(started_at="0001-01-01T00:00:00+05:00"), "started_at: beyond the calendar in UTC"),
    (changed(started_at="9999-12-31T23:59:59-05:00"), "started_at: beyond the calendar in UTC"),
    (changed(camera_id=2**63), "camera_id: Input should be less than"),  # no column holds it
    (changed(camera_id=-(2**70)), "camera_id: Input should be greater than"),
    (changed(backlog=BACKLOG | {"azimuth": 10**25}), "backlog.azimuth: Input should be less than"),
    (changed(backlog=BACKLOG | {"alert_api_id": 2**63}), "backlog.alert_api_id: Input should be less than"),
    (changed(backlog=BACKLOG | {"created_at": "0001-01-01T00:00:00+05:00"}), "backlog.created_at: beyond the calendar"),
    (changed(camera_name="x" * 20_000), "camera_name: String should have at most"),
    (changed(frames=None), "frames"),
    (renamed("../seq_6/images/detection_60.jpg"), "is no file name below the sequence's folder"),
    (renamed("/etc/passwd"), "is no file name below the sequence's folder"),
    (renamed("images/"), "is no file name below the sequence's folder"),
    (renamed("images/a\x00b.jpg"), "is no file name below the sequence's folder"),
    (renamed("images\\detection_51.jpg"), "is no file name below the sequence's folder"),
    (renamed("images/" + "x" * 300), "is no file name below the sequence's folder"),
    (renamed("images/detection_50.jpg"), "names a frame twice"),
    (renamed("images"), "images is missing"),  # a folder
    (lambda folder: (folder / "images/detection_51.jpg").unlink(), "images/detection_51.jpg is missing"),
    (lambda folder: shutil.rmtree(folder / "images"), "is missing"),  # half copied
    (written("images/detection_51.jpg", b""), "The image is empty"),
    (written("images/detection_51.jpg", b"<html>"), "The bytes are no image"),
    (written("images/detection_51.jpg", tiny_jpeg(51)[:-8]), "cut short or damaged"),
    (huge, f"has {MOST_IMAGE_BYTES + 1:,} bytes, and at most"),
]


@pytest.mark.parametrize(("damage", "reason"), BROKEN)
def test_a_broken_sequence_is_left_out_whole_with_its_reason(
    store: FolderStore, tmp_path: Path, damage: Callable[[Path], None], reason: str
) -> None:
    camera = make_loose(tmp_path / "old", {5: (50, 51), 7: (70,)})
    damage(camera / "seq_5")
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [7]
    assert digests(store) == digests_of((70,))
    [(where, why)] = report.left_out.items()
    assert where == f"sequences/{CAMERA}/seq_5"
    assert reason in why


def test_the_first_moment_there_is_and_a_name_that_no_database_takes(store: FolderStore, tmp_path: Path) -> None:
    camera = make_loose(tmp_path / "old", {})
    write_files(camera / "seq_5", files_of(5, (50,), started_at="0001-01-01T00:00:00Z", camera_name="a\x00b"))
    assert import_folder(store, tmp_path / "old").left_out == {}
    [sequence] = iter_sequences(store, KEY)
    assert (sequence.row.recorded_at.year, sequence.row.camera_name) == (1, "a\ufffdb")  # as a pull takes it


def test_of_two_with_one_id_neither_is_taken(store: FolderStore, tmp_path: Path) -> None:
    camera = make_loose(tmp_path / "old", {5: (50,), 7: (70,), 8: (80, 81), 9: (81,)})
    shutil.copytree(camera / "seq_5", camera.parent / "other-camera/seq_5")
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [7]
    assert sorted(report.left_out) == [
        f"sequences/{CAMERA}/seq_5",
        f"sequences/{CAMERA}/seq_8",
        f"sequences/{CAMERA}/seq_9",
        "sequences/sdis-ardeche/other-camera/seq_5",
    ]
    assert "more than once" in report.left_out[f"sequences/{CAMERA}/seq_5"]
    assert "its frame 81 is another sequence's too" in report.left_out[f"sequences/{CAMERA}/seq_9"]


MEMBERS = [
    ({"name": "/etc/cron.d/x", "data": b"x"}, "refused: its path is absolute"),
    ({"name": f"{CAMERA}/seq_5/../../../x", "data": b"x"}, "refused: its path leads out of the archive"),
    ({"name": "a", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "refused: a symbolic link"),
    ({"name": "b", "type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, "refused: a hard link"),
    ({"name": "c", "type": tarfile.CHRTYPE}, "refused: a device"),
    ({"name": "d", "type": tarfile.BLKTYPE}, "refused: a device"),
    ({"name": "e", "type": tarfile.FIFOTYPE}, "refused: a pipe"),
    ({"name": f"{CAMERA}/seq_6/meta.json", "data": b"{}"}, "the manifest does not say that it is there"),
    ({"name": "readme.txt", "data": b"x"}, "the manifest does not say that it is there"),
    # Folders, which some writers of archives end with a slash.
    ({"name": "/etc/cron.d", "type": tarfile.DIRTYPE}, "refused: its path is absolute"),
    ({"name": "/", "type": tarfile.DIRTYPE}, "refused: its path is absolute"),
    ({"name": "../../home", "type": tarfile.DIRTYPE}, "refused: its path leads out of the archive"),
    ({"name": f"{CAMERA}/seq_5/../../..", "type": tarfile.DIRTYPE}, "refused: its path leads out of the archive"),
    ({"name": "./../x", "type": tarfile.DIRTYPE}, "refused: its path leads out of the archive"),
    # Only at its beginning is a dot a way to write nothing.
    ({"name": ".//etc/cron.d/x", "data": b"x"}, "refused: its path is absolute"),
    ({"name": f"{CAMERA}/./seq_5/x", "data": b"x"}, "refused: its path leads out of the archive"),
    ({"name": "././x", "data": b"x"}, "refused: its path leads out of the archive"),
]


@pytest.mark.parametrize(("member", "reason"), MEMBERS)
def test_a_member_that_is_no_plain_file_of_the_layout_is_refused_by_name(
    store: FolderStore, tmp_path: Path, member: dict[str, Any], reason: str
) -> None:
    folder = make_packed(tmp_path / "old", {0: {5: (50,)}})
    with tarfile.open(folder / "shard_0000.tar", "a") as tar:
        add_member(tar, **member)
    report = import_folder(store, tmp_path / "old")
    [(where, why)] = report.left_out.items()
    assert where.startswith("frames/shard_0000.tar: ")
    assert member["name"].rpartition("/meta.json")[0].removeprefix("./") in where
    assert why == reason
    assert digests(store) == digests_of((50,))


def test_a_link_in_place_of_an_image_leaves_its_sequence_out(store: FolderStore, tmp_path: Path) -> None:
    folder = make_packed(tmp_path / "old", {0: {7: (70,)}, 1: {}})
    with tarfile.open(folder / "shard_0001.tar", "w") as tar:
        add_member(tar, f"{CAMERA}/seq_5/meta.json", files_of(5, (50,))["meta.json"])
        image = f"{CAMERA}/seq_5/images/detection_50.jpg"
        add_member(tar, image, type=tarfile.SYMTYPE, linkname=f"{CAMERA}/seq_7/images/detection_70.jpg")
    (folder / "manifest.json").write_text(json.dumps({"next_index": 2, "items": {"7": 0, "5": "shard_0001"}}))
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [7]
    # Once, with the sequence that lacks it.
    assert report.left_out == {f"frames/{CAMERA}/seq_5": "images/detection_50.jpg is refused: a symbolic link"}


def test_a_folder_that_tar_has_packed_from_within_is_taken(store: FolderStore, tmp_path: Path) -> None:
    camera = make_loose(tmp_path / "old", {5: (50, 51), 6: (60,)})
    folder = make_packed(tmp_path / "packed", {0: {5: (50, 51), 6: (60,)}})
    with tarfile.open(folder / "shard_0000.tar", "w") as tar:
        tar.add(camera.parents[1], arcname="./")
        assert f"./{CAMERA}/seq_5" in tar.getnames()
    report = import_folder(store, tmp_path / "packed")
    assert (report.n_imported, report.left_out) == (2, {})
    assert digests(store) == digests_of((50, 51, 60))


TWICE = [
    # Which of two is right cannot be told, however each of them is written.
    (("images/detection_50.jpg", "images/detection_50.jpg"), "images/detection_50.jpg is refused: it is there more"),
    (("images/detection_50.jpg", "./images/detection_50.jpg", "images/detection_50.jpg"), "is there more than once"),
    (("meta.json", "meta.json"), "its meta.json is refused: it is there more than once"),
]


@pytest.mark.parametrize(("names", "reason"), TWICE)
def test_a_member_that_is_there_twice_is_said_once_with_its_sequence(
    store: FolderStore, tmp_path: Path, names: tuple[str, ...], reason: str
) -> None:
    folder = make_packed(tmp_path / "old", {0: {5: (50,), 6: (60,)}})
    with tarfile.open(folder / "shard_0000.tar", "a") as tar:
        for name in names:
            dot = "./" if name.startswith("./") else ""
            add_member(tar, f"{dot}{CAMERA}/seq_5/{name.removeprefix('./')}", b"x")
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [6]
    assert report.left_out.keys() == {f"frames/{CAMERA}/seq_5"}
    assert reason in report.left_out[f"frames/{CAMERA}/seq_5"]


def test_of_an_archive_that_is_cut_short_whole_sequences_are_taken(store: FolderStore, tmp_path: Path) -> None:
    folder = make_packed(tmp_path / "old", {0: {5: (50,), 6: (60,), 7: (70,)}, 1: {8: (80,)}, 2: {9: (90,)}})
    with tarfile.open(folder / "shard_0000.tar") as tar:
        cut = tar.getmember(f"{CAMERA}/seq_6/images/detection_60.jpg").offset_data + 10
    os.truncate(folder / "shard_0000.tar", cut)
    (folder / "shard_0001.tar").unlink()
    os.truncate(folder / "shard_0002.tar", 0)
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [5]
    assert report.left_out.keys() == {
        *(f"frames/shard_000{number}.tar" for number in range(3)),
        f"frames/{CAMERA}/seq_6",
        *(f"frames/seq_{number}" for number in (7, 8, 9)),
    }
    assert report.left_out["frames/seq_7"] == "shard_0000.tar does not hold it"
    assert "it cannot be read to its end" in report.left_out["frames/shard_0001.tar"]


def pax(*headers: dict[str, str]) -> bytes:
    """A member that headers of attributes are said of."""
    blocks = [tarfile.TarInfo.create_pax_global_header({"comment": "x"})]
    for attributes in headers:
        member = tarfile.TarInfo("a/b/seq_9/x")
        member.size, member.pax_headers = 3, attributes
        blocks.append(member.tobuf(tarfile.PAX_FORMAT))
    return b"".join(blocks) + b"abc".ljust(512, b"\0")


def sparse(size: int) -> bytes:
    """A header of the older sparse form that says it goes on, and is the last."""
    member = tarfile.TarInfo("a/b/seq_9/x")
    member.type, member.size = tarfile.GNUTYPE_SPARSE, size
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1
    header[148:156] = b"%06o\0 " % sum(header[:148] + b" " * 8 + header[156:512])
    return bytes(header)


HEADERS = [
    pax({"GNU.sparse.map": "x,y", "GNU.sparse.major": "0"}),
    pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a"}),
    pax({"GNU.sparse.size": "q"}),
    pax({"size": "-1536"}),  # which leads back to the header itself
    pax({"size": "9" * 30}),
    tarfile.TarInfo.create_pax_global_header({"comment": "x"}) * 2_000,  # each says that another one follows
    sparse(1),
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_makes_no_sense_costs_what_is_behind_it(
    store: FolderStore, tmp_path: Path, header: bytes
) -> None:
    folder = make_packed(tmp_path / "old", {0: {5: (50,), 6: (60,)}, 1: {7: (70,)}})
    archive = folder / "shard_0000.tar"
    with tarfile.open(archive) as tar:
        cut = tar.getmember(f"{CAMERA}/seq_6/meta.json").offset
    data = archive.read_bytes()
    archive.write_bytes(data[:cut] + header)
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [5, 7]
    assert {"frames/shard_0000.tar", "frames/seq_6"} <= report.left_out.keys()
    assert "it cannot be read to its end" in report.left_out["frames/shard_0000.tar"]


def test_an_archive_that_is_compressed_or_has_endless_headers_is_not_unpacked(
    store: FolderStore, tmp_path: Path
) -> None:
    folder = make_packed(tmp_path / "old", {0: {5: (50,)}, 1: {6: (60,)}, 2: {7: (70,)}})
    plain = (folder / "shard_0000.tar").read_bytes()
    with tarfile.open(folder / "shard_0000.tar", "w:gz") as tar:
        add_member(tar, f"{CAMERA}/seq_5/meta.json", plain)
    with tarfile.open(folder / "shard_0001.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        add_member(tar, "x" * 2_000_000)
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [7]
    assert "a header of 2," in report.left_out["frames/shard_0001.tar"]
    assert "frames/shard_0000.tar" in report.left_out


MANIFESTS = [
    (b"{", "cannot be read"),
    (b"[]", "cannot be read"),
    (b'{"next_index": 1}', "cannot be read"),
    (b'{"next_index": 1, "items": {"5": null}}', "cannot be read"),
]


@pytest.mark.parametrize(("manifest", "reason"), MANIFESTS)
def test_archives_without_a_manifest_that_can_be_read_are_refused(
    store: FolderStore, tmp_path: Path, manifest: bytes, reason: str
) -> None:
    folder = make_packed(tmp_path / "old", {0: {5: (50,)}})
    (folder / "manifest.json").write_bytes(manifest)
    with pytest.raises(ExchangeError, match=reason):
        import_folder(store, tmp_path / "old")
    assert contents(store) == {}


def test_a_manifest_names_no_file_elsewhere(store: FolderStore, tmp_path: Path) -> None:
    folder = make_packed(tmp_path / "old", {0: {5: (50,)}})
    items = {"5": "shard_0000.tar", "6": "../../../shard_0001", "../7": 0, "8": "/etc/passwd", "9": -1}
    (folder / "manifest.json").write_text(json.dumps({"next_index": 1, "items": items}))
    report = import_folder(store, tmp_path / "old")
    assert listed(store) == [5]
    assert len(report.left_out) == 4
    assert all("no archive of a sequence is called" in why for why in report.left_out.values())


SOMETHING_ELSE: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: None, "no such folder"),
    (lambda folder: folder.mkdir(), "an empty folder"),
    (lambda folder: folder.write_text("x"), "a file"),
    (lambda folder: write_files(folder, {f"photo-{number}.jpg": b"x" for number in range(12)}), "and 4 more"),
    (lambda folder: (folder / "data/01_raw/sequences/somebody").mkdir(parents=True), "holds no sequence"),
]


@pytest.mark.parametrize(("make", "found"), SOMETHING_ELSE)
def test_a_folder_that_is_something_else_is_refused(
    store: FolderStore, tmp_path: Path, make: Callable[[Path], object], found: str
) -> None:
    make(tmp_path / "old")
    with pytest.raises(ExchangeError, match=found):
        import_folder(store, tmp_path / "old")
    assert contents(store) == {}


def test_what_the_annotator_gave_stays(place: Place, tmp_path: Path) -> None:
    store = place.store
    pulled = [with_boxes(make_sequence(5, (50, 51))), with_boxes(make_sequence(6, (60,)))]
    fill(store, pulled, {60: "gone (404)"})
    make_loose(tmp_path / "old", {5: (50, 51), 6: (60,), 7: (70,)})
    report = import_folder(store, tmp_path / "old")
    assert (report.n_added, report.n_frames_new) == (1, 2)
    now = {sequence.id: sequence for sequence in iter_sequences(store, KEY)}
    assert [now[5], now[6]] == pulled
    assert not now[7].detections[0].has_known_boxes
    # What was gone when it was pulled is there now.
    assert digests(store) == digests_of((50, 51, 60, 70))


def test_a_frame_that_the_store_has_otherwise_is_a_conflict(store: FolderStore, tmp_path: Path) -> None:
    fill(store, [make_sequence(5, (50,)), make_sequence(6, (60,))])
    camera = make_loose(tmp_path / "old", {5: (50,), 6: (60, 61)})
    (camera / "seq_5/images/detection_50.jpg").write_bytes(tiny_jpeg(99))
    meta = json.loads(files_of(7, (70,))["meta.json"]) | {"organization_id": 4}
    fill(store, [make_sequence(7, (70,))])
    write_files(camera / "seq_7", {**files_of(7, (70,)), "meta.json": json.dumps(meta).encode()})
    report = import_folder(store, tmp_path / "old")
    assert digests(store) == digests_of((50, 60, 61, 70))
    assert "holds frame 50 with other bytes" in report.left_out[f"sequences/{CAMERA}/seq_5"]
    assert "in the backlog of another organization: sdis-ardeche-3" in report.left_out[f"sequences/{CAMERA}/seq_7"]


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
@pytest.mark.parametrize("is_in_the_folder", [True, False])
def test_an_organization_of_which_the_store_is_damaged_is_left_out_and_the_others_are_imported(
    store: FolderStore, tmp_path: Path, damage: Callable[[Store], None], reason: str, is_in_the_folder: bool
) -> None:
    fill(store, [make_sequence(5, (50,))])
    damage(store)
    before = {path: data for path, data in contents(store).items() if KEY in path}
    if is_in_the_folder:
        make_loose(tmp_path / "old", {5: (50, 51), 6: (60,)})
    make_other(tmp_path / "old", 9, (90,))
    report = import_folder(store, tmp_path / "old")
    assert (report.n_imported, report.n_added, report.n_frames_new) == (1, 1, 1)
    assert list(report.left_out) == [f"organization {KEY}"]
    assert reason in report.left_out[f"organization {KEY}"]
    assert ("nothing of it is imported (2 in the folder)" in report.left_out[f"organization {KEY}"]) == is_in_the_folder
    assert [sequence.id for sequence in iter_sequences(store, "other-4")] == [9]
    assert {path: data for path, data in contents(store).items() if KEY in path} == before


def test_of_two_imports_at_once_one_has_the_frames(store: FolderStore, tmp_path: Path) -> None:
    make_loose(tmp_path / "old", {5: (50, 51), 6: (60,)})
    others: list[ImportReport] = []

    def begin_another(unit: str, done: int, total: int | None, note: str = "") -> None:
        if unit == "sequences" and done == 2 and not others:
            others.append(import_folder(FolderStore(store.root), tmp_path / "old"))

    mine = import_folder(store, tmp_path / "old", begin_another)
    assert (mine.n_imported, mine.n_added, mine.n_frames_new) == (2, 0, 0)
    assert [(other.n_imported, other.n_added, other.n_frames_new) for other in others] == [(2, 2, 3)]
    assert digests(store) == digests_of((50, 51, 60))


def test_of_a_sequence_that_has_grown_what_is_new_is_counted(store: FolderStore, tmp_path: Path) -> None:
    fill(store, [make_sequence(5, (50, 51))], {51: "gone (404)"})
    make_loose(tmp_path / "old", {5: (50, 51, 52)})
    assert import_folder(store, tmp_path / "old").n_frames_new == 2
    assert digests(store) == digests_of((50, 51, 52))


def test_without_its_boxes_a_sequence_is_not_scored_as_if_it_had_none(store: FolderStore, tmp_path: Path) -> None:
    make_loose(tmp_path / "old", {5: (50, 51)})
    import_folder(store, tmp_path / "old")
    backlog, frames = load_backlogs(store)[KEY]()
    plan = plan_scoring(KEY, backlog, frames, ())
    [row] = plan.rows.to_pylist()
    assert (plan.n_tasks, row["dropped_reason"]) == (0, "incomplete")
    assert "the boxes of 2 frames are not known" in row["dropped_error"]
    assert plan_scoring(KEY, backlog, frames, (), detector="bundled").n_tasks == 1


def test_a_report_is_plain_values(store: FolderStore, tmp_path: Path) -> None:
    make_loose(tmp_path / "old", {5: (50,)})
    assert json.loads(json.dumps(dataclasses.asdict(import_folder(store, tmp_path / "old"))))["n_imported"] == 1
