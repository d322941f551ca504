"""The viewer on a store in a bucket that it may only read: every page, what it costs, and what goes wrong."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from triage_viewer.app import create_app
from triage_viewer.context import Context
from typer.testing import CliRunner

from tests.s3_server import EXPIRED, PLAIN, READER, STRANGER, WRITER, S3Server, become, expiring
from tests.shards.shard_backlogs import KEY, make_sequence
from tests.viewer.conftest import serve
from tests.viewer.frames_store import fill, pack, picture
from triage_assets.cli import app
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.review.database import open_review
from triage_assets.shards.catalog import catalog_path, index_path, load_catalog, tar_path
from triage_assets.store import Store, open_store

LOCATION = f"s3://{PLAIN}/triage"
FRAME = "/api/v1/frames/100?sequence_id=1"
SEQUENCE = "/api/v1/sequences/1"
# What an address needs besides its path.
QUERIES = {
    "/api/v1/triage/cameras": f"?organization={KEY}",
    "/api/v1/triage/download": "?format=csv",
    "/api/v1/triage/command": "?threshold=0.5",
    "/api/v1/sequences/by-groups": "?group_ids=1",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything in it."""
    folder = tmp_path_factory.mktemp("filled")
    store = FolderStore(folder / "store")
    store.stamp("https://annotator.example.org")
    fill(store)
    review = open_review(f"sqlite:///{folder / 'review.sqlite'}")
    regroup(store, review)
    write_snapshot(store, review)
    review.close()
    return folder


