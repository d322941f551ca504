"""Reading objects in pieces: what a file on disk would say, in few requests."""

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.s3_server import PLAIN, S3Server
from triage_assets.errors import StoreError
from triage_assets.store import Store, open_store
from triage_assets.stored_file import StoredFile


@pytest.mark.parametrize("ahead", [0, 1, 100, 5000])
def test_it_reads_what_a_file_would(place, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    store: Store = place.store
    monkeypatch.setattr(type(store), "read_ahead_bytes", ahead)
    content = random.Random(1).randbytes(3000)
    store.write("x", content)
    expected, found = io.BytesIO(content), StoredFile.open(store, "x")
    moves = random.Random(2)
    for _ in range(60):
        offset, size = moves.randrange(3200), moves.choice([0, 1, 7, 400, 4000, -1])
        whence = moves.choice([io.SEEK_SET, io.SEEK_END])
        offset = -offset if whence == io.SEEK_END and offset <= 3000 else offset
        assert found.seek(offset, whence) == expected.seek(offset, whence)
        assert found.read(size) == expected.read(size)
        assert found.tell() == expected.tell()


def test_what_is_not_there_is_named(place) -> None:
    with pytest.raises(StoreError, match=r"has no a/b\. Run `triage run`"):
        StoredFile.open(place.store, "a/b")


def test_an_object_that_became_shorter_is_an_error(place) -> None:
    store = place.store
    store.write("x", bytes(3_000_000))
    file = StoredFile.open(store, "x")
    store.write("x", bytes(10))
    with pytest.raises(StoreError, match="ends too early"):
        file.read(100)


def test_a_parquet_file_in_a_bucket_is_few_requests(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 columns and 50 row groups, each column of each of them a piece of its own."""
    store = open_store(f"s3://{PLAIN}/store")
    table = pa.table({f"column-{number}": list(range(5000)) for number in range(40)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=100)
    store.write("x", sink.getvalue().to_pybytes())
    s3.requests.clear()
    assert pq.ParquetFile(StoredFile.open(store, "x")).read_row_group(3).num_rows == 100
    assert len(s3.requests) <= 3, "looking it up, its end, and the row group"
