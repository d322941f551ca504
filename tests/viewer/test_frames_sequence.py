"""A sequence's page: what the store and the review database know of it, together and with parts of it missing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from triage_viewer.context import Context
from triage_viewer.frames.slots import frames_of_slots

from tests.shards.shard_backlogs import KEY, make_sequence
from tests.viewer.conftest import serve
from tests.viewer.frames_store import (
    BOX,
    BROKEN,
    HOSTILE,
    SIZE,
    UNUSABLE,
    fill,
    pack,
    score,
    sequences,
    store_snapshot,
)
from triage_assets.annotator.snapshot import snapshot_path
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup
from triage_assets.review.database import open_review
from triage_assets.scoring.predictions import load_current, read_details
from triage_assets.scoring.slots import plan_slots
from triage_assets.shards.catalog import catalog_path, load_catalog, tar_path

SEQUENCES = "/api/v1/sequences"
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("filled") / "store"
    return folder, fill(FolderStore(folder))


@pytest.fixture
def model(filled: tuple[Path, str]) -> str:
    return filled[1]


@pytest.fixture
def store(tmp_path: Path, filled: tuple[Path, str]) -> FolderStore:
    return FolderStore(copytree(filled[0], tmp_path / "store"))


@pytest.fixture
def context(store: FolderStore, tmp_path: Path) -> Iterator[Context]:
    review = open_review(f"sqlite:///{tmp_path / 'review.sqlite'}")
    context = Context(store, review, actor="bob")
    regroup(store, review, context.joining)
    yield context
    review.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is looked at for every request, so that no test waits for a second to pass."""
    for name in ("directory._LOOK", "library._LIST", "kept._LOOK"):
        monkeypatch.setattr(f"triage_viewer.frames.{name}_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("triage_viewer.backlog.live._LOOK_SECONDS", 0.0)


def page(client: httpx.Client, sequence_id: int) -> dict[str, Any]:
    answer = client.get(f"{SEQUENCES}/{sequence_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def page_once(client: httpx.Client, sequence_id: int, *, is_listed: bool) -> dict[str, Any]:
    """The page as soon as the worklists that list the sequence, or do not, are loaded."""
    for _ in range(600):
        found = page(client, sequence_id)
        if (found["triage"] is not None) == is_listed:
            return found
        time.sleep(0.05)
    raise AssertionError(found["triage"])


def test_a_sequence_shows_what_the_backlog_and_the_shards_have_of_it(client: httpx.Client) -> None:
    one = page(client, 1)
    row = sequences()[0].row
    expected = {
        "key": "pyro-annotator_1",
        "organization_key": KEY,
        "organization_id": 3,
        "organization_name": "SDIS Ardèche",
        "camera_id": 12,
        "camera_name": HOSTILE,
        "azimuth": 45,
        "platform_score": 0.25,
        "is_in_backlog": True,
        "n_frames": 8,
        "n_frames_stored": 8,
        "n_frames_unusable": 0,
        "notices": [],
    }
    assert {name: one[name] for name in expected} == expected
    assert one["started_at"] == row.recorded_at.isoformat().replace("+00:00", "Z")
    assert [frame["detection_id"] for frame in one["frames"]] == list(range(100, 108))
    first = one["frames"][0]
    assert (first["width"], first["height"]) == SIZE
    box = {"xyxyn": [BOX.x1, BOX.y1, BOX.x2, BOX.y2], "confidence": BOX.confidence, "class_name": "smoke"}
    assert (first["boxes"], first["other_boxes"]) == ([box], [])


def test_details_are_those_that_the_predictions_have(store: FolderStore, model: str, client: httpx.Client) -> None:
    current = {row["sequence_id"]: row for row in load_current(store, model).to_pylist()}
    for sequence_id in (1, 2, 3, 4):
        (word,) = page(client, sequence_id)["models"]
        details = read_details(store, model, sequence_id)
        shown = word["details"]
        assert shown["preprocessing"] == details["preprocessing"]
        assert shown["tubes"]["kept"] == details["tubes"]["kept"]
        assert shown["decision"] == details["decision"]
        row = current[sequence_id]
        assert (word["score"], word["logit"], word["trigger_frame_index"], word["runtime"], word["detector"]) == tuple(
            row[name] for name in ("triage_score", "best_logit", "trigger_frame_index", "runtime", "detector")
        )
        assert (word["name"], word["is_listed"], word["is_current"]) == (model, True, True)
        assert "knows only the demo's rendered scenes" in word["caution"]


def test_each_slot_names_the_frame_that_the_model_was_shown(client: httpx.Client) -> None:
    """Also where a frame is unusable (2), and where one could not be decoded when it was scored (3)."""
    usable = {
        1: [*range(100, 108)],
        2: [each for each in range(200, 204) if each != UNUSABLE],
        3: [each for each in range(300, 305) if each != BROKEN],
    }
    for sequence_id, ids in usable.items():
        (word,) = page(client, sequence_id)["models"]
        plan = plan_slots(len(ids), 20, 20, "symmetric")
        assert [slot["detection_id"] for slot in word["slots"]] == [ids[frame] for frame in plan.frames]
        copies = set(plan.preprocessing.padded_frame_indices)
        assert [slot["is_padding"] for slot in word["slots"]] == [slot in copies for slot in range(20)]
        assert word["n_frames_unusable"] == (0 if sequence_id == 1 else 1)


def test_slots_lead_back_to_frames_in_every_way_of_padding() -> None:
    for strategy in ("symmetric", "uniform"):
        for n_frames in range(1, 26):
            for pad_to in (0, 6, 20):
                plan = plan_slots(n_frames, 20, pad_to, strategy)
                preprocessing = {
                    "num_frames_input": n_frames,
                    "num_truncated": plan.preprocessing.num_truncated,
                    "padded_frame_indices": list(plan.preprocessing.padded_frame_indices),
                }
                assert frames_of_slots(preprocessing, range(n_frames)) == plan.frames, (strategy, n_frames, pad_to)


def test_a_trigger_names_the_recorded_frame(store: FolderStore, model: str, client: httpx.Client) -> None:
    """The demo's model is not moved by noise: one row is given a trigger in a copy of the first frame."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    [path] = [each.path for each in store.list("predictions") if "/part-" in each.path]
    rows = pq.read_table(pa.BufferReader(store.read(path)))
    is_first = pc.equal(rows["sequence_id"], 1)
    for trigger, detection_id in ((0, 100), (6, 100), (8, 102), (19, 107)):
        column = pc.if_else(is_first, pa.scalar(trigger, pa.int32()), rows["trigger_frame_index"])
        changed = rows.set_column(rows.schema.get_field_index("trigger_frame_index"), "trigger_frame_index", column)
        sink = pa.BufferOutputStream()
        pq.write_table(changed, sink)
        store.write(path, sink.getvalue().to_pybytes())
        (word,) = page(client, 1)["models"]
        assert (word["trigger_frame_index"], word["trigger"]["detection_id"]) == (trigger, detection_id)
        assert word["trigger"]["is_padding"] == (trigger in (0, 19))


def test_an_unusable_frame_shows_its_reason_and_its_boxes(client: httpx.Client) -> None:
    two = page(client, 2)
    assert (two["n_frames"], two["n_frames_stored"], two["n_frames_unusable"]) == (4, 3, 1)
    [lost] = [frame for frame in two["frames"] if not frame["is_stored"]]
    assert (lost["detection_id"], lost["unusable_reason"], lost["width"]) == (UNUSABLE, "HTTP 404", None)
    assert len(lost["boxes"]) == 1


def test_the_worklists_say_where_the_sequence_is(context: Context, client: httpx.Client) -> None:
    one, four = page(client, 1), page(client, 4)
    assert one["triage"]["threshold"] == 0.35
    assert one["triage"]["bucket"] == ("review" if one["triage"]["score"] >= 0.35 else "unlabeled")
    assert one["triage"]["score"] == one["models"][0]["score"]
    assert (four["triage"]["bucket"], four["triage"]["score"]) == ("unlabeled", 0.0)
    assert one["group_id"] is not None
    assert one["is_group_excluded"] is False


def test_a_dropped_sequence_says_why(store: FolderStore, client: httpx.Client) -> None:
    store_snapshot(store, [*sequences(), make_sequence(5, [500])])
    score(store)
    five = page_once(client, 5, is_listed=True)
    assert (five["n_frames"], five["n_frames_stored"]) == (1, 0)
    assert five["frames"][0]["unusable_reason"] is None
    assert five["triage"]["bucket"] is None
    assert five["triage"]["dropped_reason"] == "incomplete"
    assert "run frame_shards again" in five["triage"]["dropped_error"]
    (word,) = five["models"]
    assert (word["score"], word["details"], word["slots"]) == (None, None, None)
    assert "run frame_shards again" in word["dropped_error"]


def test_the_frames_of_a_sequence_that_left_the_backlog_still_show(
    context: Context, store: FolderStore, client: httpx.Client
) -> None:
    assert page(client, 1)["is_in_backlog"]
    store_snapshot(store, sequences()[1:])
    score(store)
    one = page_once(client, 1, is_listed=False)
    assert (one["is_in_backlog"], one["triage"], one["models"]) == (False, None, [])
    assert (one["camera_name"], one["organization_name"], one["azimuth"]) == (HOSTILE, "SDIS Ardèche", 45)
    assert (one["n_frames_stored"], one["frames"][0]["boxes"]) == (8, None)
    assert one["group_id"] is not None
    assert client.get(f"/api/v1/frames/100?sequence_id={one['sequence_id']}").status_code == 200
    assert one["notices"] == []


def test_a_score_of_other_frames_is_said_to_be_one(store: FolderStore, client: httpx.Client) -> None:
    first, *others = sequences()
    grown = replace(first, detections=first.detections[:-1])
    store_snapshot(store, [grown, *others])
    (word,) = page(client, 1)["models"]
    assert (word["is_current"], word["slots"], word["trigger"]) == (False, None, None)
    assert word["score"] is not None


def test_a_prediction_without_frames_still_shows(store: FolderStore, client: httpx.Client) -> None:
    for found in list(store.list("shards")):
        store.delete(found.path)
    one = page(client, 1)
    assert (one["n_frames"], one["n_frames_stored"]) == (8, 0)
    assert one["models"][0]["details"] is not None
    assert one["models"][0]["slots"] is None


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("worklists/results.parquet", "worklists"),
        ("worklists/model_config.json", "worklists"),
        ("predictions/model={model}/current.arrow", "predictions of"),
        (snapshot_path(KEY), "backlog"),
        (catalog_path(KEY), "shards"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_is_shown(
    store: FolderStore, context: Context, model: str, path: str, source: str
) -> None:
    path = path.format(model=model)
    for content in (b"", b"PAR1", store.read(path)[:-30], b"\0" * 1000):
        store.write(path, content)
        with serve(context) as client:
            one = page(client, 1)
        assert len(one["notices"]) == 1, one["notices"]
        assert source in one["notices"][0]
        assert "Run `triage" in one["notices"][0]
        assert store.location not in str(one)
        assert one["camera_name"] == HOSTILE
        assert one["n_frames"] == 8


def test_a_shard_that_is_gone_leaves_the_page(store: FolderStore, client: httpx.Client) -> None:
    store.delete(tar_path(KEY, load_catalog(store, KEY).shards[0].name))
    one = page(client, 1)
    assert (one["n_frames_stored"], len(one["notices"])) == (8, 1)
    assert "triage shards verify" in one["notices"][0]


def test_a_part_that_was_merged_away_is_looked_for_again(
    store: FolderStore, model: str, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of places is a second old, and the part that it names is gone: another has its rows."""
    before = page(client, 1)["models"]
    monkeypatch.setattr("triage_viewer.frames.kept._LOOK_EVERY_SECONDS", 3600.0)
    [part] = [each.path for each in store.list("predictions") if "/part-" in each.path]
    other = part.replace("/part-", "/part-0")
    store.write(other, store.read(part))
    store.delete(part)
    old, new = (path.rpartition("/")[2] for path in (part, other))
    import pyarrow as pa
    import pyarrow.compute as pc

    from triage_assets.scoring.files.parts import to_ipc

    current = load_current(store, model)
    names = pc.replace_substring(current["part"], old, new)
    changed = current.set_column(current.schema.get_field_index("part"), "part", names.cast(pa.string()))
    store.write(f"predictions/model={model}/current.arrow", to_ipc(changed))
    assert page(client, 1)["models"] == before


def test_new_scores_and_sequences_show_without_a_restart(store: FolderStore, client: httpx.Client) -> None:
    assert client.get(f"{SEQUENCES}/7").status_code == 404
    seven = make_sequence(7, [700, 701])
    pack(store, [seven])
    assert page(client, 7)["models"] == []
    store_snapshot(store, [*sequences(), seven])
    score(store)
    found = page_once(client, 7, is_listed=True)
    assert (found["is_in_backlog"], found["triage"]["bucket"], len(found["models"])) == (True, "unlabeled", 1)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/99", 404, "There is no sequence 99 in the store. Run `triage pull`"),
        ("/0", 422, "greater than or equal to 1"),
        (f"/{2**63}", 422, "less than or equal to"),
        ("/one", 422, "valid integer"),
        ("/1?frames=1", 422, "Unknown query parameters: frames"),
        ("/..%2f1", 404, "There is nothing under this path"),
        ("/1%2f..%2f2", 404, "There is nothing under this path"),
    ],
)
def test_what_is_no_sequence_is_said_in_a_sentence(client: httpx.Client, path: str, status: int, message: str) -> None:
    answer = client.get(f"{SEQUENCES}{path}")
    assert answer.status_code == status
    assert message in answer.json()["detail"]


