"""The folder store alone: locks that die with their holder, and every way in which a disk says no."""

import errno
import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stores import other_process
from triage_assets.errors import StoreError, StoreUnwritable
from triage_assets.folder_store import FolderStore
from triage_assets.store import open_store


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def files(store: FolderStore) -> list[str]:
    return sorted(file.relative_to(store.root).as_posix() for file in store.root.rglob("*") if file.is_file())


def nothing_live() -> tuple[str, ...]:
    return ()


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


def test_opening_a_store_touches_nothing(tmp_path: Path) -> None:
    assert open_store(str(tmp_path / "new")).read_or_none("x") is None
    assert not (tmp_path / "new").exists()
