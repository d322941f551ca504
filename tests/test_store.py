"""What every store promises, on a folder and in a bucket: atomic writing, and sweeping beside living and dead writers.

What only one of them can run into is in `test_folder_store` and `test_bucket_store`.
"""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.stores import Place, other_process
from triage_assets.errors import NewerFormat, ObjectExists, SettingsError, StoreError, StoreMismatch
from triage_assets.store import Store, annotator_host, open_store


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


def nothing_live() -> tuple[str, ...]:
    return ()


# Reading and writing


def test_what_is_written_is_read_back(place: Place, store: Store) -> None:
    assert store.read_or_none("a/b.bin") is None
    store.write("a/b.bin", b"first")
    store.write("a/b.bin", b"0123456789")
    assert store.read("a/b.bin") == b"0123456789"
    assert store.read_range("a/b.bin", 3, 4) == b"3456"
    assert store.size("a/b.bin") == 10
    assert place.objects() == ["a/b.bin"]


def test_a_new_object_takes_any_number_of_buffers(store: Store) -> None:
    buffers = [b"", *(bytes([value % 256]) * (value % 7) for value in range(3000)), memoryview(b"end"), b""]
    with store.new_object("x") as new:
        new.write(buffers)
        new.write([])
        new.write([b"more"])
        assert store.size("x") is None
        new.commit()
    assert store.read("x") == b"".join(buffers) + b"more"


