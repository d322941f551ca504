"""The viewer of somebody who only looks: the store's groups, from a folder and from a bucket that may only be read."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from triage_viewer.access.rules import LOCAL, AccessRules

from tests.s3_server import PLAIN, READER, WRITER, S3Server, become
from tests.viewer.access.people import GROUPS, LOGIN, PASSWORD, SESSION, log_in
from tests.viewer.conftest import serve
from tests.viewer.frames_store import fill
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.groups.decisions import Decisions
from triage_assets.groups.relabelling import GroupChange
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.passwords import hash_password
from triage_assets.review.records import FalsePositiveType, Label, Stage
from triage_assets.settings import load_settings
from triage_assets.store import Store, open_store
from triage_assets.stored_detections import StoredDetections
from triage_assets.viewer_command import open_context

TRIAGE = str(Path(sys.executable).with_name("triage"))
FILES = ("groups/groups.parquet", "groups/members.parquet", "groups/ungrouped.parquet", "groups/annotations.parquet")


@pytest.fixture(scope="module")
def produced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FolderStore, ReviewDatabase]]:
    """A store, and the review database of whoever made it: group 1 is validated and labelled, 3 was taken out of it."""
    folder = tmp_path_factory.mktemp("produced")
    store = FolderStore(folder / "store")
    store.stamp("https://annotator.example.org")
    fill(store)
    with closing(open_review(f"sqlite:///{folder / 'review.sqlite'}")) as review:
        regroup(store, review)
        people = decisions(store, review)
        people.set_validated(1, True, by="ada")
        label = Label(false_positive_type=FalsePositiveType.ANTENNA)
        people.annotate(1, label, is_unsure=False, stage=Stage.SEQ_ANNOTATION_DONE, seen=None, by="bob")
        people.remove_member(1, 3, by="ada")
        write_snapshot(store, review)
        yield store, review


def decisions(store: Store, review: ReviewDatabase) -> Decisions:
    return Decisions(DecisionDatabase(review), StoredDetections(store))


@pytest.fixture(params=["folder", "bucket"])
def location(
    produced: tuple[FolderStore, ReviewDatabase],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A copy of that store, and the environment of somebody who may look at it and has nothing else."""
    location = str(tmp_path / "store") if request.param == "folder" else f"s3://{PLAIN}/triage"
    if request.param == "bucket":
        request.getfixturevalue("s3")
    target = open_store(location)
    for found in produced[0].list(""):
        target.write(found.path, produced[0].read(found.path))
    if request.param == "bucket":
        become(monkeypatch, READER)
    monkeypatch.setenv("TRIAGE_STORE", location)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("triage_viewer.copied_groups._LOOK_SECONDS", 0.0)
    return location


@contextmanager
def viewing(rules: AccessRules = LOCAL) -> Iterator[httpx.Client]:
    """What `triage viewer` serves here."""
    with closing(open_context(load_settings())) as context, serve(context, rules) as client:
        client.timeout = httpx.Timeout(60.0)
        yield client


def content(location: str) -> dict[str, bytes]:
    store = open_store(location)
    return {found.path: store.read(found.path) for found in store.list("")}


def get(client: httpx.Client, address: str) -> Any:
    answer = client.get(f"/api/v1{address}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_groups_members_exclusions_and_labels_are_the_stores_and_nothing_is_written(
    location: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before, files = content(location), sorted(tmp_path.rglob("*"))
    with viewing() as client:
        listed = get(client, "/sequence_groups/?label_state=all&min_members=1")
        assert [group["id"] for group in listed["items"]] == [1]
        group = get(client, "/sequence_groups/1")
        assert (group["is_validated"], group["validated_by_username"], group["false_positive_type"]) == (
            True,
            "ada",
            "antenna",
        )
        assert [member["sequence_id"] for member in group["members"]] == [1, 2]
        assert all(member["first_detection_id"] for member in group["members"])
        assert [each["sequence_id"] for each in get(client, "/sequence_groups/1/excluded")["items"]] == [3]
        assert get(client, "/annotations/sequences/1")["processing_stage"] == "seq_annotation_done"
        assert get(client, "/sequences/1/standing")["group"]["id"] == 1
        assert get(client, "/sequence_groups/1/decisions")["total"] == 0
        facets = get(client, "/triage/facets")
        assert facets["has_groups"]
        session = get(client, "/session")
        assert (session["role"], session["copied_groups"]["trouble"]) == ("viewer", None)
        assert session["copied_groups"]["changed_at"] == group["updated_at"]
    assert content(location) == before
    assert sorted(tmp_path.rglob("*")) == files
    if location.startswith("s3:"):
        s3: S3Server = request.getfixturevalue("s3")
        assert [write for write in s3.writes if READER in str(write)] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"{GROUPS}/1", {"is_validated": False}),
        ("POST", f"{GROUPS}/assign", None),
        ("DELETE", f"{GROUPS}/1/members/1", None),
        ("POST", f"{GROUPS}/members/3/re-include", None),
        ("PUT", "/api/v1/annotations/sequences/1", {"false_positive_type": "dust"}),
        ("POST", "/api/v1/annotations/sequences/bulk", {"sequence_ids": [1], "smoke_type": "wildfire"}),
    ],
)
@pytest.mark.parametrize("location", ["folder"], indirect=True)
@pytest.mark.usefixtures("location")
def test_nobody_decides_on_a_copy(method: str, path: str, body: object) -> None:
    with viewing() as client:
        before = get(client, "/sequence_groups/1")
        answer = client.request(method, path, json=body)
        assert answer.status_code == 403
        assert "set TRIAGE_REVIEW_DB to it" in answer.json()["detail"]
        assert get(client, "/sequence_groups/1") == before


