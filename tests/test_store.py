"""The folder store: atomic writing, sweeping beside living and dead writers, and every way in which a disk says no."""

import contextlib
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from triage_assets.errors import NewerFormat, SettingsError, StoreError, StoreMismatch, StoreUnwritable
from triage_assets.folder_store import FolderStore
from triage_assets.store import annotator_host, open_store

ROOT = Path(__file__).parents[1]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@contextlib.contextmanager
def other_process(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another Python that has got as far as printing a line; killed at the end."""
    source = "from pathlib import Path\nimport sys\nfrom triage_assets.folder_store import FolderStore\n"
    source += "store = FolderStore(Path(sys.argv[1]))\n" + textwrap.dedent(program)
    process = subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def files(store: FolderStore) -> list[str]:
    return sorted(file.relative_to(store.root).as_posix() for file in store.root.rglob("*") if file.is_file())


def nothing_live() -> tuple[str, ...]:
    return ()


# Reading and writing


def test_what_is_written_is_read_back(store: FolderStore) -> None:
    assert store.read_or_none("a/b.bin") is None
    store.write("a/b.bin", b"first")
    store.write("a/b.bin", b"0123456789")
    assert store.read("a/b.bin") == b"0123456789"
    assert store.read_range("a/b.bin", 3, 4) == b"3456"
    assert store.size("a/b.bin") == 10
    assert files(store) == ["a/b.bin"]


def test_a_new_object_takes_any_number_of_buffers(store: FolderStore) -> None:
    buffers = [b"", *(bytes([value % 256]) * (value % 7) for value in range(3000)), memoryview(b"end"), b""]
    with store.new_object("x") as new:
        new.write(buffers)
        new.write([])
        new.write([b"more"])
        assert store.size("x") is None
        new.commit()
    assert store.read("x") == b"".join(buffers) + b"more"


def test_a_system_that_writes_less_than_asked_is_asked_again(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writev = os.writev

    def write_some(descriptor: int, buffers: list[bytes | memoryview]) -> int:
        first = [buffer for buffer in buffers if len(buffer)][:3]
        return writev(descriptor, [*first[:-1], first[-1][:5]]) if first else 0

    monkeypatch.setattr(os, "writev", write_some)
    buffers = [b"", b"0123456789", b"", *(bytes([value]) * (value % 9) for value in range(200)), b"end", b""]
    with store.new_object("x") as new:
        new.write(buffers)
        new.write([b"", b""])
        new.commit()
    assert store.read("x") == b"".join(buffers)


def test_every_new_folder_is_made_durable_once_and_before_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    store = FolderStore(tmp_path / "new" / "store")
    for path in ("a/b/x", "a/b/y", "a/c/x"):
        with store.new_object(path) as new:
            new.commit()
    found = [path.relative_to(tmp_path).as_posix() for path in synced if path.is_dir()]
    first = [".", "new", "new/store", "new/store/a", "new/store/a/b"]
    assert found == [*first, "new/store/a/b", "new/store/a", "new/store/a/c"]


def test_an_object_that_is_not_committed_leaves_no_trace(store: FolderStore) -> None:
    with pytest.raises(KeyboardInterrupt), store.new_object("folder/x") as new:
        new.write([b"half"])
        raise KeyboardInterrupt
    assert files(store) == []
    new.close()  # closing again is harmless


def test_two_writers_of_one_new_object_cannot_both_win(store: FolderStore) -> None:
    with store.new_object("x") as one, store.new_object("x") as other:
        one.write([b"one"])
        other.write([b"other"])
        one.commit()
        with pytest.raises(StoreError, match="exists already"):
            other.commit()
    assert store.read("x") == b"one"
    assert files(store) == ["x"]


def test_listing_gives_objects_in_order_and_nothing_else(store: FolderStore) -> None:
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


def test_a_listing_says_when_each_object_was_written(store: FolderStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # a clock of the file system may be coarse
    store.write("a", b"1")
    (found,) = store.list("")
    assert found.changed_at is not None
    assert before <= found.changed_at <= datetime.now(UTC) + timedelta(seconds=2)


def test_deleting_what_is_not_there_is_no_error(store: FolderStore) -> None:
    store.write("x", b"1")
    store.delete("x")
    store.delete("x")
    assert store.size("x") is None


def test_a_folder_is_no_object(store: FolderStore) -> None:
    store.write("folder/x", b"1")
    assert store.size("folder") is None
    assert store.size("folder/x/below") is None
    with pytest.raises(StoreError, match="Cannot read folder"):
        store.read("folder")


@pytest.mark.parametrize("path", ["", ".", "..", "/etc/passwd", "../x", "a/../../x", "a/..", "a\0b"])
def test_a_path_that_leaves_the_store_is_refused_by_every_method(store: FolderStore, path: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: store.read(path),
        lambda: store.read_range(path, 0, 1),
        lambda: store.size(path),
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
def test_a_range_beyond_the_end_is_an_error_and_not_a_short_answer(store: FolderStore, offset: int, size: int) -> None:
    store.write("x", b"0123456789")
    with pytest.raises(StoreError, match="ends too early"):
        store.read_range("x", offset, size)


def test_a_missing_object_is_named(store: FolderStore) -> None:
    for act in (lambda: store.read("a/b"), lambda: store.read_range("a/b", 0, 1)):
        with pytest.raises(StoreError, match=r"has no a/b\. Run `triage run`"):
            act()


# Several processes


def test_no_update_is_lost_between_processes(store: FolderStore) -> None:
    program = """
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(40):
            store.update("counter", lambda present: b"%d" % (int(present or 0) + 1))
    """
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(other_process(program, store.root)) for _ in range(3)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert store.read("counter") == b"120"


def test_a_reader_sees_the_old_or_the_new_bytes_and_nothing_between(store: FolderStore) -> None:
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


def test_an_update_whose_change_fails_changes_nothing(store: FolderStore) -> None:
    store.write("x", b"old")
    with pytest.raises(ZeroDivisionError):
        store.update("x", lambda present: b"%d" % (1 // 0))
    assert store.read("x") == b"old"
    store.update("x", lambda present: b"new")  # the lock was given back
    assert store.read("x") == b"new"


WRITER = """
    new = store.new_object("folder/object")
    new.write([b"content"])
    if sys.argv[2] == "committed":
        new.commit()
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("state", ["writing", "committed"])
def test_a_sweep_spares_what_a_living_writer_holds_and_removes_it_once_it_is_dead(
    store: FolderStore, state: str
) -> None:
    with other_process(WRITER, store.root, state) as process:
        assert process.stdout.readline() == "ready\n"
        held = files(store)
        assert len(held) == 1
        assert store.sweep("folder", nothing_live) == ()
        assert files(store) == held
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert store.sweep("folder", nothing_live) == tuple(held)
    assert files(store) == []


def test_a_sweep_spares_live_objects_locks_folders_and_what_lies_deeper(store: FolderStore) -> None:
    for path in ("folder/live", "folder/dead", "folder/deeper/x"):
        store.write(path, b"1")
    store.update("folder/live", lambda present: b"2")
    assert store.sweep("folder", lambda: {"folder/live"}) == ("folder/dead",)
    assert files(store) == ["folder/.live.lock", "folder/deeper/x", "folder/live"]
    assert store.sweep("nowhere", nothing_live) == ()


def test_a_sweep_asks_again_what_is_live_once_an_object_has_no_writer(store: FolderStore) -> None:
    """A writer that makes its object known and ends while a sweep is under way does not lose it."""
    new = store.new_object("folder/object")
    new.commit()
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


def test_a_file_swept_before_its_writer_could_lock_it_is_made_again(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, swept = fcntl.flock, []

    def sweep_then_lock(descriptor: int, operation: int) -> None:
        if not swept:
            monkeypatch.setattr(fcntl, "flock", lock)
            swept.extend(store.sweep("folder", nothing_live))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_then_lock)
    store.write("folder/x", b"content")
    assert len(swept) == 1
    assert store.read("folder/x") == b"content"


def test_writers_and_sweepers_at_once_never_harm_each_other(store: FolderStore) -> None:
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
        processes = [stack.enter_context(other_process(program, store.root, name)) for name in "ab"]
        while any(process.poll() is None for process in processes):
            store.sweep("folder", read_live)
        assert [process.stdout.read() for process in processes] == ["done\n", "done\n"]
    assert set(files(store)) == read_live() | {"catalog", ".catalog.lock"}
    assert len(read_live()) == 60


# Disks that say no


def test_a_full_disk_is_an_error_that_leaves_the_old_bytes_and_no_temporary(small_disk: Path) -> None:
    store = FolderStore(small_disk / "store")
    store.write("x", b"old" * 1000)
    for act in (
        lambda: store.write("x", bytes(2**21)),
        lambda: store.update("x", lambda present: bytes(2**21)),
        lambda: store.write("folder/y", bytes(2**21)),
    ):
        with pytest.raises(StoreUnwritable, match=r"No space left.*Free space or name another folder in TRIAGE_STORE"):
            act()
    with pytest.raises(StoreUnwritable), store.new_object("z") as new:
        for _ in range(100):
            new.write([bytes(20_000)])
    assert store.read("x") == b"old" * 1000
    assert [name for name in files(store) if not name.endswith(".lock")] == ["x"]


def test_a_read_only_disk_is_an_error(small_disk: Path) -> None:
    store = FolderStore(small_disk / "store")
    store.write("x", b"old")
    store.write("folder/dead", b"old")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    acts: list[Callable[[], object]] = [
        lambda: store.write("x", b"new"),
        lambda: store.write("new-folder/x", b"new"),
        lambda: store.update("y", lambda present: b"new"),
        lambda: store.new_object("y"),
        lambda: store.delete("x"),
        lambda: store.sweep("folder", nothing_live),
    ]
    for act in acts:
        with pytest.raises(StoreUnwritable, match="Read-only"):
            act()
    assert store.read("x") == b"old"


# A file system without hard links


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP])
def no_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("no_links")
def test_an_object_is_committed_without_hard_links(store: FolderStore) -> None:
    with store.new_object("folder/x") as new:
        new.write([b"content"])
        assert store.size("folder/x") is None
        new.commit()
        assert store.sweep("folder", nothing_live) == ()  # its writer is still there
    assert store.read("folder/x") == b"content"
    assert files(store) == ["folder/x"]


