"""A pull makes the snapshot equal to the backlog, fetching what is new or moved and nothing else."""

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triage_assets.annotator.pull import pull_sequences
from triage_assets.annotator.records import Box, Detection, Organization, SequenceRow, partition_key
from triage_assets.annotator.snapshot import (
    ROWS_PER_GROUP,
    SNAPSHOT_SCHEMA,
    SnapshotWriter,
    StoredSnapshot,
    detections_array,
    iter_sequences,
    read_snapshot,
    snapshot_path,
    stored_keys,
)
from triage_assets.demo.faults import Faults
from triage_assets.errors import AnnotatorUnavailable, NewerFormat, StoreError
from triage_assets.folder_store import FolderStore

from .servers import LOGIN, LONG, QUICK, SHORT, Chosen, open_client, say


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def biggest(server, client):
    organization = max(client.list_organizations(), key=lambda one: len(server.backlog.ready_ids(one)))
    return organization, partition_key(organization)


def stored_ids(store, key):
    return read_snapshot(store, key, ["sequence_id"])["sequence_id"].to_pylist()


@pytest.mark.parametrize("version", ["newer", "older"])
def test_a_first_pull_holds_the_backlog_exactly_as_served(serve, connect, store, version):
    server = serve(40, frames=None, version=version)
    client = connect(server)
    organization, key = biggest(server, client)
    report = pull_sequences(client, store, key)
    expected = list(server.backlog.ready_ids(organization))
    sequences = list(iter_sequences(store, key))
    assert [sequence.id for sequence in sequences] == expected == stored_ids(store, key)
    for sequence in sequences:
        served = server.backlog.detections(sequence.id)
        assert [one.id for one in sequence.detections] == [
            one.id for one in sorted(served, key=lambda one: (one.recorded_at, one.id))
        ]
        assert {one.id: one.boxes for one in sequence.detections} == {one.id: one.boxes for one in served}
        assert {one.id: one.bucket_key for one in sequence.detections} == {one.id: one.bucket_key for one in served}
        truth = server.backlog.sequence(sequence.id)
        assert (sequence.row.camera_name, sequence.row.azimuth) == (truth.camera.name, truth.view.azimuth)
        assert (sequence.row.last_seen_at, sequence.row.created_at) == (truth.last_seen_at, truth.created_at)
    assert (report.n_listed, report.n_total, report.n_new, report.n_sequences) == (len(expected),) * 4
    assert (report.n_changed, report.n_unchanged, report.n_gone, report.shortfall) == (0, 0, 0, 0)
    assert report.n_detections == sum(len(sequence.detections) for sequence in sequences)
    assert (report.display_name, report.incomplete, report.rejected) == (organization.name, {}, {})
    assert report.changed
    assert stored_keys(store) == (key,)


def test_a_second_pull_fetches_nothing_and_leaves_the_file_alone(serve, connect, store, tmp_path):
    server = serve(30)
    client = connect(server)
    _, key = biggest(server, client)
    first = pull_sequences(client, store, key)
    file = tmp_path / "store" / snapshot_path(key)
    before, n_calls = file.stat(), server.counts["detections"]
    second = pull_sequences(client, store, key)
    assert server.counts["detections"] == n_calls
    assert (second.n_unchanged, second.n_detection_calls, second.changed) == (first.n_listed, 0, False)
    assert second.data_version == first.data_version
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_only_what_is_new_or_moved_is_fetched_and_the_bytes_are_those_of_a_fresh_pull(serve, connect, store, tmp_path):
    server = serve(60)
    client = connect(server)
    organization, key = biggest(server, client)
    pull_sequences(client, store, key)
    old = set(server.backlog.ready_ids(organization))
    gone = sorted(old)[1:4]
    longer = sorted(old)[5:7]
    for which in gone:
        server.backlog.remove_sequence(which)
    for which in longer:
        server.backlog.add_frames(which, 2)
    server.backlog.add_sequences(25)
    new = set(server.backlog.ready_ids(organization)) - old
    server.requests.clear()
    report = pull_sequences(client, store, key)
    fetched = {
        int(one.query.split("sequence_id=")[1].split("&")[0]) for one in server.requests if one.kind == "detections"
    }
    assert fetched == new | set(longer)
    assert (report.n_new, report.n_changed, report.n_gone) == (len(new), 2, 3)
    assert report.n_detection_calls == len(new) + 2
    assert set(stored_ids(store, key)) == (old - set(gone)) | new
    fresh = FolderStore(tmp_path / "fresh")
    again = pull_sequences(client, fresh, key)
    assert fresh.read(snapshot_path(key)) == store.read(snapshot_path(key))
    assert again.data_version == report.data_version