def test_an_object_that_is_not_committed_leaves_no_trace(place: Place, store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.new_object("folder/x") as new:
        new.write([b"half"])
        raise KeyboardInterrupt
    assert place.objects() == place.unfinished() == []
    new.close()  # closing again is harmless


def test_two_writers_of_one_new_object_cannot_both_win(place: Place, store: Store) -> None:
    with store.new_object("x") as one, store.new_object("x") as other:
        one.write([b"one"])
        other.write([b"other"])
        one.commit()
        with pytest.raises(ObjectExists, match="exists already"):
            other.commit()
    assert store.read("x") == b"one"
    assert place.objects() == ["x"]
    assert place.unfinished() == []


def test_listing_gives_objects_in_order_and_nothing_else(store: Store) -> None:
    for path in ("b/2", "b/1/x", "a", "b-c", "b/.hidden"):
        store.write(path, b"123")
    store.update("b/2", lambda present: present or b"")
    with store.new_object("b/unfinished") as new:
        new.write([b"x"])
        assert [(stored.path, stored.size_bytes) for stored in store.list("b")] == [
            ("b/.hidden", 3),
            ("b/1/x", 3),
            ("b/2", 3),
        ]
        assert [stored.path for stored in store.list("")] == ["a", "b-c", "b/.hidden", "b/1/x", "b/2"]
    assert list(store.list("nowhere")) == []


def test_a_listing_says_when_each_object_was_written(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # a clock of the file system may be coarse
    store.write("a", b"1")
    (found,) = store.list("")
    assert found.changed_at is not None
    assert before <= found.changed_at <= datetime.now(UTC) + timedelta(seconds=2)


def test_what_is_looked_up_is_what_a_listing_has(store: Store) -> None:
    store.write("folder/x", b"123")
    store.write("folder/empty", b"")
    assert [store.find(found.path) for found in store.list("")] == list(store.list(""))
    assert store.find("folder/y") is None


def test_another_version_of_the_same_size_is_told_from_the_one_before(store: Store) -> None:
    """In a bucket, where times are in seconds, by its tag."""
    seen = set()
    for content in (b"1", b"2", b"3"):
        store.write("x", content)
        seen.add(store.find("x"))
        time.sleep(0.02)  # a clock of the file system may be coarse
    assert len(seen) == 3


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    store.write("x", b"1")
    store.delete("x")
    store.delete("x")
    assert store.size("x") is None


def test_a_folder_is_no_object(store: Store) -> None:
    store.write("folder/x", b"1")
    assert store.size("folder") is None
    assert store.size("folder/x/below") is None
    with pytest.raises(StoreError, match=r"Cannot read folder|has no folder"):
        store.read("folder")


@pytest.mark.parametrize("path", ["", ".", "..", "/etc/passwd", "../x", "a/../../x", "a/..", "a\0b"])
def test_a_path_that_leaves_the_store_is_refused_by_every_method(store: Store, path: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: store.read(path),
        lambda: store.read_range(path, 0, 1),
        lambda: store.size(path),
        lambda: store.find(path),
        lambda: store.write(path, b""),
        lambda: store.update(path, lambda present: b""),
        lambda: store.new_object(path),
        lambda: store.delete(path),
        lambda: store.sweep(path, nothing_live),
    ]
    for act in acts:
        with pytest.raises(StoreError, match="leave the store"):
            act()
    if path:  # the empty path is the whole store
        with pytest.raises(StoreError, match="leave the store"):
            list(store.list(path))


@pytest.mark.parametrize(("offset", "size"), [(0, 11), (9, 2), (10, 1), (50, 5)])
def test_a_range_beyond_the_end_is_an_error_and_not_a_short_answer(store: Store, offset: int, size: int) -> None:
    store.write("x", b"0123456789")
    with pytest.raises(StoreError, match="ends too early"):
        store.read_range("x", offset, size)


def test_a_missing_object_is_named(store: Store) -> None:
    for act in (lambda: store.read("a/b"), lambda: store.read_range("a/b", 0, 1)):
        with pytest.raises(StoreError, match=r"has no a/b\. Run `triage run`"):
            act()


# Several processes


def test_no_update_is_lost_between_processes(place: Place, store: Store) -> None:
    program = """
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(20):
            store.update("counter", lambda present: b"%d" % (int(present or 0) + 1))
    """
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(other_process(program, place.location)) for _ in range(3)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert store.read("counter") == b"60"


def test_a_reader_sees_the_old_or_the_new_bytes_and_nothing_between(store: Store) -> None:
    contents = [bytes([value]) * 200_000 for value in (1, 2)]
    store.write("x", contents[0])
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for content in contents:
                store.write("x", content)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        assert all(store.read("x") in contents for _ in range(200))
    finally:
        stop.set()
        writer.join()


def test_an_update_whose_change_fails_changes_nothing(store: Store) -> None:
    store.write("x", b"old")
    with pytest.raises(ZeroDivisionError):
        store.update("x", lambda present: b"%d" % (1 // 0))
    assert store.read("x") == b"old"
    store.update("x", lambda present: b"new")  # the lock was given back
    assert store.read("x") == b"new"


# The server's parts are of 8 MiB, so that one is under way.
WRITER = """
    new = store.new_object("folder/object")
    new.write([b"content" * 2_000_000])
    if sys.argv[2] == "committed":
        new.commit()
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("state", ["writing", "committed"])
def test_a_sweep_spares_what_a_living_writer_holds_and_removes_it_once_it_is_dead(
    place: Place, store: Store, state: str
) -> None:
    with other_process(WRITER, place.location, state) as process:
        assert process.stdout.readline() == "ready\n"
        assert len(place.objects() + place.unfinished()) == 1
        assert store.sweep("folder", nothing_live) == ()
        assert len(place.objects() + place.unfinished()) == 1
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        place.bury_writers()
        (removed,) = store.sweep("folder", nothing_live)
    assert removed.startswith(("folder/object", "folder/.object."))
    assert place.objects() == place.unfinished() == []


def test_unfinished_writes_are_swept_alone(place: Place, store: Store) -> None:
    store.write("folder/known-to-nobody", b"1")
    with other_process(WRITER, place.location, "writing") as process:
        assert process.stdout.readline() == "ready\n"
        assert store.sweep_unfinished("folder") == ()
    place.bury_writers()
    assert len(store.sweep_unfinished("folder")) == 1
    assert place.objects() == ["folder/known-to-nobody"]
    assert place.unfinished() == []


def test_a_sweep_spares_live_objects_and_what_lies_deeper(place: Place, store: Store) -> None:
    for path in ("folder/live", "folder/dead", "folder/deeper/x", "folder-b/x"):
        store.write(path, b"1")
    store.update("folder/live", lambda present: b"2")
    place.bury_writers()
    assert store.sweep("folder", lambda: {"folder/live"}) == ("folder/dead",)
    assert place.objects() == ["folder-b/x", "folder/deeper/x", "folder/live"]
    assert store.sweep("nowhere", nothing_live) == ()


def test_a_sweep_asks_again_what_is_live_once_an_object_has_no_writer(place: Place, store: Store) -> None:
    """A writer that makes its object known and ends while a sweep is under way does not lose it."""
    new = store.new_object("folder/object")
    new.commit()
    place.bury_writers()
    asked = 0

    def read_live() -> tuple[str, ...]:
        nonlocal asked
        asked += 1
        if asked == 1:  # what was live when the sweep began; the writer finishes just after
            new.close()
            return ()
        return ("folder/object",)

    assert store.sweep("folder", read_live) == ()
    assert store.size("folder/object") == 0


def test_writers_and_sweepers_at_once_never_harm_each_other(place: Place, store: Store) -> None:
    program = """
        import json
        for number in range(30):
            path = f"folder/{sys.argv[2]}-{number}"
            with store.new_object(path) as new:
                new.write([b"content"])
                new.commit()
                store.update("catalog", lambda now: json.dumps(sorted([*json.loads(now or b"[]"), path])).encode())
        print("done", flush=True)
    """

    def read_live() -> set[str]:
        return set(json.loads(store.read_or_none("catalog") or b"[]"))

    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(other_process(program, place.location, name)) for name in "ab"]
        while any(process.poll() is None for process in processes):
            store.sweep("folder", read_live)
        assert [process.stdout.read() for process in processes] == ["done\n", "done\n"]
    assert set(place.objects()) == read_live() | {"catalog"}
    assert len(read_live()) == 60


# Whose store it is


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://annotationapi.example.org", "annotationapi.example.org"),
        ("https://AnnotationAPI.example.org:8443/api/v1/", "annotationapi.example.org"),
        ("annotationapi.example.org", "annotationapi.example.org"),  # without a scheme
        ("http://localhost:5050", "loopback"),
        ("http://127.0.0.1:40123", "loopback"),
        ("http://127.8.9.10", "loopback"),
        ("http://[::1]:80", "loopback"),
    ],
)
def test_a_host_identifies_an_annotator(url: str, host: str) -> None:
    assert annotator_host(url) == host


@pytest.mark.parametrize("url", ["", "http://", "https:///api/v1", "http://[::1"])
def test_an_address_without_a_host_is_refused(place: Place, store: Store, url: str) -> None:
    with pytest.raises(SettingsError, match="ANNOTATOR_API_URL"):
        store.stamp(url)
    assert place.objects() == []


def test_a_store_belongs_to_the_annotator_that_filled_it(place: Place, store: Store) -> None:
    assert store.annotator() is None
    store.stamp("https://one.example.org")
    stamped = place.objects()
    store.stamp("https://one.example.org:443/api/v1")
    assert place.objects() == stamped
    with pytest.raises(
        StoreMismatch,
        match=r"found one\.example\.org; expected two\.example\.org\. Name another folder in TRIAGE_STORE",
    ):
        store.stamp("https://two.example.org")
    assert store.annotator() == "one.example.org"


def test_a_store_of_a_newer_format_is_refused(store: Store) -> None:
    store.write("store.json", b'{"format_version": 2, "annotator": "one.example.org"}')
    with pytest.raises(NewerFormat, match=r"format version 2; expected at most 1\. Update triage-assets"):
        store.stamp("https://one.example.org")


@pytest.mark.parametrize(
    "content",
    [
        b"",  # cut to nothing
        b"{",  # cut short
        b"[1]",  # another kind of JSON
        b'{"format_version": 1}',  # no annotator
        b'{"annotator": "one.example.org"}',  # no version
        b'{"format_version": "1", "annotator": "one.example.org"}',
    ],
)
def test_a_stamp_that_cannot_be_read_is_an_error_and_is_kept(store: Store, content: bytes) -> None:
    store.write("store.json", content)
    with pytest.raises(StoreError, match=r"store\.json"):
        store.stamp("https://one.example.org")
    assert store.read("store.json") == content


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("gs://bucket/prefix", "of a kind that is not known"),  # another vendor's
        # Which else would be folders of these names, and publishing to them a success.
        ("s3:/bucket/prefix", "of a kind that is not known; found s3:/bucket/prefix; expected a folder or s3://"),
        ("S3:bucket", "of a kind that is not known"),
        ("s3://", "no place in a bucket"),
        ("s3:///prefix", "no place in a bucket"),
        ("s3://bucket/a/../b", "no place in a bucket"),
        ("s3://bucket/a//b", "no place in a bucket"),  # an empty folder, which no listing of the rest would show
    ],
)
def test_a_place_that_cannot_be_is_refused(location: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{text}.*Correct the address"):
        open_store(location)