def test_what_is_decided_later_is_shown_once_it_is_in_the_store(
    produced: tuple[FolderStore, ReviewDatabase], location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, review = produced
    with viewing() as client:
        group_id = get(client, "/sequence_groups/?label_state=all&min_members=1")["items"][0]["id"]
        is_unsure = not get(client, f"/sequence_groups/{group_id}")["is_unsure"]
        with review.write():
            pass  # a write that changed no row, as the one that takes scores over
        decisions(source, review).update_group(group_id, GroupChange(is_unsure=is_unsure), by="ada")
        write_snapshot(source, review)
        become(monkeypatch, WRITER)
        target = open_store(location)
        for path in FILES:
            target.write(path, source.read(path))
        become(monkeypatch, READER)
        group = wait_for(client, f"/sequence_groups/{group_id}", lambda group: group["is_unsure"] == is_unsure)
        session = wait_for(
            client, "/session", lambda session: session["copied_groups"]["changed_at"] == group["updated_at"]
        )
        assert session["copied_groups"]["trouble"] is None


def wait_for(client: httpx.Client, address: str, holds: Callable[[Any], bool]) -> Any:
    """The answer once it is as expected."""
    for _ in range(600):
        found = get(client, address)
        if holds(found):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


# Who decides as before


@pytest.mark.parametrize("location", ["folder"], indirect=True)
def test_a_database_that_is_named_is_decided_in(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_REVIEW_DB", f"sqlite:///{tmp_path / 'named.sqlite'}")
    with viewing() as client:
        assert (get(client, "/session")["role"], get(client, "/session")["copied_groups"]) == ("reviewer", None)
        assert get(client, "/sequence_groups/stats")["total"] == 0
        assert client.post(f"{GROUPS}/assign").json()["processed"] == 4


@pytest.mark.parametrize("location", ["folder"], indirect=True)
@pytest.mark.usefixtures("location")
def test_a_database_that_somebody_has_used_is_decided_in() -> None:
    settings = load_settings()
    with closing(open_review(settings.review_url)) as mine:
        regroup(open_store(settings.triage_store), mine)
    with viewing() as client:
        assert (get(client, "/session")["role"], get(client, "/session")["copied_groups"]) == ("reviewer", None)
        assert client.patch(f"{GROUPS}/1", json={"is_validated": True}).status_code == 200


# Several people who look


@pytest.mark.parametrize("location", ["folder"], indirect=True)
@pytest.mark.usefixtures("location")
def test_people_log_in_with_the_accounts_of_this_machine_and_look() -> None:
    with closing(open_review(load_settings().review_url)) as mine:
        Accounts(mine).add("rita", Role.REVIEWER, hash_password(PASSWORD, "rita"))
    with viewing(LOGIN) as client:
        assert client.get(SESSION).json()["copied_groups"] is None, "strangers are told nothing"
        assert client.get(f"{GROUPS}/1").status_code == 401
        assert log_in(client).json()["role"] == "viewer"
        assert get(client, "/session")["role"] == "viewer"
        assert get(client, "/sequence_groups/1")["id"] == 1
        assert client.patch(f"{GROUPS}/1", json={"is_validated": False}).status_code == 403
        assert client.delete(SESSION).status_code == 204
        assert client.get(f"{GROUPS}/1").status_code == 401


# Bad input


@pytest.mark.parametrize("location", ["folder"], indirect=True)
def test_groups_that_cannot_be_read_are_said_and_shown_once_they_can(location: str) -> None:
    store = FolderStore(Path(location))
    whole = store.read(FILES[1])
    store.write(FILES[1], whole[: len(whole) // 2])
    with viewing() as client:
        assert get(client, "/sequence_groups/stats")["total"] == 0
        told = get(client, "/session")
        assert (told["role"], told["copied_groups"]["changed_at"]) == ("viewer", None)
        assert told["copied_groups"]["trouble"] == "The store cannot be used at the moment. The server's log says why."
        store.write(FILES[1], whole)
        wait_for(client, "/session", lambda told: told["copied_groups"]["trouble"] is None)
        assert get(client, "/sequence_groups/1")["member_count"] == 2


@pytest.mark.parametrize("location", ["folder"], indirect=True)
def test_a_folder_for_temporary_files_that_cannot_be_used_is_said_in_a_sentence(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", f"{location}/none")
    with pytest.raises(Exception, match=r"cannot be copied.*Name a folder that can be written in TMPDIR"):
        open_context(load_settings())


@pytest.mark.parametrize("location", ["folder"], indirect=True)
@pytest.mark.usefixtures("location")
def test_the_command_says_that_it_only_shows_and_leaves_nothing_behind(tmp_path: Path) -> None:
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(rooms)}
    with subprocess.Popen(
        [TRIAGE, "viewer", "--port", "0"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        announced = process.stdout.readline()
        try:
            address = next(word for word in announced.split() if word.startswith("http://127.0.0.1:"))
            assert httpx.get(f"{address}{GROUPS}/1").json()["validated_by_username"] == "ada"
            assert list(rooms.iterdir()) != []
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
    assert "Groups    are copied from the store, to be looked at. To decide, set TRIAGE_REVIEW_DB to" in errors
    assert list(rooms.iterdir()) == []