def test_listing_fields_are_refreshed_where_detections_stay(serve, connect, store):
    client = connect(serve(6))
    key = partition_key(client.list_organizations()[0])
    pull_sequences(client, store, key)
    stored = StoredSnapshot.open(store, key)
    rows = [replace(stored.row(which), azimuth=359, lat=None) for which in stored.ids.tolist()]
    writer = SnapshotWriter(key, "old name", "ready_to_annotate")
    writer.write(rows, stored.detections(stored.ids.tolist()))
    original = store.read(snapshot_path(key))
    store.write(snapshot_path(key), writer.finish())
    report = pull_sequences(client, store, key)
    assert (report.n_detection_calls, report.changed) == (0, True)
    assert store.read(snapshot_path(key)) == original


@pytest.mark.parametrize("options", [{"limit": 4}, {"since": "2026-07-01"}])
def test_a_limited_pull_is_the_limited_backlog(serve, connect, store, options):
    server = serve(60)
    client = connect(server)
    organization, key = biggest(server, client)
    pull_sequences(client, store, key)
    report = pull_sequences(client, store, key, **options)
    rows = sorted(
        (server.backlog.sequence(which) for which in server.backlog.ready_ids(organization)),
        key=lambda one: (one.recorded_at, one.id),
    )
    since = [one for one in rows if one.recorded_at.isoformat() >= "2026-07-01"]
    expected = rows[:4] if "limit" in options else since
    assert 0 < len(expected) < len(rows)
    assert stored_ids(store, key) == sorted(one.id for one in expected)
    assert (report.n_detection_calls, report.n_gone) == (0, len(rows) - len(expected))
    assert report.shortfall == 0


def test_several_spellings_of_one_organization_are_one_snapshot(scripted, store):
    moment = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    rows = {"Forêt ": [3, 1], "FORET": [2], "Ailleurs": [9]}

    def answer(method, path, n):
        query = parse_qs(urlsplit(path).query)
        if method == "POST":
            return LOGIN
        if path.endswith("/organizations/"):
            return say([{"id": 7, "name": name} for name in rows])
        if "/detections/" in path or "/annotations/" in path:
            return say({"items": [], "total": 0})
        name = query["organisation_name"][0]
        items = [
            {
                "id": which,
                "organisation_id": 7,
                "organisation_name": name,
                "recorded_at": moment,
                "last_seen_at": moment,
            }
            | {"annotation": {"processing_stage": "ready_to_annotate"}}
            for which in rows[name]
        ]
        return say({"items": items, "total": len(items)})

    with open_client(scripted(answer).url) as client:
        report = pull_sequences(client, store, "foret-7")
    assert stored_ids(store, "foret-7") == [1, 2, 3]
    assert (report.spellings, report.n_total) == (("FORET", "Forêt "), 3)


def test_a_sequence_whose_detections_do_not_come_is_incomplete_and_tried_again(serve, connect, store):
    broken = set()
    faults = Chosen(
        lambda path: "error" if any(f"detections/?sequence_id={which}&" in path for which in broken) else None
    )
    server = serve(30, frames=2, faults=faults)
    client = connect(server, retry=replace(QUICK, attempts=2, give_up_calls=10**6))
    organization, key = biggest(server, client)
    pull_sequences(client, store, key)
    longer, *_ = old = server.backlog.ready_ids(organization)
    server.backlog.add_frames(longer, 3)
    server.backlog.add_sequences(30)
    new = sorted(set(server.backlog.ready_ids(organization)) - set(old))
    before = read_snapshot(store, key)
    organizations = client.list_organizations()
    broken |= {longer, new[0]}
    report = pull_sequences(client, store, key, organizations)
    assert set(report.incomplete) == {longer, new[0]}
    assert all("attempts" in reason for reason in report.incomplete.values())
    after = read_snapshot(store, key)
    assert after.filter(pa.compute.equal(after["sequence_id"], longer)).equals(
        before.filter(pa.compute.equal(before["sequence_id"], longer))
    )
    assert new[0] not in stored_ids(store, key)
    assert set(new[1:]) <= set(stored_ids(store, key))
    broken.clear()
    last = pull_sequences(client, store, key, organizations)
    assert (last.incomplete, last.n_detection_calls) == ({}, 2)
    assert stored_ids(store, key) == sorted({*old, *new})


