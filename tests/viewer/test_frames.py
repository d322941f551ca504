"""Frames over HTTP: the stored bytes, parts of them, pictures made of them, and what changes while the server runs."""

import asyncio
import hashlib
import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from triage_viewer.context import Context
from triage_viewer.frames import service
from triage_viewer.frames.directory import OrganizationDirectory
from triage_viewer.frames.library import FrameLibrary
from triage_viewer.frames.picture_cache import PictureCache, TooManyPicturesError
from triage_viewer.frames.pictures import WIDTHS, Crop, PictureOrder, make_picture

from tests.shards.shard_backlogs import KEY, make_sequence
from tests.viewer.conftest import serve
from tests.viewer.frames_store import BROKEN, PNG, SIZE, UNUSABLE, pack, picture, sequences
from triage_assets.errors import ImageError, NotStored
from triage_assets.folder_store import FolderStore
from triage_assets.review.database import open_review
from triage_assets.shards.catalog import catalog_path, index_path, load_catalog, tar_path
from triage_assets.shards.reindex import reindex_shards

FRAMES = "/api/v1/frames"
IF_THE_SAME = "private, no-cache"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "store")
    pack(store, sequences())
    return store


@pytest.fixture
def context(store: FolderStore, tmp_path: Path) -> Iterator[Context]:
    review = open_review(f"sqlite:///{tmp_path / 'review.sqlite'}")
    yield Context(store, review, actor="bob")
    review.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is looked at for every request, so that no test waits for a second to pass."""
    for module in ("directory", "library", "kept"):
        name = "_LIST_EVERY_SECONDS" if module == "library" else "_LOOK_EVERY_SECONDS"
        monkeypatch.setattr(f"triage_viewer.frames.{module}.{name}", 0.0)


def only_shard(store: FolderStore) -> str:
    catalog = load_catalog(store, KEY)
    assert catalog is not None
    return catalog.shards[-1].name


def damage(store: FolderStore, detection_id: int) -> None:
    """Turn one byte of a stored picture over."""
    file = store.root / tar_path(KEY, only_shard(store))
    data = bytearray(file.read_bytes())
    data[data.index(picture(detection_id)) + 250] ^= 0xFF
    file.write_bytes(data)


def test_every_stored_frame_is_served_byte_for_byte_with_its_own_type(client: httpx.Client) -> None:
    for one in sequences():
        for detection in one.detections:
            if detection.id == UNUSABLE:
                continue
            for path in (f"{FRAMES}/{detection.id}", f"{FRAMES}/{detection.id}?sequence_id={one.id}"):
                answer = client.get(path)
                assert answer.status_code == 200, answer.text
                assert answer.content == picture(detection.id)
                assert answer.headers["etag"] == f'"{hashlib.sha256(picture(detection.id)).hexdigest()}"'
                assert answer.headers["cache-control"] == IF_THE_SAME
                assert answer.headers["content-type"] == ("image/png" if detection.id == PNG else "image/jpeg")


def test_only_the_frames_own_bytes_are_read_from_a_shard(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[str, int]] = []
    read_range, read = FolderStore.read_range, FolderStore.read

    def ranged(store: FolderStore, path: str, offset: int, size: int) -> bytes:
        reads.append((path, size))
        return read_range(store, path, offset, size)

    def whole(store: FolderStore, path: str) -> bytes:
        assert not path.endswith(".tar")
        return read(store, path)

    monkeypatch.setattr(FolderStore, "read_range", ranged)
    monkeypatch.setattr(FolderStore, "read", whole)
    with serve(context) as client:
        assert client.get(f"{FRAMES}/100").status_code == 200
    assert [size for path, size in reads if path.endswith(".tar")] == [len(picture(100))]


def test_a_browser_that_has_a_frame_is_told_so_without_reading_it(
    context: Context, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {path: client.get(path).headers["etag"] for path in (f"{FRAMES}/100", f"{FRAMES}/100?width=160")}
    monkeypatch.setattr(FolderStore, "read_range", lambda *_: pytest.fail("nothing is to be read"))
    for path, tag in tags.items():
        for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = client.get(path, headers={"If-None-Match": given})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
            assert answer.headers["cache-control"] == IF_THE_SAME


def test_a_tag_of_something_else_gets_the_frame(client: httpx.Client) -> None:
    assert client.get(f"{FRAMES}/100", headers={"If-None-Match": '"other"'}).content == picture(100)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=5-5", 5, 5),
        ("bytes=10-", 10, None),
        ("bytes=-7", -7, None),
        ("bytes=3-999999", 3, None),
        ("bytes=-999999", 0, None),
    ],
)
def test_a_part_is_the_part_that_was_asked_for(client: httpx.Client, asked: str, first: int, last: int | None) -> None:
    whole = picture(100)
    first = first + len(whole) if first < 0 else first
    last = len(whole) - 1 if last is None else last
    answer = client.get(f"{FRAMES}/100", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, whole[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    assert answer.headers["etag"] == client.get(f"{FRAMES}/100").headers["etag"]


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=9-2", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused_with_the_size(client: httpx.Client, asked: str) -> None:
    answer = client.get(f"{FRAMES}/100", headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(picture(100))}")


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "pages=1-2", "bytes=-", "bytes=a-b", "bytes=" + "9" * 5000 + "-"])
def test_what_is_no_single_part_gets_the_whole(client: httpx.Client, asked: str) -> None:
    answer = client.get(f"{FRAMES}/100", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, picture(100))


def test_a_part_of_another_version_gets_the_whole(client: httpx.Client) -> None:
    tag = client.get(f"{FRAMES}/100").headers["etag"]
    for given, status in ((tag, 206), ('"other"', 200)):
        answer = client.get(f"{FRAMES}/100", headers={"Range": "bytes=0-9", "If-Range": given})
        assert answer.status_code == status


@pytest.mark.parametrize("query", ["", "?width=160", "?crop=0,0,0.5,0.5"])
def test_head_says_what_get_would(client: httpx.Client, query: str) -> None:
    got, head = client.get(f"{FRAMES}/100{query}"), client.head(f"{FRAMES}/100{query}")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "cache-control", "accept-ranges"):
        assert head.headers[name] == got.headers[name]


def test_pictures_have_the_asked_width_and_are_never_made_larger(client: httpx.Client) -> None:
    large = io.BytesIO()
    Image.new("RGB", (2000, 1000), (200, 80, 30)).save(large, "JPEG")
    for width in WIDTHS:
        small = Image.open(io.BytesIO(make_picture(large.getvalue(), PictureOrder(width))))
        assert small.size == (width, width // 2)
        answer = client.get(f"{FRAMES}/100?width={width}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == SIZE


def test_a_crop_shows_what_is_there_in_the_frame_at_any_decoding_size() -> None:
    """A quarter of each colour: the crop of one is of that colour, whether it is decoded in full or at an eighth."""
    pixels = np.zeros((1024, 2048, 3), np.uint8)
    pixels[:512, 1024:], pixels[512:, :1024], pixels[512:, 1024:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=95)
    for width in (None, *WIDTHS):
        crop = Image.open(io.BytesIO(make_picture(sink.getvalue(), PictureOrder(width, Crop(0.55, 0.55, 0.95, 0.95)))))
        assert crop.width == min(width or 10_000, round(0.4 * 2048))
        assert abs(crop.width / crop.height - 2) < 0.02
        found = np.asarray(crop).reshape(-1, 3)
        assert (found[:, 2] > 225).all()
        assert (found[:, :2] < 25).all()


def test_rotation_in_a_header_does_not_turn_a_picture_away_from_its_boxes() -> None:
    sink = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200)).save(sink, "JPEG", exif=exif)
    made = Image.open(io.BytesIO(make_picture(sink.getvalue(), PictureOrder(160))))
    assert (made.size, dict(made.getexif())) == ((160, 80), {})


def test_a_thin_crop_has_at_least_one_pixel() -> None:
    order = PictureOrder(160, Crop(0.5, 0.0, 0.5001, 0.0001))
    assert Image.open(io.BytesIO(make_picture(picture(100), order))).size == (1, 1)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    sink = io.BytesIO()
    Image.new("L", (6000, 6000)).save(sink, "PNG")
    with pytest.raises(ImageError, match="6000 x 6000"):
        make_picture(sink.getvalue(), PictureOrder(160))


def test_ten_equal_requests_at_once_make_one_picture(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    made, go = [], threading.Event()

    def slowly(data: bytes, order: PictureOrder) -> bytes:
        made.append(order)
        go.wait(10)
        return make_picture(data, order)

    monkeypatch.setattr(service, "make_picture", slowly)
    with serve(context) as client, ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(client.get, f"{FRAMES}/100?width=160") for _ in range(10)]
        while not made:
            time.sleep(0.01)
        # Meanwhile, frames as they are wait for nobody.
        assert client.get(f"{FRAMES}/101").status_code == 200
        go.set()
        assert {each.result().content for each in asked} == {make_picture(picture(100), PictureOrder(160))}
        assert client.get(f"{FRAMES}/100?width=160").status_code == 200
    assert len(made) == 1


def test_pictures_are_kept_up_to_a_number_of_bytes_the_oldest_going_first() -> None:
    cache = PictureCache(most_bytes=100)
    for name in "abc":
        assert cache.get(name, lambda: bytes(40)).result(5) == bytes(40)
    assert cache.nbytes == 80
    assert cache.get("c", lambda: b"anew").result(5) == bytes(40)
    assert cache.get("a", lambda: b"anew").result(5) == b"anew"
    assert cache.get("large", lambda: bytes(101)).result(5) == bytes(101)
    assert cache.nbytes <= 100


def test_a_failure_is_told_to_all_who_wait_and_kept_for_nobody() -> None:
    cache = PictureCache()

    def fail() -> bytes:
        raise ImageError("no image")

    with pytest.raises(ImageError):
        cache.get("a", fail).result(5)
    assert cache.get("a", lambda: b"now").result(5) == b"now"


def test_more_waiting_pictures_than_the_limit_are_refused_with_a_time_to_come_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    cache = PictureCache(most_waiting=1, workers=1)
    monkeypatch.setattr(service, "PictureCache", lambda: cache)
    waiting = cache.get("slow", lambda: go.wait(10) and b"done")
    with pytest.raises(TooManyPicturesError):
        cache.get("other", lambda: b"")
    with serve(context) as client:
        answer = client.get(f"{FRAMES}/100?width=160")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "Try again" in answer.json()["detail"]
        go.set()
        waiting.result(5)
        assert client.get(f"{FRAMES}/100?width=160").status_code == 200


def test_who_leaves_does_not_stop_the_picture_that_others_wait_for() -> None:
    go = threading.Event()
    cache = PictureCache()
    making = cache.get("a", lambda: go.wait(10) and b"done")

    async def leave() -> None:
        asked = asyncio.ensure_future(asyncio.shield(asyncio.wrap_future(making)))
        await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        go.set()

    asyncio.run(leave())
    assert making.result(5) == b"done"


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        # What was never stored, and what was found to be no picture.
        ("/999", 404, "No shard holds frame 999. Run `triage pull`"),
        ("/100?sequence_id=2", 404, "Sequence 2 has no stored frame 100"),
        ("/100?sequence_id=99", 404, "No shard holds sequence 99"),
        (f"/{UNUSABLE}", 404, "HTTP 404"),
        (f"/{UNUSABLE}?width=160", 404, "HTTP 404"),
        (f"/{BROKEN}?width=160", 422, "cut short or damaged"),
        (f"/{BROKEN}?crop=0,0,1,1", 422, "cut short or damaged"),
        # Numbers that no annotator gives.
        ("/0", 422, "greater than or equal to 1"),
        ("/-1", 422, "greater than or equal to 1"),
        (f"/{2**63}", 422, "less than or equal to"),
        ("/" + "9" * 400, 422, "less than or equal to"),
        ("/1e2", 422, "valid integer"),
        ("/x", 422, "valid integer"),
        (f"/100?sequence_id={2**63}", 422, "sequence_id"),
        # Addresses that would lead elsewhere.
        ("/..%2f..%2fetc%2fpasswd", 404, "There is nothing under this path"),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, "There is nothing under this path"),
        ("/100%00", 422, "valid integer"),
        ("/100%2f..", 404, "There is nothing under this path"),
        ("/..%5c..%5cstore.json", 422, "valid integer"),
        # Sizes and parts that are not made.
        ("/100?width=161", 422, "width: expected one of 160, 320, 640, 1280"),
        ("/100?width=0", 422, "width: expected one of"),
        ("/100?width=big", 422, "width: input should be a valid integer"),
        ("/100?crop=0,0,1", 422, "crop: expected four numbers from 0 to 1"),
        ("/100?crop=0,0,1,1,1", 422, "crop: expected four numbers"),
        ("/100?crop=0,0,nan,1", 422, "crop: expected four numbers"),
        ("/100?crop=0,0,inf,1", 422, "crop: expected four numbers"),
        ("/100?crop=-0.1,0,1,1", 422, "crop: expected four numbers"),
        ("/100?crop=0.5,0,0.5,1", 422, "crop: expected x1 < x2"),
        ("/100?crop=0.5,0,0.50001,1", 422, "crop: expected x1 < x2"),
        ("/100?crop=0.6,0,0.5,1", 422, "crop: expected x1 < x2"),
        ("/100?crop=", 422, "crop: expected four numbers"),
        ("/100?crop=" + "1" * 200, 422, "at most 120 characters"),
        ("/100?with=160", 422, "with: extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_had_is_said_in_a_sentence(
    context: Context, client: httpx.Client, path: str, status: int, message: str
) -> None:
    answer = client.get(f"{FRAMES}{path}")
    assert answer.status_code == status, answer.text
    assert message in answer.json()["detail"]
    assert context.store.location not in answer.text


def test_a_frame_that_cannot_be_decoded_is_still_shown_as_it_is(client: httpx.Client) -> None:
    answer = client.get(f"{FRAMES}/{BROKEN}")
    assert (answer.status_code, answer.content) == (200, picture(BROKEN))


def test_a_frame_whose_bytes_have_changed_is_shown_as_it_is_and_kept_by_nobody(
    store: FolderStore, client: httpx.Client
) -> None:
    damage(store, 100)
    answer = client.get(f"{FRAMES}/100")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in answer.headers
    assert answer.content != picture(100)
    answer = client.get(f"{FRAMES}/100?width=160")
    assert answer.status_code == 422
    assert "`triage shards verify`" in answer.json()["detail"]


def test_bytes_that_are_no_picture_are_never_called_one(context: Context) -> None:
    pages = make_sequence(9, [900])
    picture_of = picture
    page = b"<html><script>alert(1)</script></html>"
    from tests.viewer import frames_store

    frames_store.picture = lambda which: page if which == 900 else picture_of(which)
    try:
        pack(FolderStore(Path(context.store.location)), [pages])
    finally:
        frames_store.picture = picture_of
    with serve(context) as client:
        answer = client.get(f"{FRAMES}/900")
        assert (answer.status_code, answer.content) == (200, page)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "nosniff" in answer.headers["x-content-type-options"]
        assert client.get(f"{FRAMES}/900?width=160").status_code == 422


@pytest.mark.usefixtures("at_once")
def test_new_frames_show_without_a_restart(store: FolderStore, client: httpx.Client) -> None:
    assert client.get(f"{FRAMES}/500").status_code == 404
    pack(store, [make_sequence(5, [500, 501])])
    assert client.get(f"{FRAMES}/500").content == picture(500)
    pack(store, [make_sequence(6, [600])], key="other-4")
    assert client.get(f"{FRAMES}/600?sequence_id=6").content == picture(600)


@pytest.mark.usefixtures("at_once")
def test_a_sequence_that_was_packed_again_is_served_from_its_newest_shard(
    store: FolderStore, client: httpx.Client
) -> None:
    assert client.get(f"{FRAMES}/100").status_code == 200
    grown = make_sequence(1, [*range(100, 108), 150])
    pack(store, [grown])
    old = load_catalog(store, KEY).shards[0]
    store.delete(tar_path(KEY, old.name))
    assert [client.get(f"{FRAMES}/{each}").content for each in (100, 150)] == [picture(100), picture(150)]
    assert client.get(f"{FRAMES}/200").status_code == 410


def test_a_store_whose_shards_were_merged_is_looked_at_again_at_once(store: FolderStore, tmp_path: Path) -> None:
    """The catalog was believed a moment ago: the missing shard alone says that it is another by now."""
    library = FrameLibrary(store, lambda _: None)
    frame = library.frame(100, 1)
    other = FolderStore(tmp_path / "other")
    pack(other, [make_sequence(7, [700]), *sequences()])
    for file in (store.root / "shards").rglob("*.*"):
        file.unlink()
    for path in [found.path for found in other.list("shards")]:
        store.write(path, other.read(path))
    assert library.read(frame).data == picture(100)
    assert library.frame(700).detection_id == 700


def test_a_shard_that_disappeared_says_how_to_get_its_frames_back(store: FolderStore, client: httpx.Client) -> None:
    store.delete(tar_path(KEY, only_shard(store)))
    for query in ("", "?width=160"):
        answer = client.get(f"{FRAMES}/100{query}")
        assert answer.status_code == 410
        assert "triage shards reindex --drop-damaged" in answer.json()["detail"]
        assert store.location not in answer.text


def test_a_shard_that_is_cut_short_says_what_to_do(store: FolderStore, client: httpx.Client) -> None:
    file = store.root / tar_path(KEY, only_shard(store))
    file.write_bytes(file.read_bytes()[:600])
    answer = client.get(f"{FRAMES}/400")
    assert answer.status_code == 503
    assert "triage shards verify" in answer.json()["detail"]


BREAKAGES = {
    "no index": lambda store: store.delete(index_path(KEY, only_shard(store))),
    "an index that is no table": lambda store: store.write(index_path(KEY, only_shard(store)), b"PAR1"),
    "no catalog": lambda store: store.delete(catalog_path(KEY)),
    "half a catalog": lambda store: store.write(catalog_path(KEY), store.read(catalog_path(KEY))[:40]),
    "a catalog of a newer version": lambda store: store.write(
        catalog_path(KEY), store.read(catalog_path(KEY)).replace(b'"format_version": 1', b'"format_version": 9')
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_half_written_organization_is_said_and_leaves_the_others_alone(
    store: FolderStore, context: Context, name: str
) -> None:
    pack(store, [make_sequence(6, [600])], key="other-4")
    BREAKAGES[name](store)
    with serve(context) as client:
        assert client.get(f"{FRAMES}/600").status_code == 200
        assert client.get(f"{FRAMES}/600?sequence_id=6").status_code == 200
        for query in ("", "?sequence_id=1"):
            answer = client.get(f"{FRAMES}/100{query}")
            assert answer.status_code == 503
            assert "Update triage-assets" in answer.text if "newer" in name else "triage shards" in answer.text
            assert store.location not in answer.text


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", ["half a catalog", "no catalog"])
def test_a_catalog_that_is_damaged_meanwhile_is_gone_on_without_and_mended_without_a_restart(
    store: FolderStore, client: httpx.Client, name: str
) -> None:
    assert client.get(f"{FRAMES}/100").status_code == 200
    BREAKAGES[name](store)
    assert client.get(f"{FRAMES}/100").status_code == 200
    reindex_shards(store)
    pack(store, [make_sequence(5, [500])])
    assert client.get(f"{FRAMES}/500").status_code == 200


@pytest.mark.usefixtures("at_once")
def test_an_index_that_is_mended_is_found_without_a_restart(store: FolderStore, context: Context) -> None:
    path = index_path(KEY, only_shard(store))
    index = store.read(path)
    store.delete(path)
    with serve(context) as client:
        assert client.get(f"{FRAMES}/100").status_code == 503
        store.write(path, index)
        assert client.get(f"{FRAMES}/100").status_code == 200


def test_an_empty_store_has_no_frames_and_says_how_to_get_some(tmp_path: Path, context: Context) -> None:
    empty = Context(FolderStore(tmp_path / "nothing"), context.review, "bob")
    with serve(empty) as client:
        for path in (f"{FRAMES}/1", f"{FRAMES}/1?sequence_id=1", "/api/v1/sequences/1"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert "triage pull" in answer.json()["detail"]
    assert not (tmp_path / "nothing").exists()


def test_a_frame_of_two_sequences_is_found_in_either(store: FolderStore, client: httpx.Client) -> None:
    pack(store, [make_sequence(8, [100, 801])])
    for query in ("", "?sequence_id=1", "?sequence_id=8"):
        assert client.get(f"{FRAMES}/100{query}").content == picture(100)


def test_only_the_organization_of_the_asked_sequence_is_read_where_it_is_known(store: FolderStore) -> None:
    pack(store, [make_sequence(6, [600])], key="another-4")
    library = FrameLibrary(store, lambda sequence_id: KEY if sequence_id == 1 else None)
    library.frame(100, 1)
    assert set(library._directories) == {KEY}


def test_what_is_unchanged_is_not_read_again(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = OrganizationDirectory(store, KEY)
    directory.refresh()
    monkeypatch.setattr("triage_viewer.frames.directory.load_index", lambda *_: pytest.fail("read again"))
    directory.refresh(at_once=True)
    assert directory.shard_of(1) is not None


def test_indexes_are_kept_up_to_a_number_of_bytes(store: FolderStore) -> None:
    many = [make_sequence(which, range(which * 100, which * 100 + 3)) for which in range(20, 40)]
    pack(store, many, seal_bytes=15_000)
    assert len(load_catalog(store, KEY).shards) > 5
    library = FrameLibrary(store, lambda _: None, index_bytes=1000)
    for one in many:
        assert len(library.sequence(one.id).frames) == 3
    largest = max(index.nbytes for index in library._indexes._kept.values())
    assert library._indexes.nbytes <= 1000 + largest


def test_many_threads_find_the_same_frames_while_shards_are_added(store: FolderStore) -> None:
    library = FrameLibrary(store, lambda _: None, index_bytes=1000)
    ids = [(one.id, each.id) for one in sequences() for each in one.detections if each.id != UNUSABLE]

    def ask(start: int) -> int:
        for turn in range(40):
            sequence_id, detection_id = ids[(start + turn) % len(ids)]
            frame = library.frame(detection_id, sequence_id if turn % 2 else None)
            assert library.read(frame).data == picture(detection_id)
        return 1

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, start) for start in range(6)]
        for which in range(50, 55):
            pack(store, [make_sequence(which, [which * 100])])
        assert sum(each.result() for each in asked) == 6
    with pytest.raises(NotStored):
        library.sequence(99)
