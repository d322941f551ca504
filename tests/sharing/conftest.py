"""The small store of `tests.sharing.stores`, in a folder and in a bucket, and a place to copy it to."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.s3_server import PLAIN, S3Server
from tests.sharing.stores import copy_folder, make_store
from triage_assets.folder_store import FolderStore
from triage_assets.store import Store, open_store


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "store"
    make_store(folder)
    return folder


@pytest.fixture
def source(made: Path, tmp_path: Path) -> FolderStore:
    """The store in a folder."""
    return copy_folder(made, tmp_path / "source")


@pytest.fixture
def destination(tmp_path: Path) -> FolderStore:
    """Where no store is yet."""
    return FolderStore(tmp_path / "destination")


@dataclass(frozen=True)
class Pair:
    """Two places; ``server`` where one of them is in a bucket."""

    source: Store
    destination: Store
    server: S3Server | None


@pytest.fixture(params=["folder to folder", "folder to bucket", "bucket to folder", "bucket to bucket"])
def pair(request: pytest.FixtureRequest, source: FolderStore, destination: FolderStore) -> Pair:
    """The store, and a place to copy it to, of each kind."""
    is_from_bucket, is_to_bucket = request.param.startswith("bucket"), request.param.endswith("bucket")
    server = request.getfixturevalue("s3") if is_from_bucket or is_to_bucket else None
    there = open_store(f"s3://{PLAIN}/destination") if is_to_bucket else destination
    return Pair(in_bucket(source) if is_from_bucket else source, there, server)


def in_bucket(source: FolderStore) -> Store:
    """The same store in a bucket."""
    store = open_store(f"s3://{PLAIN}/source")
    for found in source.list(""):
        store.write(found.path, source.read(found.path))
    return store
