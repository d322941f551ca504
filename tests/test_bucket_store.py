"""The bucket store alone: answers that are lost, writers that are killed, permissions, and servers that can do less."""

import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from tests.s3_server import (
    EXPIRED,
    FORGETFUL,
    OLD,
    PLAIN,
    READER,
    STRANGER,
    UNKNOWN,
    WRITER,
    S3Server,
    become,
    expiring,
)
from tests.stores import ROOT, other_process
from triage_assets.bucket_store import LEFTOVER_AGE, _warn_once
from triage_assets.bucket_upload import PART_BYTES
from triage_assets.errors import ObjectExists, SettingsError, StoreError, StoreUnwritable
from triage_assets.store import Store, open_store

LOCATION = f"s3://{PLAIN}/store"


@pytest.fixture
def store(s3: S3Server) -> Store:
    return open_store(LOCATION)


@pytest.fixture(autouse=True)
def forget_warnings() -> None:
    """Each test is a process of its own, as far as warnings go."""
    _warn_once.cache_clear()


def reads(store: Store) -> dict[str, Callable[[], object]]:
    """Every way of reading."""
    return {
        "read": lambda: store.read("x"),
        "read_or_none": lambda: store.read_or_none("x"),
        "read_range": lambda: store.read_range("x", 0, 1),
        "find": lambda: store.find("x"),
        "list": lambda: list(store.list("")),
    }


def writes(store: Store) -> dict[str, Callable[[], object]]:
    """Every way of writing."""
    return {
        "write": lambda: store.write("x", b"1"),
        "update": lambda: store.update("x", lambda present: b"1"),
        "new_object": lambda: store.new_object("y"),
        "delete": lambda: store.delete("x"),
    }


# Uploads