@pytest.fixture
def store(filled: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same in a bucket, and the environment of somebody who may read it."""
    source, store = FolderStore(filled / "store"), open_store(LOCATION)
    for found in source.list(""):
        store.write(found.path, source.read(found.path))
    become(monkeypatch, READER)
    s3.requests.clear()
    s3.ranges.clear()
    return open_store(LOCATION)


@contextmanager
def viewing(store: Store, folder: Path) -> Iterator[httpx.Client]:
    """A viewer of somebody who has never used it before."""
    with (
        closing(open_review(f"sqlite:///{folder / 'mine.sqlite'}")) as review,
        serve(Context(store, review, actor="ada")) as client,
    ):
        client.timeout = httpx.Timeout(60.0)
        yield client


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[httpx.Client]:
    with viewing(store, tmp_path) as client:
        yield client


def every_address() -> list[str]:
    """Every address that a GET may be sent to, with ids that the store has."""
    routes = create_app(Context(None, None, "")).openapi()["paths"]  # type: ignore[arg-type]
    paths = [path for path, methods in routes.items() if "get" in methods]
    ids = {"sequence_id": 1, "detection_id": 100, "group_id": 1}
    return [re.sub(r"\{(\w+)\}", lambda found: str(ids[found[1]]), path) + QUERIES.get(path, "") for path in paths]


def test_every_address_answers_and_nothing_is_written(client: httpx.Client, s3: S3Server) -> None:
    """Also once this machine's review database has decisions of its own."""
    assigned = client.post("/api/v1/sequence_groups/assign")
    assert (assigned.status_code, assigned.json()["processed"]) == (200, 4)
    decided = client.patch("/api/v1/sequence_groups/1", json={"is_validated": True, "false_positive_type": "antenna"})
    assert decided.status_code == 200, decided.text
    statuses = {address: client.get(address).status_code for address in every_address()}
    assert len(statuses) > 15
    assert {address: status for address, status in statuses.items() if status != 200} == {
        "/api/v1/annotations/sequences/1": 404  # nobody has annotated it
    }
    assert s3.writes == []


def test_every_frame_is_read_by_its_range_alone(client: httpx.Client, s3: S3Server) -> None:
    whole = client.get(FRAME)
    assert (whole.status_code, whole.content) == (200, picture(100))
    s3.ranges.clear()
    other = client.get("/api/v1/frames/101?sequence_id=1")
    assert other.content == picture(101)
    ((path, asked),) = [each for each in s3.ranges if not each[0].endswith("/catalog.json")]
    first, last = map(int, asked.removeprefix("bytes=").split("-"))
    assert path.endswith(".tar")
    assert last - first + 1 == len(picture(101))


def test_parts_and_tags_are_answered_as_from_a_folder(client: httpx.Client, s3: S3Server) -> None:
    tag = client.get(FRAME).headers["etag"]
    part = client.get(FRAME, headers={"Range": "bytes=5-14", "If-Range": tag})
    assert (part.status_code, part.content) == (206, picture(100)[5:15])
    assert part.headers["content-range"] == f"bytes 5-14/{len(picture(100))}"
    assert client.get(FRAME, headers={"Range": "bytes=999999-"}).status_code == 416
    small = client.get(f"{FRAME}&width=160").headers["etag"]
    s3.ranges.clear()
    for address, known in ((FRAME, tag), (f"{FRAME}&width=160", small)):
        answer = client.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert [path for path, _ in s3.ranges if path.endswith(".tar")] == []


def test_of_a_listed_sequence_only_its_organizations_shards_are_read(
    store: Store, tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a viewer whose review database has never heard of it."""
    become(monkeypatch, WRITER)
    pack(open_store(LOCATION), [make_sequence(50, [5000])], "aaa-1")
    become(monkeypatch, READER)
    s3.ranges.clear()
    with viewing(store, tmp_path) as client:
        client.get("/api/v1/triage/rows")
        assert client.get(FRAME).status_code == 200
        assert [path for path, _ in s3.ranges if "aaa-1" in path] == []
        assert client.get("/api/v1/frames/5000").content == picture(5000)


# An address, and the most requests that an answer takes once it was given before: what it reads, and looking whether
# anything has changed, which is done at most once a second.
COSTS = [
    ("/api/v1/triage/rows", 3),  # nothing; the two files of the split and that of the groups are looked at
    (FRAME, 2),  # the frame; the catalog
    (f"{FRAME}&width=160", 1),  # nothing, for the picture is kept; the catalog
    # The backlog's row group, meta.json, which models there are, and a part, looked up and read; catalog, backlog, the
    # model's table and the split's three files.
    (SEQUENCE, 11),
    ("/api/v1/run", 9),  # nothing; a listing of each folder, the catalog and the split's three files
]


@pytest.mark.parametrize(("address", "most"), COSTS)
def test_an_answer_takes_few_requests(client: httpx.Client, s3: S3Server, address: str, most: int) -> None:
    client.get("/api/v1/triage/rows")
    assert client.get(address).status_code == 200
    s3.requests.clear()
    assert client.get(address).status_code == 200
    assert len(s3.requests) <= most, s3.requests


# Bad input


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is looked at for every request."""
    for name in ("directory._LOOK", "library._LIST", "kept._LOOK"):
        monkeypatch.setattr(f"triage_viewer.frames.{name}_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("triage_viewer.backlog.live._LOOK_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_while_credentials_have_expired_what_is_known_is_shown_and_the_rest_says_so(
    client: httpx.Client, s3: S3Server
) -> None:
    rows = client.get("/api/v1/triage/rows").json()
    assert client.get(FRAME).status_code == 200
    with expiring(s3, READER):
        refused = client.get("/api/v1/frames/101?sequence_id=1")
        assert (refused.status_code, refused.json()["detail"]) == (
            503,
            "The store cannot be used at the moment. The server's log says why.",
        )
        assert client.get("/api/v1/triage/rows").json() == rows
        facets = wait_for(client, lambda facets: facets["trouble"] is not None)
        assert facets["trouble"] == "The store cannot be used at the moment. The server's log says why."
        page = client.get(SEQUENCE).json()
        assert any("cannot be read" in notice for notice in page["notices"])
    assert client.get("/api/v1/frames/101?sequence_id=1").content == picture(101)
    wait_for(client, lambda facets: facets["trouble"] is None)


def wait_for(client: httpx.Client, holds: Callable[[Any], bool]) -> Any:
    """The facets once they are as expected."""
    for _ in range(600):
        facets = client.get("/api/v1/triage/facets").json()
        if holds(facets):
            return facets
        time.sleep(0.05)
    raise AssertionError(facets)


def part_of(store: Store) -> str:
    return next(found.path for found in store.list("predictions") if "/part-" in found.path)


def shard_of(store: Store) -> str:
    catalog = load_catalog(store, KEY)
    assert catalog is not None
    return catalog.shards[-1].name


# What a copy that was cut short lacks, who notices, and what is said.
HALVES: list[tuple[Callable[[Store], str], str, int, str]] = [
    (lambda store: tar_path(KEY, shard_of(store)), FRAME, 410, "The shard that holds frame 100 is gone"),
    (lambda store: index_path(KEY, shard_of(store)), FRAME, 503, "Run `triage shards verify`"),
    (lambda _: catalog_path(KEY), FRAME, 503, "Run `triage shards verify`"),
    (part_of, SEQUENCE, 200, "cannot be read: what they say is missing here. Run `triage run`"),
    (lambda _: "worklists/results.parquet", "/api/v1/triage/rows", 503, "not all of one run"),
    (lambda _: "worklists/model_config.json", "/api/v1/triage/rows", 404, "There are no worklists in the store yet"),
    (lambda _: "groups/members.parquet", "/api/v1/run", 200, "The groups' snapshot"),
]


@pytest.mark.parametrize(("lost", "address", "status", "text"), HALVES)
def test_what_a_half_copied_store_lacks_is_said(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: Callable[[Store], str],
    address: str,
    status: int,
    text: str,
) -> None:
    become(monkeypatch, WRITER)
    open_store(LOCATION).delete(lost(store))
    become(monkeypatch, READER)
    with viewing(store, tmp_path) as client:
        answer = client.get(address)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text
    assert PLAIN not in answer.text


@pytest.mark.parametrize("name", ["tar", "parquet"])
def test_verifying_names_what_a_half_copied_store_lacks(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = f"{tar_path(KEY, shard_of(store)).removesuffix('tar')}{name}"
    become(monkeypatch, WRITER)
    open_store(LOCATION).delete(path)
    become(monkeypatch, READER)
    monkeypatch.setenv("TRIAGE_STORE", LOCATION)
    done = CliRunner().invoke(app, ["shards", "verify"])
    assert done.exit_code == 1
    assert path in "".join(done.output.split())


@pytest.mark.parametrize(
    ("location", "access_key", "text"),
    [
        (
            "s3://no-such-bucket/triage",
            READER,
            "no such bucket .* Correct the address .TRIAGE_STORE., or AWS_ENDPOINT_URL",
        ),
        (LOCATION, STRANGER, "not allowed to .* Ask for s3:ListBucket and s3:GetObject"),
        (LOCATION, EXPIRED, "have expired .* Renew the credentials"),
        (f"s3://{PLAIN}/newer", READER, "newer version of this project; .* Update triage-assets"),
    ],
)
def test_a_viewer_of_a_store_that_cannot_be_read_does_not_start(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, location: str, access_key: str, text: str
) -> None:
    become(monkeypatch, WRITER)
    open_store(f"s3://{PLAIN}/newer").write("store.json", b'{"format_version": 2, "annotator": "one.example.org"}')
    become(monkeypatch, access_key)
    monkeypatch.setenv("TRIAGE_STORE", location)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, ["viewer", "--port", "0"])
    assert done.exit_code == 1
    assert re.search(text, " ".join(done.output.split()))
    assert not (tmp_path / "home").exists()