def test_an_unknown_sequence_of_a_store_that_cannot_be_read_is_no_404(store: FolderStore, client: httpx.Client) -> None:
    store.write(catalog_path(KEY), b"{")
    store.write(snapshot_path(KEY), b"PAR1")
    answer = client.get(f"{SEQUENCES}/99")
    assert answer.status_code == 503
    assert store.location not in answer.text


def test_a_frame_that_two_models_saw_shows_both(store: FolderStore, model: str, client: httpx.Client) -> None:
    copytree(store.root / f"predictions/model={model}", store.root / "predictions/model=0.1.0-aaaaaaaa")
    words = page(client, 1)["models"]
    assert [(word["name"], word["is_listed"]) for word in words] == [(model, True), ("0.1.0-aaaaaaaa", False)]


def test_serving_loads_neither_torch_nor_dagster(store: FolderStore, tmp_path: Path) -> None:
    program = f"""
import sys, threading, time
import httpx
from tests.viewer.conftest import serve
for name in [name for name in sys.modules if name.split(".")[0] in ("torch", "dagster")]:
    raise SystemExit(f"the test itself loads {{name}}")
from triage_viewer.context import Context
from triage_assets.store import open_store
from triage_assets.review.database import open_review
review = open_review("sqlite:///{tmp_path / "other.sqlite"}")
with serve(Context(open_store("{store.root}"), review, "bob")) as client:
    assert client.get("/api/v1/sequences/1").json()["models"][0]["details"]
    assert client.get("/api/v1/frames/100").status_code == 200
    assert client.get("/api/v1/frames/100?width=160&crop=0,0,0.5,0.5").status_code == 200
review.close()
print(sorted({{name.split(".")[0] for name in sys.modules}} & {{"torch", "dagster", "distributed", "openvino"}}))
"""
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'viewer'}"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=environment, cwd=PROJECT
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