def test_an_upload_begins_while_it_is_written_and_nothing_is_visible_before_its_commit(
    s3: S3Server, store: Store
) -> None:
    content = bytes(range(256)) * (PART_BYTES // 100)
    with store.new_object("folder/x") as new:
        for start in range(0, len(content), 1_000_000):
            new.write([content[start : start + 1_000_000]])
        assert s3.uploads() == ["store/folder/x"]
        assert store.size("folder/x") is None
        assert list(store.list("")) == []
        new.commit()
    assert store.read("folder/x") == content
    assert s3.uploads() == []
    sizes = [part.size for part in s3.backend.buckets[PLAIN].keys["store/folder/x"].multipart.parts.values()]
    assert sizes == [PART_BYTES, PART_BYTES, len(content) - 2 * PART_BYTES]


def test_what_is_smaller_than_a_part_is_one_request(s3: S3Server, store: Store) -> None:
    with store.new_object("first") as new:  # after which the bucket has proven what it can do
        new.commit()
    s3.requests.clear()
    with store.new_object("x") as new:
        new.write([b"1", b"2"])
        new.commit()
    assert s3.requests == [f"PUT /{PLAIN}/store/x"]


@pytest.mark.parametrize("n_parts", [0, 2])
def test_a_commit_whose_answer_is_lost_has_happened(s3: S3Server, store: Store, n_parts: int) -> None:
    """The request is sent again, and the refusal of the second is the success of the first."""
    with store.new_object("x") as new:
        new.write([bytes(n_parts * PART_BYTES), b"end"])
        if n_parts:
            new._upload._sending[-1].result()
        s3.faults.lose_answers = 1
        new.commit()
    assert s3.faults.lose_answers == 0
    assert store.size("x") == n_parts * PART_BYTES + 3


def test_a_part_that_cannot_be_sent_is_an_error_and_the_object_never_appears(s3: S3Server, store: Store) -> None:
    with store.new_object("x") as new:
        new.write([bytes(PART_BYTES)])
        with expiring(s3):
            with pytest.raises(StoreUnwritable, match=r"the credentials have expired.*run again: what was finished"):
                for _ in range(10):
                    new.write([bytes(PART_BYTES)])
            with pytest.raises(StoreUnwritable):
                new.commit()
        with pytest.raises(StoreUnwritable, match="the credentials have expired"):
            new.commit()  # also with credentials that are good again: a part is missing
    assert s3.stored_keys() == ["store/.conditional-put-probe"]
    assert s3.uploads() == []


def test_parts_that_cannot_be_removed_are_removed_by_a_later_sweep(
    s3: S3Server, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    new = store.new_object("folder/x")
    new.write([bytes(PART_BYTES)])
    new._upload._sending[-1].result()
    with expiring(s3):
        new.close()
    assert "stay in the bucket until a sweep" in caplog.text
    assert s3.uploads() == ["store/folder/x"]
    s3.let_pass(LEFTOVER_AGE * 1.1)
    assert store.sweep("folder", tuple) == ("folder/x",)
    assert s3.uploads() == []


def test_an_upload_that_a_sweep_has_ended_is_an_error_that_says_so(s3: S3Server, store: Store) -> None:
    with store.new_object("folder/x") as new:
        new.write([bytes(PART_BYTES)])
        new._upload._sending[-1].result()
        s3.let_pass(LEFTOVER_AGE * 1.1)
        assert store.sweep("folder", tuple) == ("folder/x",)
        with pytest.raises(StoreUnwritable):
            new.write([bytes(5 * PART_BYTES)])
    assert store.size("folder/x") is None


def test_a_sweep_spares_an_old_upload_that_goes_on(s3: S3Server, store: Store) -> None:
    with store.new_object("folder/x") as new:
        new.write([bytes(PART_BYTES)])
        s3.let_pass(LEFTOVER_AGE * 1.1)
        new.write([bytes(PART_BYTES)])
        new._upload._sending[-1].result()
        assert store.sweep("folder", tuple) == ()
        new.commit()
    assert store.size("folder/x") == 2 * PART_BYTES


def test_a_writer_killed_in_the_middle_of_an_upload_leaves_nothing_that_counts(s3: S3Server, store: Store) -> None:
    program = f"""
        new = store.new_object("folder/x")
        new.write([bytes({3 * PART_BYTES})])
        print("ready", flush=True)
        sys.stdin.readline()
    """
    with other_process(program, LOCATION) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert list(store.list("")) == []
    assert store.sweep("folder", tuple) == ()  # nobody can know yet that it is dead
    with store.new_object("folder/x") as new:  # and nobody has to wait for that
        new.write([b"the next run's"])
        new.commit()
    s3.let_pass(LEFTOVER_AGE * 1.1)
    assert store.sweep("folder", lambda: {"folder/x"}) == ("folder/x",)
    assert s3.uploads() == []
    assert store.read("folder/x") == b"the next run's"


def test_memory_is_that_of_a_few_parts_whatever_the_size(s3: S3Server, store: Store) -> None:
    """200 MB, of which at most five parts, 40 MiB, are in memory at once; the rest is what requests need."""
    program = """
        import os, pathlib
        def peak_kib():
            return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
        with store.new_object("first") as new:
            new.commit()
        before = peak_kib()
        with store.new_object("x") as new:
            for _ in range(200):
                new.write([os.urandom(1_000_000)])
            new.commit()
        print((peak_kib() - before) // 1024, flush=True)
    """
    with other_process(program, LOCATION) as process:
        grown_mib = int(process.stdout.readline())
    assert store.size("x") == 200_000_000
    assert grown_mib < 110


# Races and lost answers


def test_an_update_whose_answer_is_lost_is_not_made_twice(s3: S3Server, store: Store) -> None:
    store.update("x", lambda present: b"0")
    for expected in range(1, 6):
        s3.faults.lose_answers = 1
        assert store.update("x", lambda present: b"%d" % (int(present) + 1)) == b"%d" % expected
    assert store.read("x") == b"5"


def test_an_update_whose_answer_is_lost_is_not_made_twice_though_others_have_written_since(
    s3: S3Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.update("x", lambda present: b"a")
    other = open_store(LOCATION)
    fetch, looks = store._fetch, []

    def look_after_another(path: str) -> object:
        looks.append(path)
        if len(looks) == 2:
            other.update("x", lambda present: present + b"c")
        return fetch(path)

    monkeypatch.setattr(store, "_fetch", look_after_another)
    s3.faults.lose_answers = 1
    assert store.update("x", lambda present: present + b"b") == b"ab"
    assert store.read("x") == b"abc"


def test_an_update_gives_up_where_others_are_always_faster(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = open_store(LOCATION)
    monkeypatch.setattr("triage_assets.bucket_store._LONGEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("triage_assets.bucket_store._UPDATES", 5)

    def change(present: bytes | None) -> bytes:
        other.update("x", lambda theirs: (theirs or b"") + b"1")
        return b"ours"

    with pytest.raises(StoreUnwritable, match="faster, 5 times in a row"):
        store.update("x", change)
    assert store.read("x") == b"11111"


def test_of_many_processes_one_creates_an_object(s3: S3Server, store: Store) -> None:
    program = f"""
        from triage_assets.errors import ObjectExists
        new = store.new_object("x")
        new.write([sys.argv[2].encode() * {PART_BYTES}])
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            new.commit()
        except ObjectExists:
            print("lost")
        else:
            print("won")
        new.close()
    """
    processes = [other_process(program, LOCATION, name) for name in "abc"]
    running = [process.__enter__() for process in processes]
    try:
        for process in running:
            assert process.stdout.readline() == "ready\n"
        for process in running:
            process.stdin.write("go\n")
            process.stdin.flush()
        results = {name: process.stdout.read() for name, process in zip("abc", running, strict=True)}
    finally:
        for process in processes:
            process.__exit__(None, None, None)
    assert sorted(results.values()) == ["lost\n", "lost\n", "won\n"]
    (winner,) = (name for name, said in results.items() if said == "won\n")
    assert store.read("x") == winner.encode() * PART_BYTES
    assert s3.uploads() == []


def test_a_body_that_is_cut_is_read_again(s3: S3Server, store: Store) -> None:
    content = bytes(range(256)) * 1000
    store.write("x", content)
    s3.faults.cut_bodies = 2
    assert store.read("x") == content
    s3.faults.cut_bodies = 1
    assert store.read_range("x", 10, 20_000) == content[10:20_010]
    s3.faults.cut_bodies = 1000
    with pytest.raises(StoreError, match="Cannot read x in the store"):
        store.read("x")


def test_threads_share_a_store(store: Store) -> None:
    store.write("x", bytes(100_000))
    faults: list[Exception] = []

    def use() -> None:
        try:
            for _ in range(10):
                assert store.read_range("x", 5, 10) == bytes(10)
                store.update("counter", lambda present: b"%d" % (int(present or 0) + 1))
        except (AssertionError, StoreError) as error:
            faults.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert store.read("counter") == b"40"


def test_a_store_means_the_same_in_another_process(store: Store) -> None:
    store.write("x", b"content")
    assert pickle.loads(pickle.dumps(store)).read("x") == b"content"


# Who may, and what the server can


@pytest.mark.parametrize(
    ("access_key", "text"),
    [
        (STRANGER, "not allowed to.*Ask for s3:ListBucket and s3:GetObject"),
        (UNKNOWN, "not accepted.*Set AWS_PROFILE, or AWS_ACCESS_KEY_ID"),
        (EXPIRED, "have expired.*Renew the credentials"),
    ],
)
def test_credentials_that_are_refused_are_an_error_in_every_method_and_nothing_looks_empty(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, access_key: str, text: str
) -> None:
    become(monkeypatch, access_key)
    store = open_store(LOCATION)
    for name, act in {**reads(store), **writes(store)}.items():
        kind = StoreUnwritable if name in writes(store) and name != "update" else StoreError
        with pytest.raises(kind, match=rf"Cannot .* in the store s3://plain/store; found .*{text}"):
            act()


def test_a_bucket_that_is_not_there_is_an_error_in_every_method_and_nothing_looks_empty(s3: S3Server) -> None:
    store = open_store("s3://no-such-bucket/store")
    for act in {**reads(store), **writes(store)}.values():
        with pytest.raises(
            StoreError, match=r"no such bucket.*Correct the address \(TRIAGE_STORE\), or AWS_ENDPOINT_URL"
        ):
            act()


def test_a_bucket_whose_name_cannot_be_is_an_error(s3: S3Server) -> None:
    with pytest.raises(StoreError, match="a name that no bucket can have"):
        open_store("s3://no bucket/store").read("x")


def test_a_server_that_is_not_there_is_an_error(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = open_store(LOCATION)
    for act in {**reads(store), **writes(store)}.values():
        with pytest.raises(StoreError, match=r"no connection.*Check the network and AWS_ENDPOINT_URL"):
            act()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9")
    with pytest.raises(SettingsError, match="Correct AWS_ENDPOINT_URL"):
        open_store(LOCATION).read("x")


def test_without_credentials_there_is_a_sentence(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match=r"no credentials.*Set AWS_PROFILE, or AWS_ACCESS_KEY_ID"):
        open_store(LOCATION).read("x")
    monkeypatch.setenv("AWS_PROFILE", "unknown")
    with pytest.raises(StoreError, match="AWS_PROFILE"):
        open_store(LOCATION).read("x")


def test_a_profile_names_credentials_endpoint_and_region(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    config = f"[profile fire]\nregion = eu-west-3\nendpoint_url = {s3.address}\n"
    (tmp_path / "config").write_text(config)
    (tmp_path / "credentials").write_text(f"[fire]\naws_access_key_id = {WRITER}\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "fire")
    store = open_store(LOCATION)
    store.write("x", b"1")
    assert s3.stored_keys() == ["store/x"]
    assert store._bucket.client.meta.region_name == "eu-west-3"


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-2"}, "eu-west-2"),  # boto3 by itself does not look at it
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}, "eu-west-1"),
    ],
)
def test_the_region_is_that_of_boto3_or_else_of_other_programs(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], region: str
) -> None:
    monkeypatch.delenv("AWS_REGION")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert open_store(LOCATION)._bucket.client.meta.region_name == region


def test_a_reader_reads_and_is_told_that_it_cannot_write(
    s3: S3Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("x", b"1")
    become(monkeypatch, READER)
    reader = open_store(LOCATION)
    for act in reads(reader).values():
        act()
    for act in writes(reader).values():
        with pytest.raises(StoreUnwritable, match=r"not allowed to.*to write also for s3:PutObject"):
            act()
    assert s3.stored_keys() == ["store/x"]


@pytest.mark.parametrize("bucket", [FORGETFUL, OLD])
def test_a_bucket_without_conditional_puts_is_read_and_never_written_to_at_risk(s3: S3Server, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/store")
    store.write("x", b"1")  # nobody's race
    for act in (lambda: store.update("x", lambda present: b"2"), lambda: store.new_object("y")):
        with pytest.raises(
            StoreUnwritable, match=r"no conditional puts.*Two runs at once could overwrite.*lose shards"
        ):
            act()
    assert store.read("x") == b"1"
    assert [found.path for found in store.list("")] == ["x"]


def test_a_server_that_lists_no_uploads_costs_a_warning_and_not_the_run(
    s3: S3Server, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.write("folder/dead", b"1")
    s3.let_pass(LEFTOVER_AGE * 1.1)
    monkeypatch.setattr(s3, "_list_uploads", lambda environ, start: start("501 Not Implemented", []) or [])
    assert store.sweep("folder", tuple) == ("folder/dead",)
    assert "Unfinished uploads in s3://plain/store cannot be removed" in caplog.text
    assert "A rule of the bucket that aborts incomplete multipart uploads does it as well" in caplog.text


def test_whoever_may_not_list_uploads_is_told_once_what_to_ask_for(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    monkeypatch.setattr(s3, "_list_uploads", Response(body, 403, content_type="application/xml"))
    for folder in ("shards/organization=one", "shards/organization=other", "worklists"):
        assert open_store(LOCATION).sweep_unfinished(folder) == ()
    [warning] = caplog.messages
    assert "Access Denied. Ask for s3:ListBucketMultipartUploads, or for a rule of the bucket" in warning


def test_credentials_that_expire_between_two_writes_leave_what_was_written(s3: S3Server, store: Store) -> None:
    store.update("x", lambda present: b"old")
    with expiring(s3), pytest.raises(StoreError, match="have expired"):
        store.update("x", lambda present: b"new")
    assert store.update("x", lambda present: present + b"!") == b"old!"


def test_a_listing_of_thousands_is_whole(s3: S3Server, store: Store) -> None:
    backend = s3.backend
    for number in range(2500):
        backend.put_object(PLAIN, f"store/many/{number:05d}", b"1")
    assert [found.path for found in store.list("many")] == [f"many/{number:05d}" for number in range(2500)]


def test_two_versions_of_one_size_in_one_second_differ(store: Store) -> None:
    store.write("x", b"1")
    (before,) = store.list("")
    store.write("x", b"2")
    (after,) = store.list("")
    assert before != after


def test_what_an_empty_folder_is_for_others_is_no_object(s3: S3Server, store: Store) -> None:
    s3.backend.put_object(PLAIN, "store/folder/", b"")
    assert list(store.list("")) == []
    assert store.sweep("folder", tuple) == ()


def test_another_prefix_of_the_bucket_is_another_store(s3: S3Server, store: Store) -> None:
    store.write("x", b"1")
    s3.backend.put_object(PLAIN, "store-2/x", b"1")
    s3.backend.put_object(PLAIN, "x", b"1")
    assert [found.path for found in store.list("")] == ["x"]
    assert sorted(found.path for found in open_store(f"s3://{PLAIN}").list("")) == ["store-2/x", "store/x", "x"]


def test_two_creators_in_one_process_cannot_both_win_with_parts(s3: S3Server, store: Store) -> None:
    with store.new_object("x") as one, store.new_object("x") as other:
        one.write([b"1" * PART_BYTES])
        other.write([b"2" * PART_BYTES])
        one.commit()
        with pytest.raises(ObjectExists, match="exists already"):
            other.commit()
    assert store.read("x") == b"1" * PART_BYTES
    assert s3.uploads() == []


def test_a_folder_store_imports_nothing_that_speaks_to_buckets() -> None:
    program = "import sys; from triage_assets.store import open_store; open_store('x').size('y'); "
    program += "print({'boto3', 'botocore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