@pytest.mark.usefixtures("no_links")
def test_two_writers_of_one_new_object_cannot_both_win_without_hard_links(store: FolderStore) -> None:
    with store.new_object("x") as one, store.new_object("x") as other:
        one.write([b"one"])
        other.write([b"other"])
        one.commit()
        with pytest.raises(StoreError, match="exists already"):
            other.commit()
    assert store.read("x") == b"one"
    assert files(store) == ["x"]


@pytest.mark.usefixtures("no_links")
def test_a_name_is_taken_without_hard_links_whatever_others_do_meanwhile(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reservation and the rename, neither a sweep nor another writer gets the name."""
    rename = Path.rename

    def meanwhile(temporary: Path, final: Path) -> Path:
        assert store.sweep("folder", nothing_live) == ()
        with pytest.raises(StoreError, match="exists already"), store.new_object("folder/x") as other:
            other.commit()
        return rename(temporary, final)

    with store.new_object("folder/x") as new:
        new.write([b"content"])
        monkeypatch.setattr(Path, "rename", meanwhile)
        new.commit()
    assert store.read("folder/x") == b"content"


def test_a_sweep_spares_a_file_that_took_the_name_of_the_one_it_looked_at(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("folder/x", b"")
    lock = fcntl.flock

    def replace_then_lock(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        store.write("folder/x", b"content")
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replace_then_lock)
    assert store.sweep("folder", nothing_live) == ()
    assert store.read("folder/x") == b"content"


@pytest.mark.usefixtures("no_links")
def test_a_rename_that_fails_without_hard_links_gives_the_name_back(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(temporary: Path, final: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    with store.new_object("x") as new, monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(StoreUnwritable, match="Input/output error"):
            new.commit()
    assert files(store) == []


def test_any_other_refusal_of_a_link_is_an_error(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", refuse)
    with store.new_object("x") as new, pytest.raises(StoreUnwritable, match="Input/output error"):
        new.commit()
    assert files(store) == []


def test_a_store_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file" / "store")
    with pytest.raises(StoreUnwritable, match="Not a directory"):
        store.write("x", b"1")
    with pytest.raises(StoreError, match="has no x"):
        store.read("x")
    assert store.read_or_none("x") is None
    assert list(store.list("")) == []


def test_a_file_larger_than_allowed_is_an_error(store: FolderStore) -> None:
    program = """
        import resource, signal
        from triage_assets.errors import StoreUnwritable
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            store.write("x", bytes(5000))
        except StoreUnwritable as error:
            print(error.__cause__.errno, flush=True)
    """
    with other_process(program, store.root) as process:
        assert process.stdout.read() == f"{errno.EFBIG}\n"
    assert files(store) == []


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
def test_an_address_without_a_host_is_refused(store: FolderStore, url: str) -> None:
    with pytest.raises(SettingsError, match="ANNOTATOR_API_URL"):
        store.stamp(url)
    assert not store.root.exists()


def test_a_store_belongs_to_the_annotator_that_filled_it(store: FolderStore) -> None:
    assert store.annotator() is None
    store.stamp("https://one.example.org")
    stamped = files(store)
    store.stamp("https://one.example.org:443/api/v1")
    assert files(store) == stamped
    with pytest.raises(
        StoreMismatch,
        match=r"found one\.example\.org; expected two\.example\.org\. Name another folder in TRIAGE_STORE",
    ):
        store.stamp("https://two.example.org")
    assert store.annotator() == "one.example.org"


def test_a_store_of_a_newer_format_is_refused(store: FolderStore) -> None:
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
def test_a_stamp_that_cannot_be_read_is_an_error_and_is_kept(store: FolderStore, content: bytes) -> None:
    store.write("store.json", content)
    with pytest.raises(StoreError, match=r"store\.json"):
        store.stamp("https://one.example.org")
    assert store.read("store.json") == content


def test_a_bucket_is_refused_as_long_as_there_is_no_store_for_it() -> None:
    with pytest.raises(SettingsError, match="names a bucket"):
        open_store("s3://bucket/prefix")


def test_opening_a_store_touches_nothing(tmp_path: Path) -> None:
    assert open_store(str(tmp_path / "new")).read_or_none("x") is None
    assert not (tmp_path / "new").exists()