def test_a_pull_that_fails_leaves_the_snapshot_as_it_was(serve, connect, store):
    server = serve(10)
    client = connect(server)
    organization, key = biggest(server, client)
    pull_sequences(client, store, key)
    before = store.read(snapshot_path(key))
    server.faults.error_rate, server.faults.most_in_a_row = 1.0, 10**9
    with pytest.raises(AnnotatorUnavailable):
        pull_sequences(client, store, key, [organization])
    assert store.read(snapshot_path(key)) == before


def test_bad_rows_are_kept_without_their_bad_value_or_counted(serve, connect, store):
    server = serve(30)
    client = connect(server)
    organization, key = biggest(server, client)
    chosen = server.backlog.ready_ids(organization)[:3]
    n_ready = len(server.backlog.ready_ids(organization))
    server.faults.rows.update(zip(chosen, ("null_lat", "rubbish", "nan"), strict=True))
    report = pull_sequences(client, store, key)
    assert (report.n_listed, report.n_total) == (n_ready - 1, n_ready)
    assert (report.n_rejected_rows, report.shortfall) == (1, 0)
    assert all(reason.startswith("recorded_at: ") for reason in report.rejected)
    assert stored_ids(store, key) == [which for which in server.backlog.ready_ids(organization) if which != chosen[1]]
    lat = dict(zip(stored_ids(store, key), read_snapshot(store, key)["lat"].to_pylist(), strict=True))
    assert [which for which, value in lat.items() if value is None] == [chosen[0], chosen[2]]


def test_detections_that_are_refused_are_counted_apart_from_altered_values(scripted, store):
    moment = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    row = {"id": 1, "organisation_id": 7, "organisation_name": "A", "recorded_at": moment, "last_seen_at": moment}
    row["annotation"] = {"processing_stage": "ready_to_annotate"}
    good = {"id": 1, "sequence_id": 1, "recorded_at": moment, "algo_predictions": {"predictions": [None]}}
    detections = [good, good | {"id": 2, "recorded_at": "?"}, good | {"id": None}]

    def answer(method, path, n):
        if method == "POST":
            return LOGIN
        if path.endswith("/organizations/"):
            return say([{"id": 7, "name": "A"}])
        if "/annotations/" in path:
            return say({"items": [], "total": 0})
        items = detections if "/detections/" in path else [row]
        return say({"items": items, "total": len(items)})

    with open_client(scripted(answer).url) as client:
        report = pull_sequences(client, store, "a-7")
    assert (report.n_detections, report.n_rejected_detections, report.incomplete) == (1, 2, {})
    assert sorted(reason.partition(":")[0] for reason in report.rejected_detections) == ["id", "recorded_at"]
    assert (report.altered, report.rejected) == ({"algo_predictions: a prediction is no object": 1}, {})


def test_a_total_of_detections_that_is_never_reached_ends_at_the_first_empty_page(scripted):
    def answer(method, path, n):
        return LOGIN if method == "POST" else say({"items": [], "total": 10**12})

    server = scripted(answer)
    with open_client(server.url) as client:
        (answered,) = client.fetch_detections([1])
    assert answered.failure == f"0 of {10**12} detections came in 3 walks over the pages"
    assert len(server.requests) == 1 + 3


def test_what_a_killed_pull_left_unfinished_is_removed_by_the_next_one(serve, connect, store, tmp_path):
    client = connect(serve(6))
    key = partition_key(client.list_organizations()[0])
    pull_sequences(client, store, key)
    folder = (tmp_path / "store" / snapshot_path(key)).parent
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, pathlib, signal, sys\n"
            "from triage_assets.folder_store import FolderStore\n"
            "new = FolderStore(pathlib.Path(sys.argv[1])).new_object(sys.argv[2])\n"
            "new.write([b'half a snapshot'])\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n",
            tmp_path / "store",
            snapshot_path(key),
        ],
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -signal.SIGKILL
    (folder / "notes.txt").write_text("not ours")
    assert len(list(folder.iterdir())) == 3
    with store.new_object(f"{folder.relative_to(tmp_path / 'store')}/other") as living:
        assert pull_sequences(client, store, key).changed is False
        living.write([b"x"])
        living.commit()
    assert sorted(file.name for file in folder.iterdir()) == ["notes.txt", "other", "sequences.parquet"]


