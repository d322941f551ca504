"""What was imported is looked at like anything else, and what is not known of it is said."""

from contextlib import closing
from pathlib import Path

from triage_viewer.context import Context

from tests.exchange.folders import make_details, make_loose, make_report
from tests.exchange.test_exporting import write_split
from tests.shards.shard_backlogs import tiny_jpeg
from tests.viewer.conftest import serve
from triage_assets.exchange.importing import import_folder
from triage_assets.folder_store import FolderStore
from triage_assets.review.database import open_review


def test_an_imported_sequence_has_its_frames_and_its_models_word_and_no_boxes(tmp_path: Path) -> None:
    make_loose(tmp_path / "old", {5: (50, 51, 52)})
    make_report(tmp_path / "old", {5: 0.9})
    store = FolderStore(tmp_path / "store")
    import_folder(store, tmp_path / "old")
    write_split(store)
    with (
        closing(open_review(f"sqlite:///{tmp_path}/review.sqlite")) as review,
        serve(Context(store, review, "bob")) as client,
    ):
        page = client.get("/api/v1/sequences/5").raise_for_status().json()
        rows = client.get("/api/v1/triage/rows").raise_for_status().json()
        image = client.get("/api/v1/frames/51").raise_for_status().content
    assert image == tiny_jpeg(51)
    assert [row["sequence_id"] for row in rows["items"]] == [5]
    assert [(frame["is_stored"], frame["boxes"]) for frame in page["frames"]] == [(True, None)] * 3
    [model] = page["models"]
    assert (model["detector"], model["score"], model["is_listed"], model["is_current"]) == ("imported", 0.9, True, True)
    assert [slot["detection_id"] for slot in model["slots"]] == [50, 51, 52]
    [tube] = model["details"]["tubes"]["kept"]
    assert tube["probability"] == make_details(0.9, 3)["tubes"]["kept"][0]["probability"]
