"""Parts become few and large, and what they hold decides their bytes: neither order, nor history, nor a kill does."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from triage_assets.errors import StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.scoring import predictions as predictions_module
from triage_assets.scoring.files import merging
from triage_assets.scoring.files import parts as parts_module
from triage_assets.scoring.files.tables import PART_SCHEMA
from triage_assets.scoring.predictions import load_current, read_details

from .backlogs import backlog_of
from .fakes import RecordingBackend
from .test_predictions import contents, part_path, run

ROWS = 7


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(merging, "MERGED_ROWS", ROWS)


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def two_shards(*sequence_ids, key="sdis-07-1"):
    shards = {which: f"00000{1 + which % 2}-aaaaaaaa" for which in sequence_ids}
    return replace(backlog_of(*sequence_ids, key=key), shards=shards)


def parts(store):
    found = sorted(store.root.rglob("part-*.parquet"))
    return {path.name: pq.read_table(path) for path in found}


def sequences(store):
    """The sequences of each part, the parts in the order of their first."""
    return sorted(table["sequence_id"].to_pylist() for table in parts(store).values())


BACKLOGS = two_shards(*range(1, 18)), two_shards(101, 102, 103, key="zone-2")


def test_a_run_leaves_parts_of_many_rows_in_order(store):
    run(store, *BACKLOGS, backend=RecordingBackend(), unit_sequences=3)
    assert sequences(store) == [[*range(1, 8)], [*range(8, 15)], [15, 16, 17, 101, 102, 103]]


def test_the_order_and_size_of_units_change_no_byte(store, tmp_path):
    run(store, *BACKLOGS, backend=RecordingBackend(), unit_sequences=3)
    for name, options, size in [("other order", {"last_first": True}, 3), ("other size", {}, 5)]:
        other = FolderStore(tmp_path / name)
        run(other, *BACKLOGS, backend=RecordingBackend(**options), unit_sequences=size)
        assert contents(other) == contents(store)


def test_runs_that_add_little_leave_one_small_part(store):
    for last in range(1, 18):
        run(store, backlog_of(*range(1, last + 1)), backend=RecordingBackend())
    assert sequences(store) == [[*range(1, 8)], [*range(8, 15)], [15, 16, 17]]


def test_a_score_replaces_a_failure_in_the_file_too(store):
    run(store, backlog_of(*range(1, 8)), backend=RecordingBackend([2, 3]))
    report = run(store, backlog_of(*range(1, 8)), backend=RecordingBackend([3]), retry_failed=True)
    (part,) = parts(store).values()
    assert part["dropped_reason"].to_pylist() == [None, None, "predict_failed", *[None] * 4]
    assert report.n_dropped == {"predict_failed": 1}
    assert read_details(store, report.name, 2) is not None


def test_a_part_of_an_earlier_version_is_read_with_nulls_and_nothing_is_scored_again(store):
    report = run(store, backlog_of(1, 2), backend=RecordingBackend())
    path = part_path(store, report)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["runtime"]), path.with_name("part-0123456789abcdef.parquet"))
    for file in (path, path.with_name("index.arrow")):
        file.unlink()
    backend = RecordingBackend()
    again = run(store, backlog_of(1, 2, 3), backend=backend)
    assert backend.asked == [3]
    assert again.current["runtime"].to_pylist() == [None, None, "made up"]
    (merged,) = parts(store).values()
    assert merged.schema.remove_metadata().equals(PART_SCHEMA)
    assert merged["runtime"].to_pylist() == [None, None, "made up"]


def test_parts_of_another_engine_are_left_as_they_are(store, monkeypatch):
    run(store, backlog_of(1, 2), backend=RecordingBackend())
    (old,) = parts(store)
    for module in ("planning", "files.parts", "files.merging", "files.model_record"):
        monkeypatch.setattr(f"triage_assets.scoring.{module}.ENGINE_VERSION", 2)
    report = run(store, backlog_of(1, 2), backlog_of(11, key="zone-2"), backend=RecordingBackend(), unit_sequences=1)
    assert report.n_scored == 3
    assert sequences(store) == [[1, 2], [1, 2, 11]]
    assert pq.read_schema(next(store.root.rglob(old))).metadata[b"engine_version"] == b"1"


def test_a_reader_with_an_old_table_finds_the_details_in_the_new_part(store, monkeypatch):
    report = run(store, backlog_of(1, 2), backend=RecordingBackend())
    old = load_current(store, report.name)
    run(store, backlog_of(1, 2, 3), backend=RecordingBackend())
    expected = read_details(store, report.name, 1)
    tables = [old]
    read = predictions_module.read_current
    monkeypatch.setattr(predictions_module, "read_current", lambda folder: tables.pop() if tables else read(folder))
    assert read_details(store, report.name, 1) == expected
    assert tables == []


def test_a_part_that_is_gone_for_good_is_an_error(store):
    report = run(store, backlog_of(1), backend=RecordingBackend())
    part_path(store, report).unlink()
    with pytest.raises(StoreError, match=r"has no predictions/.*part-"):
        read_details(store, report.name, 1)


# Killed


class Killed(BaseException):
    """The process ends here."""


class MortalStore(FolderStore):
    """A store whose process dies before a certain change to it."""

    def __init__(self, root, n_changes_to_live):
        super().__init__(root)
        self.n_left = n_changes_to_live

    def _change(self):
        if not self.n_left:
            raise Killed
        self.n_left -= 1

    def write(self, path, data):
        self._change()
        super().write(path, data)

    def delete(self, path):
        self._change()
        super().delete(path)


def first_run(store):
    run(store, *BACKLOGS, backend=RecordingBackend([4]), unit_sequences=3)


def second_run(store):
    backlogs = two_shards(*range(1, 21)), BACKLOGS[1]
    run(store, *backlogs, backend=RecordingBackend(), unit_sequences=3, retry_failed=True)


def known(store):
    """The sequences that have a score in some part."""
    rows = [row for table in parts(store).values() for row in table.to_pylist()]
    return {row["sequence_id"] for row in rows if row["dropped_reason"] is None}


@pytest.mark.parametrize("is_second", [False, True], ids=["first run", "second run"])
def test_killed_before_any_change_the_next_run_makes_the_same_files(tmp_path, is_second):
    last = second_run if is_second else first_run

    def prepared(name):
        store = FolderStore(tmp_path / name)
        if is_second:
            first_run(store)
        return store

    undisturbed = prepared("undisturbed")
    last(undisturbed)
    expected = contents(undisturbed)
    n_changes = 0
    while True:
        store = prepared(str(n_changes))
        try:
            last(MortalStore(store.root, n_changes))
        except Killed:
            survivors = known(store)
            backend = RecordingBackend([] if is_second else [4])
            backlogs = (two_shards(*range(1, 21)), BACKLOGS[1]) if is_second else BACKLOGS
            run(store, *backlogs, backend=backend, unit_sequences=3, retry_failed=is_second)
            assert contents(store) == expected
            assert not survivors & set(backend.asked), "nothing is scored twice"
            n_changes += 1
        else:
            break
    # Units, the record, merged parts, the index, current.arrow and every part that was replaced.
    assert n_changes >= 10


# Beside another run


class OneUnit(RecordingBackend):
    """Ends its run when the first unit has been committed."""

    def score(self, units, clock, tick):
        for number, scored in enumerate(super().score(units, clock, tick)):
            if number == 1:
                raise Killed
            yield scored


def test_what_another_run_commits_before_a_merge_is_kept_and_not_scored_again(store, monkeypatch):
    merge = merging.merge_parts
    committed = []

    def commit_then_merge(folder, *arguments):
        monkeypatch.setattr(predictions_module, "merge_parts", merge)
        before = parts(store).keys()
        with pytest.raises(Killed):
            run(store, backlog_of(*range(1, 13)), backend=OneUnit(), unit_sequences=3)
        committed.extend(parts(store).keys() - before)
        merged = merge(folder, *arguments)
        assert not set(committed) & {*merged.replaced}
        return merged

    monkeypatch.setattr(predictions_module, "merge_parts", commit_then_merge)
    report = run(store, backlog_of(*range(1, 7)), backend=RecordingBackend(), unit_sequences=3)
    assert len(committed) == 1 and sequences(store) == [[1, 2, 3, 4, 5, 6], [7, 8, 9]]
    assert report.n_scored == 6
    backend = RecordingBackend()
    run(store, backlog_of(*range(1, 13)), backend=backend, unit_sequences=3)
    assert backend.asked == [10, 11, 12]
    assert sequences(store) == [[*range(1, 8)], [*range(8, 13)]]


def test_two_runs_that_merge_the_same_parts_end_in_the_same_files(store, tmp_path, monkeypatch):
    """The other run merges and deletes what this one is about to read."""
    merge = merging.merge_parts

    def after_another(folder, *arguments):
        monkeypatch.setattr(predictions_module, "merge_parts", merge)
        run(store, *BACKLOGS, backend=RecordingBackend(), unit_sequences=3)
        return merge(folder, *arguments)

    monkeypatch.setattr(predictions_module, "merge_parts", after_another)
    report = run(store, *BACKLOGS, backend=RecordingBackend(), unit_sequences=3)
    assert set(load_current(store, report.name)["part"].to_pylist()) == parts(store).keys()
    alone = FolderStore(tmp_path / "alone")
    run(alone, *BACKLOGS, backend=RecordingBackend(), unit_sequences=3)
    assert contents(store) == contents(alone)


def test_a_table_that_another_run_has_made_old_is_made_again(store, monkeypatch):
    """The other run scores more and merges after this one has merged, and before it writes its table."""
    more = two_shards(*range(1, 22)), BACKLOGS[1]
    encode = predictions_module.encode_current

    def after_another(*arguments):
        monkeypatch.setattr(predictions_module, "encode_current", encode)
        run(store, *more, backend=RecordingBackend(), unit_sequences=3)
        return encode(*arguments)

    monkeypatch.setattr(predictions_module, "encode_current", after_another)
    report = run(store, *BACKLOGS, backend=RecordingBackend(), unit_sequences=3)
    current = load_current(store, report.name)
    assert set(current["part"].to_pylist()) <= parts(store).keys()
    assert all(read_details(store, report.name, which) for which in current["sequence_id"].to_pylist())


def test_an_index_is_begun_anew_where_parts_vanish_while_it_is_made(store, monkeypatch):
    read, backend = parts_module.read_part, RecordingBackend()

    def after_another(*arguments, **options):
        monkeypatch.setattr(parts_module, "read_part", read)
        run(store, *BACKLOGS, backend=RecordingBackend(), unit_sequences=3)
        return read(*arguments, **options)

    with pytest.raises(Killed):
        run(store, *BACKLOGS, backend=OneUnit(), unit_sequences=3)
    monkeypatch.setattr(parts_module, "read_part", after_another)
    run(store, *BACKLOGS, backend=backend, unit_sequences=3)
    assert backend.asked == []


def test_a_part_that_another_run_is_deleting_is_not_preferred_to_what_became_of_it(store, monkeypatch):
    """The other run has stored its index and not yet deleted what that does not name."""

    def interrupted(path):
        raise Killed

    backlogs = BACKLOGS[1], two_shards(1, 2, 3)
    with monkeypatch.context() as killed, pytest.raises(Killed):
        killed.setattr(store, "delete", interrupted)
        run(store, *backlogs, backend=RecordingBackend(), unit_sequences=3)
    (merged,) = (name for name, rows in parts(store).items() if len(rows) == 6)
    assert len(parts(store)) == 5, "the four that it was made of are still there"
    report = run(store, *backlogs, backend=RecordingBackend(), unit_sequences=3)
    assert parts(store).keys() == {merged}
    assert set(load_current(store, report.name)["part"].to_pylist()) == {merged}