@pytest.mark.parametrize(
    "faults",
    [
        {"error_rate": 0.2, "truncate_rate": 0.1, "throttle_rate": 0.05},
        {"unauthorized_after": 9},
        {"hang_rate": 0.05},
    ],
    ids=["errors", "401", "hangs"],
)
def test_a_troubled_server_changes_nothing_in_the_snapshot(serve, connect, tmp_path, faults):
    stores = []
    for number, trouble in enumerate(({}, faults)):
        server = serve(40, frames=None, faults=Faults(**trouble))
        client = connect(server, timeouts=SHORT if "hang_rate" in trouble else LONG)
        stores.append(FolderStore(tmp_path / str(number)))
        _, key = biggest(server, client)
        assert pull_sequences(client, stores[-1], key).incomplete == {}
    assert stores[0].read(snapshot_path(key)) == stores[1].read(snapshot_path(key))


def make_row(which, **changes):
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=which)
    base = SequenceRow(which, 1, "o\n/..", 2, "c", None, moment, moment, None, None, 0.1, None, None, None, None)
    return replace(base, **changes)


def test_the_snapshot_holds_every_value_exactly(store):
    box = Box(0.1, 0.2, 1e-17, -3.0, 0.999, "fumée")
    rows = [
        make_row(1),
        make_row(2**40, azimuth=-1, is_manual=False, temporal_model_score=0.2382, platform_alert_id=2**62, lat=-0.0),
    ]
    detections = [
        (),
        (
            Detection(5, 2**40, rows[0].recorded_at, "a/b.jpg", (box, box), ()),
            Detection(6, 2**40, rows[0].recorded_at, "", (), (box,)),
        ),
    ]
    writer = SnapshotWriter("k-1", "K", "ready_to_annotate")
    writer.write(rows, detections_array(detections))
    store.write(snapshot_path("k-1"), writer.finish())
    back = list(iter_sequences(store, "k-1"))
    assert [one.row for one in back] == rows
    assert [one.detections for one in back] == detections
    table = read_snapshot(store, "k-1")
    assert table.schema.equals(SNAPSHOT_SCHEMA)
    assert table.schema.metadata[b"organization_key"] == b"k-1"
    assert table["n_detections"].to_pylist() == [0, 2]


def test_row_groups_are_small_and_found_by_id(store):
    writer = SnapshotWriter("k-1", "K", "ready_to_annotate")
    n = 2 * ROWS_PER_GROUP + 7
    for start in range(0, n, ROWS_PER_GROUP):
        rows = [make_row(3 * which) for which in range(start, min(n, start + ROWS_PER_GROUP))]
        one_each = [(Detection(row.id + 1, row.id, row.recorded_at, "", (), ()),) for row in rows]
        writer.write(rows, detections_array(one_each))
    store.write(snapshot_path("k-1"), writer.finish())
    file = pq.ParquetFile(pa.BufferReader(store.read(snapshot_path("k-1"))))
    assert [file.metadata.row_group(group).num_rows for group in range(3)] == [ROWS_PER_GROUP, ROWS_PER_GROUP, 7]
    stored = StoredSnapshot.open(store, "k-1")
    wanted = [0, 3 * (ROWS_PER_GROUP - 1), 3 * ROWS_PER_GROUP, 3 * (n - 1)]
    assert [one[0]["detection_id"] for one in stored.detections(wanted).to_pylist()] == [which + 1 for which in wanted]
    assert [stored.row(which).id for which in wanted] == wanted
    assert stored.last_seen()[3] == make_row(3).last_seen_at


def test_no_snapshot_is_none_and_iterates_as_nothing(store):
    assert read_snapshot(store, "k-1") is None
    assert list(iter_sequences(store, "k-1")) == []
    assert stored_keys(store) == ()


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda data: b"", StoreError, "cannot be read"),
        (lambda data: data[:-20], StoreError, "triage pull"),
        (lambda data: restamp(data, b"2"), NewerFormat, "newer version"),
        (lambda data: restamp(data, b"x"), StoreError, "does not say its format version"),
    ],
)
def test_a_snapshot_that_cannot_be_read_says_what_to_do(store, spoil, kind, message):
    writer = SnapshotWriter("k-1", "K", "ready_to_annotate")
    writer.write([make_row(1)], detections_array([()]))
    store.write(snapshot_path("k-1"), spoil(writer.finish()))
    with pytest.raises(kind, match=message):
        read_snapshot(store, "k-1")


def restamp(data, version):
    table = pq.read_table(pa.BufferReader(data))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"format_version": version}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("organization", "key"),
    [
        (Organization(100, "SDIS Ardèche"), "sdis-ardeche-100"),
        (Organization(105, "Région PACA / Var"), "region-paca-var-105"),
        (Organization(7, "../..\t\n"), "organization-7"),  # nothing usable in the name
        (Organization(7, "消防"), "organization-7"),
    ],
)
def test_partition_keys_are_readable_and_safe_as_folders(organization, key):
    assert partition_key(organization) == key
